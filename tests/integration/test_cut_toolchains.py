"""`npubench convert --cut auto` with real vendor tools; an environment that is missing is installed first."""

import json

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from npubench.catalog import find_board, load
from npubench.cli import main
from npubench.engine import plugins
from npubench.tools.environments import installer

pytestmark = pytest.mark.toolchains
SHAPE = (1, 3, 64, 64)
POOLED = [
    helper.make_node("GlobalAveragePool", ["r2"], ["p"], name="pool"),
    helper.make_node("Flatten", ["p"], ["f"], name="flatten"),
]
TAILS = {
    "topk": ([*POOLED, helper.make_node("TopK", ["f", "k"], ["v", "i"], name="topk")], ("v", "i")),
    "argmin": ([helper.make_node("ArgMin", ["r2"], ["y"], name="argmin", axis=1)], ("y",)),
    "det": ([helper.make_node("Det", ["r2"], ["y"], name="det")], ("y",)),
    "plain": (POOLED, ("f",)),
}


def write(path, tail):
    """Two convolutions, and a tail."""
    random = np.random.default_rng(0)
    nodes, outputs = TAILS[tail]
    weights = {
        "w1": random.standard_normal((16, 3, 3, 3)).astype(np.float32) / 5,
        "w2": random.standard_normal((32, 16, 3, 3)).astype(np.float32) / 12,
        **({"k": np.array([5])} if tail == "topk" else {}),
    }
    body = [
        helper.make_node("Conv", ["x", "w1"], ["c1"], name="c1", strides=[2, 2], pads=[1] * 4),
        helper.make_node("Relu", ["c1"], ["r1"], name="r1"),
        helper.make_node("Conv", ["r1", "w2"], ["c2"], name="c2", strides=[2, 2], pads=[1] * 4),
        helper.make_node("Relu", ["c2"], ["r2"], name="r2"),
    ]
    graph = helper.make_graph(
        [*body, *nodes],
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, SHAPE)],
        [helper.make_empty_tensor_value_info(name) for name in outputs],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(onnx.shape_inference.infer_shapes(model, strict_mode=True), path)
    return path


@pytest.mark.parametrize(
    ("board", "tail", "operator"),
    [
        ("rv1106", "topk", "TopK"),
        ("rv1106", "argmin", "ArgMin"),
        ("rk3566", "det", "Det"),
        ("qnn-htp-v73", "det", "Det"),
        ("ethos-u55-256", "det", "Det"),
        ("openvino-cpu", "det", "Det"),
    ],
)
def test_a_tail_that_the_real_tool_lacks_is_cut_off(tmp_path, capsys, board, tail, operator):
    backend = plugins.backend_of(find_board(load([]), board), lambda host: None)
    installer.install(backend.environment, print)
    files = [write(tmp_path / f"{name}.onnx", name) for name in (tail, "plain")]
    words = ["--board", board, "--precision", "int8", "--jobs", "1", "--out", tmp_path / "out"]
    code = main(["convert", "--cut", "auto", *map(str, (*files, *words))])
    said = capsys.readouterr()
    assert code == 0, said.err
    assert f"on {board}: of 2, 1 convert without --cut auto, 2 with it" in said.out
    told = json.loads((tmp_path / "out" / f"{tail}.{board}.int8.cut.json").read_text())
    assert told["as_is"]["operators"] == [operator]
    assert (told["lacking"], told["head"]) == ([operator], None)
    assert told["tail"]["figures"]["kind"] == "measured"
    assert all(one["max_abs"] < 1e-4 for one in told["joined_fp32"])
    # INT8 moves numbers a little, and changes a share of the indices of these random weights.
    for one in told["joined_target"]:
        assert one["equal"] > 0.5 if one["dtype"] == "int64" else one["cosine"] > 0.98
