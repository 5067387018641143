"""Small graphs for real vendor tools, and what a tool makes of them."""

from pathlib import Path

import onnx
from onnx import TensorProto, helper

from npubench.catalog import find_board
from npubench.domain.specs import CalibrationSpec, Precision, Target
from npubench.engine import plugins
from npubench.graph.read import describe
from npubench.tools.environments import installer


def write_op(path: Path, node, shape, output, dtype=TensorProto.FLOAT) -> None:
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)
    write_graph(path, [node], [x], output, (), dtype)


def write_graph(path: Path, nodes, inputs, output, constants=(), dtype=TensorProto.FLOAT) -> None:
    y = helper.make_tensor_value_info("y", dtype, output)
    graph = helper.make_graph(nodes, "op", inputs, [y], list(constants))
    opsets = [helper.make_opsetid("", 13), helper.make_opsetid("my", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)


def made(catalog, models, tmp_path, board, name, **options):
    """What a backend makes of a model: its artifact or failure, and the backend."""
    spec = find_board(catalog, board)
    backend = plugins.backend_of(spec, lambda host: None)
    if options:
        backend = backend.configured({**spec.backend_options, **options}, lambda host: None)
    installer.install(backend.environment, print)
    model = describe(models / f"{name}.onnx", name)
    target = Target(spec.chip, Precision.INT8, spec.backend_options, CalibrationSpec(), 900.0)
    workdir = tmp_path / "job"
    workdir.mkdir()
    return backend.compile(model, target, workdir, tmp_path / "log"), backend
