"""Max-pooling with padding as padding and a pooling without it; the outputs are equal, bit for bit.

onnx2tf pads a MaxPool with minus infinity (PADV2), which the quantizer cannot represent. Two ways round it:

* Twice the padding is less than the kernel (as in ResNet and in SPP): the tensor is mirrored at its edges.
  A window that reaches `j` over an edge then holds the element that is mirrored there itself, since its other
  end lies at least `kernel - 1 - pad >= pad >= j` behind the edge.
* Otherwise the outermost rows and columns are repeated. A window that reaches over the edge by fewer elements
  than the kernel has holds the outermost one itself.
"""

from typing import Any


def rewrite(model: Any) -> int:
    """Replace every padded two-dimensional MaxPool in an onnx ModelProto; how many there were.

    The model's shapes have to be inferred, its opset has to be 11 or later.
    """
    shapes = _shapes(model)
    nodes: list[Any] = []
    replaced = 0
    for node in model.graph.node:
        pads = _pads(node)
        if pads is None:
            nodes.append(node)
            continue
        replaced += 1
        name = f"{node.output[0]}_padded"
        make = _mirrored if _can_mirror(node, pads, shapes) else _with_edges
        nodes += [*make(model, node.input[0], pads, name), _without_padding(node, name)]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return replaced


def _shapes(model: Any) -> dict[str, list[int]]:
    known = [*model.graph.value_info, *model.graph.input]
    return {value.name: [d.dim_value for d in value.type.tensor_type.shape.dim] for value in known}


def _attributes(node: Any) -> dict[str, Any]:
    import onnx

    return {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}


def _pads(node: Any) -> list[int] | None:
    """Top, left, bottom, right of a MaxPool that has to be replaced; None for any other node."""
    if node.op_type != "MaxPool" or len(node.output) != 1:
        return None
    given = _attributes(node)
    pads, kernel = list(given.get("pads", ())), list(given["kernel_shape"])
    spread = given.get("ceil_mode", 0) or any(d != 1 for d in given.get("dilations", ()))
    if len(pads) != 4 or not any(pads) or spread:
        return None
    return pads if all(pad < kernel[i % 2] for i, pad in enumerate(pads)) else None


def _can_mirror(node: Any, pads: list[int], shapes: dict[str, list[int]]) -> bool:
    kernel, shape = _attributes(node)["kernel_shape"], shapes.get(node.input[0], [])
    if len(shape) != 4:
        return False
    return all(2 * pad < kernel[i % 2] and pad < shape[2 + i % 2] for i, pad in enumerate(pads))


def _mirrored(model: Any, data: str, pads: list[int], name: str) -> list[Any]:
    import onnx

    top, left, bottom, right = pads
    amounts = _constant(model, f"{name}_pads", [0, 0, top, left, 0, 0, bottom, right])
    return [onnx.helper.make_node("Pad", [data, amounts], [name], name=name, mode="reflect")]


def _with_edges(model: Any, data: str, pads: list[int], name: str) -> list[Any]:
    top, left, bottom, right = pads
    rows = _repeated(model, data, 2, (top, bottom), f"{name}_rows")
    return rows + _repeated(model, f"{name}_rows", 3, (left, right), name)


def _repeated(model: Any, data: str, axis: int, counts: tuple[int, int], name: str) -> list[Any]:
    """Nodes that repeat the first and the last slice along an axis so many times."""
    import onnx

    nodes, parts = [], [data]
    axes = _constant(model, f"{name}_axis", [axis])
    far = 2**31 - 1
    for count, begin, end, side in ((counts[0], 0, 1, "first"), (counts[1], -1, far, "last")):
        if not count:
            continue
        starts = _constant(model, f"{name}_{side}_start", [begin])
        ends = _constant(model, f"{name}_{side}_end", [end])
        cut = f"{name}_{side}"
        nodes.append(onnx.helper.make_node("Slice", [data, starts, ends, axes], [cut], name=cut))
        parts = [cut] * count + parts if side == "first" else parts + [cut] * count
    nodes.append(onnx.helper.make_node("Concat", parts, [name], name=name, axis=axis))
    return nodes


def _without_padding(node: Any, data: str) -> Any:
    import onnx

    plain = onnx.NodeProto()
    plain.CopyFrom(node)
    plain.input[0] = data
    kept = [attribute for attribute in node.attribute if attribute.name not in {"pads", "auto_pad"}]
    del plain.attribute[:]
    plain.attribute.extend(kept)
    return plain


def _constant(model: Any, name: str, values: list[int]) -> str:
    import numpy as np
    import onnx

    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array(values, np.int64), name))
    return name
