"""Inputs of types that numpy does not have itself: drawn, fed by their bytes, or refused by name."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from npubench.backends.onnxruntime.processors import X86
from npubench.backends.onnxruntime.quantise import quantise_static
from npubench.backends.signature import unfed
from npubench.domain.records import Failure, FailureClass, Stage
from npubench.domain.specs import CalibrationSpec
from npubench.graph.read import describe
from npubench.graph.walk import numpy_dtype, plain
from npubench.measure.calibration import calibration_inputs, rounded_to_8_bits
from npubench.measure.onnx_session import Plain, failure_of_error, open_session, ready

ODD = ("BFLOAT16", "FLOAT8E4M3FN", "FLOAT8E5M2", "INT4", "UINT4")


def model(path: Path, element: str, out: int = TensorProto.FLOAT) -> Path:
    weight = numpy_helper.from_array(np.random.default_rng(0).standard_normal((8, 4)).astype(np.float32), "w")
    nodes = [
        helper.make_node("Cast", ["x"], ["c"], to=TensorProto.FLOAT),
        helper.make_node("MatMul", ["c", "w"], ["m"]),
        helper.make_node("Cast", ["m"], ["y"], to=out),
    ]
    graph = helper.make_graph(
        nodes, "g",
        [helper.make_tensor_value_info("x", TensorProto.DataType.Value(element), [2, 8])],
        [helper.make_tensor_value_info("y", out, [2, 4])], [weight],
    )  # fmt: skip
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10), path)
    return path


@pytest.mark.parametrize("element", ODD)
def test_seeded_data_of_the_type_run_and_are_quantised(tmp_path, element):
    path = model(tmp_path / "net.onnx", element)
    described = describe(path, "net")
    samples = calibration_inputs(described.fed, CalibrationSpec(samples=2))
    assert str(samples[0]["x"].dtype) == described.inputs[0].dtype
    session = open_session(path)
    weight = numpy_helper.to_array(onnx.load(path).graph.initializer[0])
    (found,) = session.run(None, samples[0])
    np.testing.assert_allclose(
        found, plain(samples[0]["x"]).astype(np.float32) @ weight, rtol=1e-5, atol=1e-5
    )
    quantise_static(path, tmp_path / "int8.onnx", tmp_path, samples, X86)
    (near,) = open_session(tmp_path / "int8.onnx").run(None, samples[0])
    assert np.corrcoef(near.ravel(), found.ravel())[0, 1] > 0.99


def test_outputs_come_in_types_of_numpys_own(tmp_path):
    session = open_session(model(tmp_path / "net.onnx", "BFLOAT16", TensorProto.BFLOAT16))
    assert isinstance(session, Plain)
    x = np.ones((2, 8), numpy_dtype("bfloat16"))
    assert session.run(None, {"x": x})[0].dtype == np.float32
    timed, feeds = ready(session, {"x": x})
    assert timed.run(None, feeds) is None


def test_arrays_are_brought_to_the_type_that_an_input_has(tmp_path):
    session = open_session(model(tmp_path / "net.onnx", "INT4"))
    wide, narrow = np.full((2, 8), 3, np.int8), np.full((2, 8), 3, numpy_dtype("int4"))
    np.testing.assert_array_equal(session.run(None, {"x": wide})[0], session.run(None, {"x": narrow})[0])


def test_a_session_of_common_types_is_left_alone(tmp_path):
    assert not isinstance(open_session(model(tmp_path / "net.onnx", "FLOAT16")), Plain)


def test_rounding_knows_whole_numbers_of_four_bits():
    (rounded,) = rounded_to_8_bits([{"x": np.arange(-8, 8).astype(numpy_dtype("int4"))}])
    np.testing.assert_array_equal(plain(rounded["x"]), np.arange(-8, 8))


def test_a_convolution_that_the_runtime_lacks_is_told_in_its_words():
    text = "[ONNXRuntimeError] : 9 : NOT_IMPLEMENTED : Could not find an implementation for Conv(22) node with name 'c'"
    failure = failure_of_error({"type": "NotImplemented", "text": text, "traceback": ""}, Stage.MEASURE)
    assert (failure.failure_class, failure.operators) == (FailureClass.UNSUPPORTED_OPERATOR, ("Conv",))
    assert failure.message == "Could not find an implementation for Conv(22) node with name 'c'"


@pytest.mark.parametrize(("element", "unsupported"), [("float4e2m1", True), ("int2", True), ("float", False)])
def test_a_type_that_the_runtime_lacks_is_no_invalid_model(element, unsupported):
    text = f"This is an invalid model. Type Error: Type 'tensor({element})' of input parameter (x) of operator (Cast) in node () is invalid."
    failure = failure_of_error(
        {"type": "InvalidGraph", "text": f"INVALID_GRAPH : {text}", "traceback": ""}, Stage.MEASURE
    )
    expected = FailureClass.UNSUPPORTED_OPERATOR if unsupported else FailureClass.INVALID_MODEL
    assert failure.failure_class is expected


def test_other_tools_are_refused_such_inputs_by_name(tmp_path):
    failure = unfed(describe(model(tmp_path / "net.onnx", "INT4"), "net"), "rknn")
    assert isinstance(failure, Failure)
    assert failure.message.startswith("input 'x' is int4, which rknn is not fed with here: put a Cast")
    assert unfed(describe(model(tmp_path / "half.onnx", "FLOAT16"), "net"), "rknn") is None


def test_an_input_that_is_an_output_too_is_quantised_around(tmp_path):
    path = model(tmp_path / "net.onnx", "FLOAT")
    passing = onnx.load(path)
    passing.graph.output.insert(0, passing.graph.input[0])
    onnx.save(passing, path)
    samples = calibration_inputs(describe(path, "net").fed, CalibrationSpec(samples=2))
    quantise_static(path, tmp_path / "int8.onnx", tmp_path, samples, X86)
    session = open_session(tmp_path / "int8.onnx")
    assert [one.name for one in session.get_outputs()] == ["x", "y"]
    np.testing.assert_array_equal(session.run(None, samples[0])[0], samples[0]["x"])
