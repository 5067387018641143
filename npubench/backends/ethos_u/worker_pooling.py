"""Pooling with padding as what the quantizer can represent: onnx2tf pads with a PADV2, which it cannot.

An average is a convolution of every channel by itself, which brings its own padding. Where padding does not
count, what the convolution gives is scaled by how much of each window is not padding.

A maximum is taken without padding of a tensor that was made larger; the outputs are equal, bit for bit:

* Twice the padding is less than the kernel (as in ResNet and in SPP): the tensor is mirrored at its
edges. A window that reaches `j` over an edge then holds the element that is mirrored there itself, since
its other end lies at least `kernel - 1 - pad >= pad >= j` behind the edge. * Otherwise the outermost rows
and columns are repeated. A window that reaches over the edge by fewer elements than the kernel has holds
the outermost one itself.
"""

from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper


def rewrite(model: Any) -> int:
    """Replace every padded two-dimensional pooling in an onnx ModelProto; how many there were.

    Of averages those in FP32. The model's shapes have to be inferred, its opset has to be 11 or later.
    """
    shapes, types = {}, {}
    for value in (*model.graph.value_info, *model.graph.input):
        shapes[value.name] = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        types[value.name] = value.type.tensor_type.elem_type
    nodes: list[Any] = []
    replaced = 0
    for node in model.graph.node:
        given, data = _padded(node), node.input[0] if node.input else ""
        shape = shapes.get(data, [])
        if given and node.op_type == "MaxPool":
            nodes += _maximum(model, node, given, shape)
        elif given and shape and all(shape) and types[data] == onnx.TensorProto.FLOAT:
            nodes += _average(model, node, given, shape)
        else:
            nodes.append(node)
            continue
        replaced += 1
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return replaced


def _padded(node: Any) -> dict[str, Any] | None:
    """Attributes of a pooling that has to be replaced; None for any other node."""
    if node.op_type not in {"AveragePool", "MaxPool"} or len(node.output) != 1:
        return None
    given = {one.name: helper.get_attribute_value(one) for one in node.attribute}
    pads = given.get("pads", ())
    spread = given.get("ceil_mode", 0) or any(d != 1 for d in given.get("dilations", ()))
    fits = all(pad < given["kernel_shape"][i % 2] for i, pad in enumerate(pads))
    return given if len(pads) == 4 and any(pads) and not spread and fits else None


def _average(model: Any, node: Any, given: dict[str, Any], shape: list[int]) -> list[Any]:
    kernel, pads = list(given["kernel_shape"]), list(given["pads"])
    strides = list(given.get("strides", (1, 1)))
    output, size = node.output[0], kernel[0] * kernel[1]
    _constant(model, f"{output}_mean", np.full((shape[1], 1, *kernel), 1 / size, np.float32))
    counted = bool(given.get("count_include_pad", 0))
    summed = output if counted else f"{output}_summed"
    nodes = [
        helper.make_node(
            *("Conv", [node.input[0], f"{output}_mean"], [summed]),
            kernel_shape=kernel, strides=strides, pads=pads, group=shape[1],
        )
    ]  # fmt: skip
    if not counted:
        inside = [
            _inside(shape[2 + axis], kernel[axis], strides[axis], pads[axis], pads[2 + axis])
            for axis in (0, 1)
        ]
        shares = np.multiply.outer(*inside)[None, None] / size
        _constant(model, f"{output}_share", (1 / shares).astype(np.float32))
        nodes.append(helper.make_node("Mul", [summed, f"{output}_share"], [output]))
    return nodes


def _inside(length: int, kernel: int, stride: int, before: int, after: int) -> list[int]:
    """How many elements of each window along one axis are not padding."""
    starts = range(-before, length + after - kernel + 1, stride)
    return [min(start + kernel, length) - max(start, 0) for start in starts]


def _maximum(model: Any, node: Any, given: dict[str, Any], shape: list[int]) -> list[Any]:
    top, left, bottom, right = pads = given["pads"]
    kernel, data, name = given["kernel_shape"], node.input[0], f"{node.output[0]}_padded"
    plain = onnx.NodeProto()
    plain.CopyFrom(node)
    plain.input[0] = name
    kept = [attribute for attribute in node.attribute if attribute.name not in {"pads", "auto_pad"}]
    del plain.attribute[:]
    plain.attribute.extend(kept)
    if len(shape) == 4 and all(2 * p < kernel[i % 2] and p < shape[2 + i % 2] for i, p in enumerate(pads)):
        amounts = np.array([0, 0, top, left, 0, 0, bottom, right])
        inputs = [data, _constant(model, f"{name}_pads", amounts)]
        return [helper.make_node("Pad", inputs, [name], name=name, mode="reflect"), plain]
    rows = _repeated(model, data, 2, (top, bottom), f"{name}_rows")
    return [*rows, *_repeated(model, f"{name}_rows", 3, (left, right), name), plain]


def _repeated(model: Any, data: str, axis: int, counts: tuple[int, int], name: str) -> list[Any]:
    """Nodes that repeat the first and the last slice along an axis so many times."""
    nodes, parts = [], [data]
    axes = _constant(model, f"{name}_axis", np.array([axis]))
    far = 2**31 - 1
    for count, begin, end, side in ((counts[0], 0, 1, "first"), (counts[1], -1, far, "last")):
        if not count:
            continue
        starts = _constant(model, f"{name}_{side}_start", np.array([begin]))
        ends = _constant(model, f"{name}_{side}_end", np.array([end]))
        cut = f"{name}_{side}"
        nodes.append(helper.make_node("Slice", [data, starts, ends, axes], [cut], name=cut))
        parts = [cut] * count + parts if side == "first" else parts + [cut] * count
    nodes.append(helper.make_node("Concat", parts, [name], name=name, axis=axis))
    return nodes


def _constant(model: Any, name: str, values: Any) -> str:
    model.graph.initializer.append(numpy_helper.from_array(values, name))
    return name
