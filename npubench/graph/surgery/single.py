"""Rewritings of one node by others: HardSwish decomposed, Flatten for Reshape, constants evaluated."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from npubench.graph.surgery.graph_view import Sight, attributes
from npubench.graph.walk import STANDARD_DOMAINS, subgraphs

if TYPE_CHECKING:
    import numpy as np
    from onnx import NodeProto

LARGEST_CONSTANT = 16 * 2**20
"""Elements: what is evaluated becomes part of the file, and stays well below what a file may hold."""

DIFFERS_EACH_TIME = frozenset(
    {"RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike", "Multinomial", "Bernoulli"}
)


def decompose_hardswish(node: "NodeProto", sight: Sight) -> "Sequence[NodeProto] | None":
    """HardSwish as x * Clip(x + 3, 0, 6) / 6 (ONNX Operators.md: x * max(0, min(1, x / 6 + 0.5)))."""
    import numpy as np
    from onnx import helper

    if node.op_type != "HardSwish" or node.domain not in STANDARD_DOMAINS:
        return None
    x, out = node.input[0], node.output[0]
    if not sight.is_float32(x):
        return None
    three, zero, six, sixth = (
        sight.add(np.array(value, np.float32), f"{out}_{name}")
        for name, value in (("three", 3), ("zero", 0), ("six", 6), ("sixth", 1 / 6))
    )
    moved, clipped, scaled = (sight.fresh(f"{out}_{part}") for part in ("moved", "clipped", "scaled"))
    return [
        helper.make_node("Add", [x, three], [moved], name=moved),
        helper.make_node("Clip", [moved, zero, six], [clipped], name=clipped),
        helper.make_node("Mul", [clipped, sixth], [scaled], name=scaled),
        helper.make_node("Mul", [x, scaled], [out], name=node.name),
    ]


def flatten_for_reshape(node: "NodeProto", sight: Sight) -> "Sequence[NodeProto] | None":
    """A Reshape to two dimensions that keeps some leading ones together, as Flatten."""
    from onnx import helper

    if node.op_type != "Reshape":
        return None
    before, after = sight.shapes.get(node.input[0]), sight.shapes.get(node.output[0])
    if not before or after is None or len(after) != 2 or 0 in before:
        return None
    axis = next((i for i in range(len(before) + 1) if math.prod(before[:i]) == after[0]), None)
    if axis is None:
        return None
    # With a batch of one both 0 and 1 give the shape; 1 is what exporters write and compilers look for.
    axis = 1 if before[0] == after[0] else axis
    return [helper.make_node("Flatten", [node.input[0]], list(node.output), name=node.name, axis=axis)]


def evaluate_constant(node: "NodeProto", sight: Sight) -> "Sequence[NodeProto] | None":
    """A node that does not depend on the model's inputs, or the Shape of a fixed one, as its value."""
    values = _shape(node, sight) if node.op_type == "Shape" else _evaluated(node, sight)
    if values is None or any(value.size > LARGEST_CONSTANT for value in values):
        return None
    if any(name in sight.outputs for name in node.output):
        return None
    for name, value in zip(node.output, values, strict=True):
        sight.settle(name, value)
    return []


def _shape(node: "NodeProto", sight: Sight) -> "list[np.ndarray[Any, Any]] | None":
    import numpy as np

    shape, given = sight.shapes.get(node.input[0]), attributes(node)
    if shape is None:
        return None
    return [np.array(shape[given.get("start", 0) : given.get("end", None)], np.int64)]


def _evaluated(node: "NodeProto", sight: Sight) -> "list[np.ndarray[Any, Any]] | None":
    import numpy as np

    inputs = {name: sight.constant(name) for name in node.input if name}
    if node.op_type == "Constant" or node.op_type in DIFFERS_EACH_TIME or any(subgraphs(node)):
        return None
    if node.domain not in STANDARD_DOMAINS or any(value is None for value in inputs.values()):
        return None
    if not all(node.output) or not node.input:
        return None
    sizes = [sight.shapes[name] for name in node.output if name in sight.shapes]
    if any(math.prod(shape) > LARGEST_CONSTANT for shape in sizes):
        return None
    values = _run(node, inputs, sight.opset)
    return [np.asarray(value) for value in values] if values is not None else None


def _run(node: "NodeProto", inputs: dict[str, Any], opset: int) -> list[Any] | None:
    """Outputs by ONNX's reference evaluator; None where it has no implementation."""
    from onnx import TensorProto, helper
    from onnx.reference import ReferenceEvaluator

    feeds = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape)
        for name, value in inputs.items()
    ]
    outputs = [helper.make_tensor_value_info(name, TensorProto.UNDEFINED, None) for name in node.output]
    graph = helper.make_graph([node], "constant", feeds, outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    try:
        return list(ReferenceEvaluator(model).run(None, inputs))
    except (NotImplementedError, RuntimeError, TypeError, ValueError, IndexError, AttributeError):
        return None
