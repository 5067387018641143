"""The real TPU-MLIR on a real model; its environment is installed first where it is missing."""

import onnx
import pytest
from onnx import TensorProto, helper

from npubench.catalog import find_board, load
from npubench.domain.records import Artifact, Failure, FailureClass
from npubench.domain.specs import CalibrationSpec, Precision, Target
from npubench.engine import plugins
from npubench.graph.read import describe
from npubench.tools.environments import installer
from tests.resnet18 import write_resnet18
from tests.toolchain_models import write_op

pytestmark = pytest.mark.tpu_mlir


def made(path, board):
    """What the backend makes of a model for a board: its artifact or failure, and the backend."""
    spec = find_board(load([]), board)
    backend = plugins.backend_of(spec, lambda host: None)
    installer.install("tpu-mlir", print)
    job = path.parent / "job"
    job.mkdir()
    target = Target(spec.chip, Precision.INT8, spec.backend_options, CalibrationSpec(), 1200.0)
    return backend.compile(describe(path, path.stem), target, job, path.parent / "log"), backend


@pytest.mark.parametrize(
    ("board", "milliseconds"),
    [("bm1684x", 0.298), ("bm1688", 1.247), ("cv186x", 1.247), ("cv184x", 8.355), ("cv181x", None)],
)
def test_resnet18_by_sophgo(tmp_path, board, milliseconds):
    artifact, backend = made(write_resnet18(tmp_path / "resnet18.onnx"), board)
    assert isinstance(artifact, Artifact), artifact
    figures = backend.estimate(artifact)
    assert figures.accuracy.cosine >= 0.999
    assert figures.details["cmodel_bit_equal"]
    if milliseconds is None:
        assert figures.latency_us is None
    else:
        assert figures.latency_us.mean == pytest.approx(milliseconds * 1000, rel=0.02)
        held = [name for layer in figures.layers.layers for name in layer.nodes]
        assert (figures.layers.adds_up, len(set(held))) == (True, len(held))
        assert sum(layer.graph_macs or 0 for layer in figures.layers.layers) == artifact.onnx.macs


@pytest.mark.parametrize(
    ("board", "node", "output", "dtype"),
    [
        ("bm1684x", helper.make_node("Det", ["x"], ["y"]), (1,), TensorProto.FLOAT),
        ("bm1684x", helper.make_node("MyOp", ["x"], ["y"], domain="my"), (1, 8, 8), TensorProto.FLOAT),
        ("sg2002", helper.make_node("ArgMin", ["x"], ["y"], axis=1), (1, 1, 8), TensorProto.INT64),
    ],
    ids=lambda value: value.op_type if hasattr(value, "op_type") else None,
)
def test_what_the_tool_has_not_is_unsupported_however_it_ends(tmp_path, board, node, output, dtype):
    write_op(tmp_path / "op.onnx", node, (1, 8, 8), output, dtype)
    failure, _ = made(tmp_path / "op.onnx", board)
    assert isinstance(failure, Failure), failure
    assert failure.failure_class is FailureClass.UNSUPPORTED_OPERATOR
    assert failure.operators == (node.op_type,)


@pytest.mark.parametrize("board", ["bm1684x", "cv184x"])
def test_argmin_where_the_chip_has_it(tmp_path, board):
    node = helper.make_node("ArgMin", ["x"], ["y"], axis=1)
    write_op(tmp_path / "argmin.onnx", node, (1, 1000), (1, 1), TensorProto.INT64)
    artifact, _ = made(tmp_path / "argmin.onnx", board)
    assert isinstance(artifact, Artifact), artifact


def test_a_model_newer_than_the_onnx_runtime_beside_the_tool_is_converted_without_a_reference(tmp_path):
    path = tmp_path / "new.onnx"
    write_op(path, helper.make_node("Sigmoid", ["x"], ["y"]), (1, 8, 16, 16), (1, 8, 16, 16))
    model = onnx.load(path)
    model.ir_version = 10
    model.opset_import[0].version = 21
    onnx.save(model, path)
    artifact, backend = made(path, "bm1688")
    assert isinstance(artifact, Artifact), artifact
    assert backend.estimate(artifact).accuracy is None
