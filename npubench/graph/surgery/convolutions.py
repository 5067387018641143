"""Rewritings of convolutions: batch normalisation folded into them, a Gemm for one over a single place."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from npubench.graph.surgery.graph_view import Sight, attributes

if TYPE_CHECKING:
    import numpy as np
    from onnx import NodeProto


def fold_normalisation(node: "NodeProto", sight: Sight) -> "Sequence[NodeProto] | None":
    """Conv and BatchNormalization as one Conv, where nothing else reads what the Conv writes.

    y = scale (w * x + b - mean) / sqrt(variance + epsilon) + shift, so w' = w k and b' = (b - mean) k + shift
    with k = scale / sqrt(variance + epsilon) (ONNX Operators.md, BatchNormalization, inference).
    """
    import numpy as np
    from onnx import helper

    if node.op_type != "BatchNormalization" or len([name for name in node.output if name]) != 1:
        return None
    conv = sight.maker(node.input[0])
    given = attributes(node)
    if conv is None or conv.op_type != "Conv" or not sight.is_read_once(node.input[0]):
        return None
    if given.get("training_mode", 0) or given.get("spatial", 1) != 1:
        return None
    numbers = [sight.constant(name) for name in node.input[1:5]]
    weight, bias = _weights(conv, sight)
    if weight is None or bias is None or any(one is None for one in numbers):
        return None
    scale, shift, mean, variance = (np.asarray(one, np.float64) for one in numbers)
    factor = scale / np.sqrt(variance + given.get("epsilon", 1e-5))
    folded = (weight * factor.reshape(-1, *[1] * (weight.ndim - 1))).astype(weight.dtype)
    moved = ((bias - mean) * factor + shift).astype(weight.dtype)
    names = [sight.add(folded, f"{node.output[0]}_weight"), sight.add(moved, f"{node.output[0]}_bias")]
    made = helper.make_node("Conv", [conv.input[0], *names], list(node.output), name=conv.name)
    made.attribute.extend(conv.attribute)
    return [made]


def gemm_for_pointwise(node: "NodeProto", sight: Sight) -> "Sequence[NodeProto] | None":
    """A 1x1 Conv over N x C x 1 x 1 as Flatten, Gemm and Reshape: whatever its stride, one place is read."""
    import numpy as np
    from onnx import helper

    if node.op_type != "Conv":
        return None
    given, shape = attributes(node), sight.shapes.get(node.input[0], ())
    weight, bias = _weights(node, sight)
    if len(shape) != 4 or shape[2:] != (1, 1) or weight is None or bias is None:
        return None
    padded = any(given.get("pads", ())) or given.get("auto_pad", b"NOTSET") not in {b"NOTSET", b"VALID"}
    if weight.shape[2:] != (1, 1) or given.get("group", 1) != 1 or padded:
        return None
    flat, product = (sight.fresh(f"{node.output[0]}_{part}") for part in ("flat", "product"))
    matrix = sight.add(weight.reshape(weight.shape[:2]), f"{node.output[0]}_matrix")
    added = sight.add(bias, f"{node.output[0]}_bias")
    target = sight.add(np.array([shape[0], weight.shape[0], 1, 1], np.int64), f"{node.output[0]}_shape")
    return [
        helper.make_node("Flatten", [node.input[0]], [flat], name=flat, axis=1),
        helper.make_node("Gemm", [flat, matrix, added], [product], name=product, transB=1),
        helper.make_node("Reshape", [product, target], list(node.output), name=node.name),
    ]


def _weights(conv: "NodeProto", sight: Sight) -> "tuple[np.ndarray[Any, Any] | None, ...]":
    """Weight and bias of a Conv, zeros where it has no bias; None for what is no constant."""
    import numpy as np

    weight = sight.constant(conv.input[1])
    if weight is None or weight.dtype not in (np.float32, np.float64):
        return None, None
    if len(conv.input) > 2 and conv.input[2]:
        return weight, sight.constant(conv.input[2])
    return weight, np.zeros(weight.shape[0], weight.dtype)
