"""Average-pooling with padding as a convolution of every channel by itself, which is what it is.

onnx2tf pads an AveragePool with a PADV2 that the quantizer cannot represent; a Conv brings its own padding.
Where padding does not count, what the convolution gives is scaled by how much of each window is not padding.
"""

from typing import Any


def rewrite(model: Any) -> int:
    """Replace every padded two-dimensional AveragePool in FP32 of an onnx ModelProto; how many there were.

    The model's shapes have to be inferred.
    """
    shapes = _shapes(model)
    nodes: list[Any] = []
    replaced = 0
    for node in model.graph.node:
        given = _padded(node)
        shape = shapes.get(node.input[0]) if given else None
        if given is None or shape is None:
            nodes.append(node)
            continue
        replaced += 1
        nodes += _convolution(model, node, given, shape)
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return replaced


def _shapes(model: Any) -> dict[str, list[int]]:
    """Shapes of the tensors in FP32 whose every dimension is known."""
    import onnx

    found = {}
    for value in (*model.graph.value_info, *model.graph.input):
        dims = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        if value.type.tensor_type.elem_type == onnx.TensorProto.FLOAT and all(dims):
            found[value.name] = dims
    return found


def _padded(node: Any) -> dict[str, Any] | None:
    """Attributes of an AveragePool that has to be replaced; None for any other node."""
    import onnx

    if node.op_type != "AveragePool":
        return None
    given = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    pads = given.get("pads", ())
    spread = given.get("ceil_mode", 0) or any(d != 1 for d in given.get("dilations", ()))
    fits = all(pad < given["kernel_shape"][i % 2] for i, pad in enumerate(pads))
    return given if len(pads) == 4 and any(pads) and not spread and fits else None


def _convolution(model: Any, node: Any, given: dict[str, Any], shape: list[int]) -> list[Any]:
    import numpy as np
    import onnx

    kernel, pads = list(given["kernel_shape"]), list(given["pads"])
    strides = list(given.get("strides", (1, 1)))
    output, size = node.output[0], kernel[0] * kernel[1]
    weight = np.full((shape[1], 1, *kernel), 1 / size, np.float32)
    constants = {f"{output}_mean": weight}
    inside = [
        _inside(shape[2 + axis], kernel[axis], strides[axis], pads[axis], pads[2 + axis]) for axis in (0, 1)
    ]
    shares = np.multiply.outer(*inside)[None, None] / size
    counted = bool(given.get("count_include_pad", 0))
    summed = output if counted else f"{output}_summed"
    nodes = [
        onnx.helper.make_node(
            *("Conv", [node.input[0], f"{output}_mean"], [summed]),
            kernel_shape=kernel, strides=strides, pads=pads, group=shape[1],
        )
    ]  # fmt: skip
    if not counted:
        constants[f"{output}_share"] = (1 / shares).astype(np.float32)
        nodes.append(onnx.helper.make_node("Mul", [summed, f"{output}_share"], [output]))
    model.graph.initializer.extend(onnx.numpy_helper.from_array(a, name) for name, a in constants.items())
    return nodes


def _inside(length: int, kernel: int, stride: int, before: int, after: int) -> list[int]:
    """How many elements of each window along one axis are not padding."""
    starts = range(-before, length + after - kernel + 1, stride)
    return [min(start + kernel, length) - max(start, 0) for start in starts]
