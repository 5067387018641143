"""Inputs and outputs of what a tool made, held against the model's; and what tools tell of them."""

import json
from types import SimpleNamespace

import onnx
import pytest
from onnx import TensorProto, helper

from npubench.backends.axera.run_joint import PULSAR, of_info
from npubench.backends.ethos_u.backend import LITERT
from npubench.backends.openvino.benchmark_app import tensors_of
from npubench.backends.rknn.worker import tensors_of as tensors_of_rknn
from npubench.backends.signature import (
    Signature,
    ToolTensor,
    converted,
    difference,
    ran_another,
    signature_of,
    signature_of_file,
)
from npubench.backends.tpu_mlir.bmrt_test import tensors_of_bmrt
from npubench.backends.tpu_mlir.worker_tensors import of_bmodel, of_cvimodel
from npubench.domain.records import FailureClass
from npubench.domain.specs import TensorSpec
from tests.unit.test_axera_tools import DATA

X = TensorSpec("x", (1, 3, 8, 8))
Y, A = TensorSpec("y", (1, 4, 6, 6)), TensorSpec("anchors", (10, 4))


def exactly(inputs, outputs):
    """The signature of tensors of which everything is known."""
    return Signature(
        *(tuple(ToolTensor(t.name, t.shape, t.dtype) for t in some) for some in (inputs, outputs))
    )


def told(*tensors, inputs=(X,)):
    return exactly(inputs, tensors)


def test_the_same_tensors_are_no_difference_whatever_their_order():
    assert difference([X], [Y, A], told(Y, A)) is None
    assert difference([X], [Y, A], told(A, Y)) is None
    assert difference([X], [Y, A], Signature()) is None


@pytest.mark.parametrize(
    ("have", "said"),
    [
        (told(Y), "the output anchors (float32 10x4) is missing: 1 of 2 outputs are there"),
        (told(Y, A, TensorSpec("z", (1,))), "there is an output z (float32 1) which the model does not have"),
        (told(Y, TensorSpec("other", (10, 4))), "the output anchors is called other"),
        (told(Y, TensorSpec("anchors", (4, 10))), "the output anchors is 4x10 and not 10x4"),
        (told(Y, TensorSpec("anchors", (10, 4), "int64")), "the output anchors is int64 and not float32"),
        (told(Y, A, inputs=(X, TensorSpec("x_1", (1, 3, 8, 8)))), "there is an input x_1"),
        (told(Y, A, inputs=()), "the input x (float32 1x3x8x8) is missing: 0 of 1 inputs are there"),
        (told(Y, Y, A), "there is an output y (float32 1x4x6x6) which the model does not have"),
    ],
)
def test_what_is_lost_added_renamed_or_changed_is_named(have, said):
    assert said in difference([X], [Y, A], have)
    failure = converted("rknn", SimpleNamespace(inputs=[X], outputs=[Y, A]), have)
    assert (failure.failure_class, failure.message) == (
        FailureClass.OUTPUT_MISMATCH,
        f"rknn made another model of it: {difference([X], [Y, A], have)}",
    )
    assert (
        ran_another("run_joint", SimpleNamespace(inputs=[X], outputs=[Y, A]), have).failure_class
        is FailureClass.WRONG_ARTIFACT
    )


def test_without_names_places_and_shapes_tell_what_is_lost():
    nameless = Signature(None, (ToolTensor(shape=(10, 4)),))
    assert "the output y (float32 1x4x6x6) is missing" in difference([X], [Y, A], nameless)
    assert difference([X], [Y], Signature(None, (ToolTensor(),))) is None


def test_what_a_tool_always_changes_is_no_difference():
    last = ToolTensor("y", (1, 6, 6, 4), "int8")
    assert difference([X], [Y], Signature(None, (last,)), LITERT) is None
    assert "1x6x6x4 and not 1x4x6x6" in difference([X], [Y], Signature(None, (last,)))
    scalar = TensorSpec("s", ())
    assert difference([], [scalar], Signature((), (ToolTensor("s", (1,), "float32"),)), LITERT) is None
    assert "1 and not a scalar" in difference([], [scalar], Signature((), (ToolTensor("s", (1,)),)))
    colon = TensorSpec("in/put:0", (1,))
    assert difference([], [colon], Signature((), (ToolTensor("in/put__0", (1,)),)), LITERT) is None
    # And nothing else is one: 10 x 4 is no layout of 1 x 4 x 6 x 6.
    assert difference([X], [Y], Signature(None, (ToolTensor("y", (10, 4), "int8"),)), LITERT)


def test_sizes_that_the_graph_does_not_tell_are_not_held_against_it():
    unknown = TensorSpec("n", (-1, 2), "int64")
    assert difference([], [unknown], exactly([], [TensorSpec("n", (7, 2), "int64")])) is None
    assert difference([], [unknown], exactly([], [TensorSpec("n", (7, 3), "int64")]))
    assert difference([], [TensorSpec("n", (-1,))], exactly([], [TensorSpec("n", (7, 3))])) is None


def test_an_onnx_file_tells_its_own_and_another_file_nothing(tmp_path):
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 8, 8])
    y = helper.make_tensor_value_info("y", TensorProto.INT64, ["n", 4])
    graph = helper.make_graph([helper.make_node("Foo", ["x"], ["y"])], "g", [x], [y])
    onnx.save(helper.make_model(graph), tmp_path / "m.axmodel")
    found = signature_of_file(tmp_path / "m.axmodel")
    assert found == Signature(
        (ToolTensor("x", (1, 3, 8, 8), "float32"),), (ToolTensor("y", (-1, 4), "int64"),)
    )
    (tmp_path / "text").write_text("EMULATED AXMODEL 1\nmode NPU1\n")
    assert signature_of_file(tmp_path / "text") == Signature()


def rknn_file(tmp_path, ends, attributes):
    tensors = [{"tensor_id": at, "url": name, "size": size} for at, (_, name, size) in enumerate(ends)]
    numbers = {"input": 0, "output": 0}
    graph = []
    for at, (side, *_) in enumerate(ends):
        graph.append(
            {"left": side, "left_tensor_id": numbers[side], "right": "norm_tensor", "right_tensor_id": at}
        )
        numbers[side] += 1
    file = tmp_path / "m.rknn"
    end = {"connection": [], "const_tensor": [], "graph": graph, "norm_tensor": tensors}
    text = json.dumps(end, separators=(",", ":")).encode()
    file.write_bytes(b"RKNN\0\1\2" + repr({"attrs": attributes}).encode() + b"\0\0\xff" + text)
    return str(file)


def test_a_rknn_file_tells_the_tensors_that_it_has_left(tmp_path):
    attributes = {
        "x": {"shape": [1, 3, 8, 8], "dtype": "float32"},
        "y": {"shape": [1, 4, 6, 6], "dtype": "float32"},
    }
    ends = [("input", "x", [1, 3, 8, 8]), ("output", "y", [1, 4, 6, 6])]
    found = signature_of(tensors_of_rknn(rknn_file(tmp_path, ends, attributes)))
    assert found == exactly([X], [Y])
    assert "anchors (float32 10x4) is missing" in difference([X], [Y, A], found)
    unknown = signature_of(tensors_of_rknn(rknn_file(tmp_path, ends, {})))
    assert unknown.outputs == (ToolTensor("y", (1, 4, 6, 6), None),)
    (tmp_path / "m.rknn").write_bytes(b"RKNN of another format")
    assert signature_of(tensors_of_rknn(str(tmp_path / "m.rknn"))) == Signature()


INFO = """==========================================
net 0: [model]  static
------------
stage 0, core num: 1
input: x, [1, 3, 8, 8], float32, scale: 1, zero_point: 0
output: y_1_Conv_f32, [1, 4, 6, 6], float32, scale: 1, zero_point: 0
output: y_Relu_f32, [1, 4, 6, 6], float32, scale: 1, zero_point: 0
"""


def test_a_bmodel_s_outputs_get_their_names_of_the_model_back():
    wanted = {"inputs": [{"name": "x"}], "outputs": [{"name": "y"}, {"name": "y_1"}]}
    found = of_bmodel(INFO, wanted)
    assert [one["name"] for one in found["outputs"]] == ["y_1", "y"]
    assert found["inputs"] == [{"name": "x", "shape": [1, 3, 8, 8], "dtype": "float32"}]
    renamed = of_bmodel(INFO.replace("y_Relu", "0_Relu"), wanted)
    assert [one["name"] for one in renamed["outputs"]] == [None, None]
    assert of_bmodel("", wanted) is None
    info = "Program #0\n    inputs      : x,z\n     #00  cpu\n        inputs  : x\n"
    told = of_cvimodel(
        info, {"y_Conv_f32": (1, 4, 6, 6)}, {"inputs": [{"name": "x"}], "outputs": [{"name": "y"}]}
    )
    assert [one["name"] for one in told["inputs"]] == ["x", "z"]
    assert told["outputs"] == [{"name": "y", "shape": [1, 4, 6, 6], "dtype": None}]


def test_bmrt_test_lists_the_tensors_that_it_runs():
    text = (
        "[BMRT][show_net_info:1463] INFO: NetName: model, Index=0\n[BMRT][show_net_info:1464] INFO: ---- stage 0 ----\n"
        "[BMRT][show_net_info:1471] INFO:   Input 0) 'x' shape=[ 1 3 8 8 ] dtype=FLOAT32 scale=1 zero_point=0\n"
        "[BMRT][show_net_info:1482] INFO:   Output 0) 'y_Conv_f32' shape=[ 1 4 6 6 ] dtype=FLOAT32 scale=1\n"
    )
    assert difference([X], [Y], tensors_of_bmrt(text, ("y",))) is None
    assert "1x4x6x7 and not" in difference([X], [Y], tensors_of_bmrt(text.replace("6 6 ]", "6 7 ]"), ("y",)))
    assert tensors_of_bmrt("", ("y",)) == Signature()


def test_benchmark_app_lists_the_tensors_that_it_read():
    log = (DATA.parent / "toolchains/openvino/resnet18.cpu.log").read_text()
    x, y = TensorSpec("input", (1, 3, 224, 224)), TensorSpec("logits", (1, 1000))
    assert tensors_of(log) == exactly([x], [y])
    other = log.replace("    logits (node", "    boxes (node")
    assert "the output logits is called boxes" in difference([x], [y], tensors_of(other))
    assert tensors_of("[Step 8/11] Querying\n") == Signature()


def test_pulsar_info_lists_the_tensors_of_a_joint():
    text = (DATA / "pulsar_info.txt").read_text()
    x, y = TensorSpec("data", (1, 3, 224, 224)), TensorSpec("resnetv15_dense0_fwd", (1, 1000))
    assert difference([x], [y], of_info(text), PULSAR) is None
    lost = difference([x], [y, A], of_info(text), PULSAR)
    assert lost == "the output anchors (float32 10x4) is missing: 1 of 2 outputs are there"
    assert "data is 1x224x225x3" in difference([x], [y], of_info(text.replace("224, 3", "225, 3")), PULSAR)
    assert of_info(text.replace("[1, 1000] ", "[1, 10\\00] ")) == Signature()
    assert of_info("Virtual NPU: AX620_VNPU_111\n") == Signature()
    piped = "| NAME | I/O? | SHAPE | DTYPE |\n|---|---|---|---|\n| data | IN | [1, 224, 224, 3] | uint8 |\n"
    assert of_info(piped).inputs == (ToolTensor("data", (1, 224, 224, 3), "uint8"),)
