"""Multiply-accumulates of one inference, from shapes.

The usual counts (for instance Sze et al., "Efficient Processing of Deep Neural Networks", 2020,
chapter 2): a convolution does kernel x input channels / groups for each output element, a matrix
product the inner dimension for each output element. Additions, activations and pooling count none.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from npubench.specs import Shape

if TYPE_CHECKING:
    from onnx import NodeProto

Shapes = Mapping[str, Shape]


def macs_of_nodes(nodes: "Iterable[NodeProto]", shapes: Shapes) -> int | None:
    """MACs of a graph's nodes; None where a shape is unknown or a loop hides how often it runs."""
    total = 0
    for node in nodes:
        if any(_has_macs(attribute.g.node) for attribute in node.attribute):
            return None
        count = _MACS.get(node.op_type)
        if count is None:
            continue
        try:
            total += count(node, shapes)
        except (KeyError, IndexError):
            return None
    return total


def _has_macs(nodes: "Iterable[NodeProto]") -> bool:
    return any(
        node.op_type in _MACS or any(_has_macs(attribute.g.node) for attribute in node.attribute)
        for node in nodes
    )


def _convolution(weight: int) -> "Callable[[NodeProto, Shapes], int]":
    """Weight is M x C/g x kernel..., so its elements over M are what one output element takes."""

    def count(node: "NodeProto", shapes: Shapes) -> int:
        return math.prod(shapes[node.input[weight]][1:]) * math.prod(shapes[node.output[0]])

    return count


def _transposed_convolution(node: "NodeProto", shapes: Shapes) -> int:
    """Weight is C x M/g x kernel...: each input element is multiplied by all of its channel's."""
    return math.prod(shapes[node.input[1]][1:]) * math.prod(shapes[node.input[0]])


def _gemm(node: "NodeProto", shapes: Shapes) -> int:
    transposed = any(attribute.name == "transA" and attribute.i for attribute in node.attribute)
    inner = shapes[node.input[0]][0 if transposed else 1]
    return inner * math.prod(shapes[node.output[0]])


def _matrix_product(node: "NodeProto", shapes: Shapes) -> int:
    return shapes[node.input[0]][-1] * math.prod(shapes[node.output[0]])


def _recurrent(gates: int) -> "Callable[[NodeProto, Shapes], int]":
    """X is steps x batch x I, W directions x gates*H x I, R directions x gates*H x H (ONNX operators)."""

    def count(node: "NodeProto", shapes: Shapes) -> int:
        steps, batch, _ = shapes[node.input[0]]
        weights = math.prod(shapes[node.input[1]]) + math.prod(shapes[node.input[2]])
        if shapes[node.input[2]][1] != gates * shapes[node.input[2]][2]:
            raise KeyError(node.name)
        return steps * batch * weights

    return count


def _einsum(node: "NodeProto", shapes: Shapes) -> int:
    """The product over all indices, for two operands without an ellipsis."""
    equation = next(a.s.decode() for a in node.attribute if a.name == "equation").replace(" ", "")
    terms = equation.partition("->")[0].split(",")
    if len(terms) != 2 or "." in equation:
        raise KeyError(equation)
    sizes: dict[str, int] = {}
    for term, name in zip(terms, node.input, strict=True):
        sizes.update(zip(term, shapes[name], strict=False))
    return math.prod(sizes.values())


_MACS: "dict[str, Callable[[NodeProto, Shapes], int]]" = {
    "Conv": _convolution(1),
    "ConvInteger": _convolution(1),
    "QLinearConv": _convolution(3),
    "ConvTranspose": _transposed_convolution,
    "Gemm": _gemm,
    "MatMul": _matrix_product,
    "MatMulInteger": _matrix_product,
    "QLinearMatMul": _matrix_product,
    "Einsum": _einsum,
    "RNN": _recurrent(1),
    "GRU": _recurrent(3),
    "LSTM": _recurrent(4),
}
