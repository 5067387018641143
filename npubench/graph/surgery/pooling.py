"""Max-pooling with padding as a Pad and a MaxPool without; the outputs are equal, bit for bit."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from npubench.graph.surgery.graph_view import Sight, attributes

if TYPE_CHECKING:
    from onnx import NodeProto

NEVER_NEGATIVE = frozenset({"Relu", "Sigmoid", "HardSigmoid", "Softplus", "Softmax", "Abs", "Exp"})


def pad_before_pooling(node: "NodeProto", sight: Sight) -> "Sequence[NodeProto] | None":
    """A padded two-dimensional MaxPool in two nodes.

    What is padded must never be a window's greatest element, and should not widen the range that a
    quantiser sees: zeros where the data are not negative; else elements mirrored at the edge, which every
    window that holds them holds already as long as twice the padding is less than the kernel; else the
    least number that there is.
    """
    import numpy as np
    from onnx import helper

    pads = _pads(node)
    if pads is None or sight.opset < 11 or not sight.is_float32(node.input[0]):
        return None
    top, left, bottom, right = pads
    padded = sight.fresh(f"{node.output[0]}_padded")
    amounts = sight.add(np.array([0, 0, top, left, 0, 0, bottom, right], np.int64), f"{padded}_amounts")
    before = sight.maker(node.input[0])
    if before is not None and before.op_type in NEVER_NEGATIVE:
        value = sight.add(np.array(0, np.float32), f"{padded}_value")
        pad = helper.make_node("Pad", [node.input[0], amounts, value], [padded], name=padded)
    elif _can_mirror(node, pads, sight):
        pad = helper.make_node("Pad", [node.input[0], amounts], [padded], name=padded, mode="reflect")
    else:
        value = sight.add(np.array(-np.inf, np.float32), f"{padded}_value")
        pad = helper.make_node("Pad", [node.input[0], amounts, value], [padded], name=padded)
    pool = helper.make_node("MaxPool", [padded], list(node.output), name=node.name)
    pool.attribute.extend(one for one in node.attribute if one.name not in {"pads", "auto_pad"})
    return [pad, pool]


def _pads(node: "NodeProto") -> list[int] | None:
    """Top, left, bottom, right of a MaxPool that can be rewritten; None for any other node."""
    if node.op_type != "MaxPool" or len([name for name in node.output if name]) != 1:
        return None
    given: dict[str, Any] = attributes(node)
    pads, kernel = list(given.get("pads", ())), list(given["kernel_shape"])
    # With ceil_mode a window may hang over an edge that there is no padding on.
    spread = given.get("ceil_mode", 0) or any(step != 1 for step in given.get("dilations", ()))
    if len(pads) != 4 or not any(pads) or spread:
        return None
    return pads if all(pad < kernel[i % 2] for i, pad in enumerate(pads)) else None


def _can_mirror(node: "NodeProto", pads: Sequence[int], sight: Sight) -> bool:
    kernel, shape = attributes(node)["kernel_shape"], sight.shapes.get(node.input[0], ())
    if len(shape) != 4:
        return False
    return all(2 * pad < kernel[i % 2] and pad < shape[2 + i % 2] for i, pad in enumerate(pads))
