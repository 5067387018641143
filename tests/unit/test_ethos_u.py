"""Files of the real Vela 5.2.0, and the rewriting of padded pooling."""

import importlib.util
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from npubench.backends.ethos_u.backend import EthosUBackend, where
from npubench.backends.ethos_u.vela import parse_layers, parse_summary
from npubench.domain.errors import UsageError
from npubench.domain.records import Artifact, Bound, BoundReason, Bounds, FailureClass, Kind, OnnxModel
from npubench.domain.specs import CalibrationSpec, Precision, Target

FILES = Path(__file__).parents[1] / "data/toolchains/ethos-u"
RESNET18 = ("Conv", "Relu", "MaxPool", "Add", "GlobalAveragePool", "Flatten", "Gemm")


explain = EthosUBackend().explain


def placement(layers, operators):
    model = OnnxModel(*("m", Path("m"), "sha", 13, (), ()), dict.fromkeys(operators, 1), 0, 0, 0, 0)
    return where(layers, model)["placement"]


def text(name: str) -> str:
    return (FILES / name).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("accelerator", "milliseconds"), [("u55-256", 31.7), ("u65-512", 9.44), ("u85-512", 6.22)]
)
def test_velas_time_of_resnet18_is_what_others_found(accelerator, milliseconds):
    summary = parse_summary(text(f"resnet18-pool2.{accelerator}.summary.csv"))
    assert summary.inference_us == pytest.approx(milliseconds * 1000, rel=0.02)


def test_a_summary_in_base_units():
    summary = parse_summary(text("resnet18-pool2.u55-256.summary.csv"))
    assert summary.core_clock_mhz == 500
    assert summary.sram_bytes == round(1014.140625 * 1024)
    assert summary.flash_bytes == round(10445.234375 * 1024)
    assert summary.macs == 1814901248


def test_layers_of_a_model_that_is_all_on_the_npu():
    layers = parse_layers(text("resnet18-pool2.u55-256.per-layer.csv"))
    assert layers[0].original == "Conv2D"
    assert layers[0].cycles == 1307359
    assert placement(layers, RESNET18) == dict.fromkeys(RESNET18, "NPU")


def test_argmin_is_left_to_the_cpu_though_vela_returned_0():
    layers = parse_layers(text("argmin.u55-256.per-layer.csv"))
    assert placement(layers, ("ArgMin",)) == {"ArgMin": "CPU"}


def test_operators_that_onnx2tf_made_something_else_of_are_on_the_cpu_where_that_is():
    assert placement(parse_layers(text("topk.u65-512.per-layer.csv")), ("TopK",)) == {"TopK": "CPU"}
    placed = placement(parse_layers(text("reducel1.u65-512.per-layer.csv")), ("ReduceL1",))
    assert placed["Abs"] == "CPU"
    assert placed["Transpose"] == "NPU"


@pytest.mark.parametrize(
    ("log", "step", "expected", "operators", "told"),
    [
        (
            "argmax.u65-512",
            "vela",
            "unsupported_operator",
            ("ArgMax",),
            "Vela does not take ArgMax: IFM has to be 8bit",
        ),
        ("not.u65-512", "vela", "unsupported_operator", ("Not", "Greater"), "neither run on the NPU"),
        ("maxpool-dilated", "onnx2tf", "unsupported_attribute", ("MaxPool",), "dilations must be [1,1]"),
    ],
)
def test_what_a_command_said_before_it_ended_names_the_operator(log, step, expected, operators, told):
    error = {"type": "RuntimeError", "text": f"{step} ended with code 1", "traceback": "", "step": step}
    failure = explain(error, text(f"{log}.log"))
    assert (failure.failure_class.value, failure.operators) == (expected, operators)
    assert told in failure.message


def test_an_operator_that_litert_has_under_another_name_is_told_by_its_own():
    said = (
        "RuntimeError: Compilation failed: Error: UNIDIRECTIONAL_SEQUENCE_LSTM 'output_lstm_uni'"
        " Does not have valid TFLite Semantics.\n - IFM must be INT8 or INT16\n   IFM type=FLOAT32\n"
    )
    error = {"type": "RuntimeError", "text": "vela ended with code 1", "traceback": "", "step": "vela"}
    failure = explain(error, said)
    assert failure.operators == ("LSTM",)
    assert failure.message == "Vela does not take LSTM: IFM must be INT8 or INT16"


def test_a_tensor_of_nms_that_the_quantizer_loses_names_the_operator():
    told = "'sel_nms_valid_count_scalar_shape_c0'"
    failure = explain({"type": "KeyError", "text": told, "traceback": "", "step": "quantise"}, "")
    assert failure.failure_class is FailureClass.UNSUPPORTED_OPERATOR
    assert failure.operators == ("NonMaxSuppression",)


def test_a_command_that_ended_is_told_by_what_it_raised():
    error = {"type": "RuntimeError", "text": "vela ended with code 1", "traceback": "", "step": "vela"}
    said = "Traceback\nValueError: no such memory\nRuntimeError: vela ended with code 1\n"
    assert explain(error, said).message == "ethos-u at vela: ValueError: no such memory"
    assert explain(error, "").message == "ethos-u at vela: RuntimeError: vela ended with code 1"


def estimate(tmp_path, name, operators):
    (tmp_path / "layers.csv").write_text(text(f"{name}.per-layer.csv"))
    (tmp_path / "summary.csv").write_text(text(f"{name}.summary.csv"))
    return EthosUBackend().estimate(artifact_of(tmp_path, operators))


def artifact_of(tmp_path, operators):
    model = OnnxModel(*("m", tmp_path / "m", "sha", 13, (), ()), dict.fromkeys(operators, 1), 0, 0, 0, 0)
    answer = {"per_layer": "layers.csv", "summary": "summary.csv", "accuracy": None}
    (tmp_path / "answer.json").write_text(json.dumps(answer))
    extras = tuple(tmp_path / file for file in ("answer.json", "layers.csv", "summary.csv"))
    return Artifact(tmp_path / "x", "sha", 1, "ethos-u", {}, Precision.INT8, model, {}, extras)


def test_an_estimate_is_simulated_and_names_its_clock(tmp_path):
    figures = estimate(tmp_path, "resnet18-pool2.u55-256", RESNET18)
    assert figures.kind is Kind.SIMULATED
    assert figures.latency_us.mean == pytest.approx(31694.522)
    assert "500 MHz" in figures.statistic
    assert figures.accuracy is None


def test_a_model_that_is_all_on_the_cpu_has_no_time(tmp_path):
    figures = estimate(tmp_path, "argmin.u55-256", ("ArgMin",))
    assert figures.latency_us is None
    assert "3 of 3 rows are left to the CPU" in figures.statistic
    assert figures.bounds is None


def test_layers_left_to_the_cpu_make_the_time_a_lower_bound(tmp_path):
    whole = estimate(tmp_path, "resnet18-pool2.u55-256", RESNET18)
    assert whole.bounds is None
    assert {layer.unit for layer in whole.placed_layers} == {"NPU"}
    lines = text("resnet18-pool2.u55-256.per-layer.csv").splitlines()
    lines[1:3] = [line.replace("NPU", "CPU") for line in lines[1:3]]
    (tmp_path / "layers.csv").write_text("\n".join(lines))
    figures = EthosUBackend().estimate(artifact_of(tmp_path, RESNET18))
    assert figures.bounds == Bounds(Bound.LOWER, BoundReason.LAYERS_ON_CPU, 2, len(lines) - 1)
    assert sum(layer.unit == "CPU" for layer in figures.placed_layers) == 2


def test_an_operator_that_onnx2tf_made_up_is_unsupported_though_it_returned_0():
    error = {"type": "RuntimeError", "text": "unresolved custom op", "traceback": "", "step": "layout"}
    failure = explain(error, text("det.log"))
    assert failure.failure_class is FailureClass.UNSUPPORTED_OPERATOR
    assert failure.operators == ("Det",)


@given(st.text(), st.text())
def test_no_text_breaks_the_parsers(one, other):
    parse_layers(one)
    parse_summary(one)
    parse_summary(text("argmin.u55-256.summary.csv").splitlines()[0] + "\n" + other)
    explain({"type": "E", "text": one, "traceback": ""}, other)


def test_an_accelerator_that_is_not_built_is_told():
    target = Target("Ethos-U55-512", Precision.INT8, {}, CalibrationSpec(), 10.0)
    with pytest.raises(UsageError, match="not ethos-u55-512"):
        EthosUBackend().job(None, target)
    job = EthosUBackend({"accelerator": "ethos-u85-512"}).job(None, replace(target, chip="any"))
    assert job["memory_mode"] == "Dedicated_Sram_384KB"


def load_worker(name):
    source = Path(__file__).parents[2] / f"npubench/backends/ethos_u/{name}.py"
    spec = importlib.util.spec_from_file_location(name, source)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def pooling(kernel, stride, pads, size):
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 3, *size))
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    node = helper.make_node("MaxPool", ["x"], ["y"], kernel_shape=kernel, strides=stride, pads=pads)
    graph = helper.make_graph([node], "pool", [x], [y])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    return onnx.shape_inference.infer_shapes(model)


def outputs(model, x):
    onnx.checker.check_model(model)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return session.run(None, {"x": x})[0]


@settings(max_examples=40)
@given(st.data())
def test_pooling_without_its_padding_gives_the_same_outputs(data):
    kernel = [data.draw(st.integers(2, 5)), data.draw(st.integers(2, 5))]
    pads = [data.draw(st.integers(0, kernel[i % 2] - 1)) for i in range(4)]
    stride = [data.draw(st.integers(1, 3)), data.draw(st.integers(1, 3))]
    model = pooling(kernel, stride, pads, (data.draw(st.integers(5, 9)), data.draw(st.integers(5, 9))))
    shape = [d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim]
    x = np.random.default_rng(data.draw(st.integers(0, 99))).standard_normal(shape, dtype=np.float32) - 1
    before = outputs(model, x)
    assert load_worker("worker_pooling").rewrite(model) == (1 if any(pads) else 0)
    assert not any(
        a.name == "pads" for n in model.graph.node if n.op_type == "MaxPool" for a in n.attribute if any(pads)
    )
    np.testing.assert_array_equal(outputs(model, x), before)


def test_resnets_pooling_is_mirrored_and_a_tight_one_repeats_its_edges():
    mirrored, repeated = pooling([3, 3], [2, 2], [1] * 4, (8, 8)), pooling([2, 2], [2, 2], [1] * 4, (8, 8))
    for model in (mirrored, repeated):
        load_worker("worker_pooling").rewrite(model)
    assert [node.op_type for node in mirrored.graph.node] == ["Pad", "MaxPool"]
    assert "Concat" in [node.op_type for node in repeated.graph.node]


@pytest.mark.parametrize("counted", [0, 1])
@pytest.mark.parametrize(
    ("kernel", "strides", "pads"),
    [([3, 3], [2, 2], [1, 1, 1, 1]), ([3, 5], [1, 2], [0, 2, 1, 1]), ([2, 2], [1, 1], [1, 0, 0, 1])],
)
def test_padded_averages_are_what_a_convolution_gives(counted, kernel, strides, pads):
    node = helper.make_node(
        "AveragePool",
        ["x"],
        ["y"],
        kernel_shape=kernel,
        strides=strides,
        pads=pads,
        count_include_pad=counted,
    )
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 3, 9, 12))
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    opset = helper.make_opsetid("", 13)
    model = helper.make_model(helper.make_graph([node], "g", [x], [y]), opset_imports=[opset], ir_version=8)
    sample = {"x": np.random.default_rng(0).standard_normal((1, 3, 9, 12), np.float32)}
    (before,) = onnxruntime.InferenceSession(model.SerializeToString()).run(None, sample)
    assert load_worker("worker_pooling").rewrite(model) == 1
    assert "AveragePool" not in {node.op_type for node in model.graph.node}
    (after,) = onnxruntime.InferenceSession(model.SerializeToString()).run(None, sample)
    np.testing.assert_allclose(after, before, atol=1e-6)


def test_averages_without_padding_stay():
    node = helper.make_node("AveragePool", ["x"], ["y"], kernel_shape=[2, 2], strides=[2, 2])
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 3, 8, 8))
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, (1, 3, 4, 4))
    model = helper.make_model(helper.make_graph([node], "g", [x], [y]))
    assert load_worker("worker_pooling").rewrite(model) == 0


def test_an_output_that_nothing_writes_is_lost_and_named():
    """onnx2tf keeps an output that another operator reads, too, in the file's list and leaves out what made it."""
    worker = load_worker("worker_litert")

    class Lost:
        def get_tensor(self, index):
            raise ValueError("Tensor data is null. Run allocate_tensors() first")

        def get_input_details(self):
            return []

        def get_output_details(self):
            return [{"name": "y:0", "index": 6, "quantization": (0.0, 0)}]

        def invoke(self):
            pass

    with pytest.raises(worker.ChangedError, match="the output y: nothing writes it") as told:
        worker.run(Lost(), {}, worker.Layout(True))
    failure = explain({"type": "ChangedError", "text": str(told.value), "traceback": ""}, "")
    assert failure.failure_class is FailureClass.OUTPUT_MISMATCH
