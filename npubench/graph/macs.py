"""Multiply-accumulates (MACs) of one inference, from shapes.

The usual counts (Sze et al., "Efficient Processing of Deep Neural Networks", 2020, chapter 2): a
convolution does kernel x input channels / groups for each output element, padding included; a
matrix product the inner dimension for each output element. Additions, activations, pooling,
normalisation and interpolation count none. Layouts of tensors: ONNX Operators.md, and ONNX
Runtime's ContribOperators.md for the domain com.microsoft.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from npubench.domain.specs import Shape
from npubench.graph.walk import STANDARD_DOMAINS, all_nodes, attribute_of, operator_name, subgraphs

if TYPE_CHECKING:
    from onnx import NodeProto, TensorProto

    Count = Callable[[NodeProto, "Shapes"], int]
    PackedCount = Callable[[NodeProto, TensorProto], int | None]

Shapes = Mapping[str, Shape]


class _UnknownCountError(Exception):
    """The MACs of a node do not follow from what is known of it."""


def macs_of_nodes(nodes: "Iterable[NodeProto]", shapes: Shapes) -> int | None:
    """MACs of a graph's nodes, of which `shapes` gives tensors by name.

    None where a shape is unknown, an operator of a foreign domain may hide products, or they stand
    in a branch or loop, so that the data decide how often they run.
    """
    total = 0
    for node in nodes:
        if any(multiplies(operator_name(inner)) for graph in subgraphs(node) for inner in all_nodes(graph)):
            return None
        try:
            total += _macs(node, shapes)
        except (_UnknownCountError, KeyError, IndexError, ValueError):
            return None
    return total


def multiplies(operator: str) -> bool:
    """Whether an operator, by its `walk.operator_name`, does products or convolutions, or may."""
    domain, _, op_type = operator.rpartition(".")
    if operator in _COUNTS or domain in STANDARD_DOMAINS:
        return operator in _COUNTS or op_type in _UNCOUNTED
    return domain != _BLOCKED and (domain != "com.microsoft" or op_type not in _MICROSOFT_WITHOUT)


def _macs(node: "NodeProto", shapes: Shapes) -> int:
    name = operator_name(node)
    if count := _COUNTS.get(name):
        return count(node, shapes)
    if multiplies(name):
        raise _UnknownCountError(name)
    return 0


def _convolution(weight: int) -> "Count":
    """Weight is M x C/g x kernel...: its elements over M are what one output element takes."""

    def count(node: "NodeProto", shapes: Shapes) -> int:
        return math.prod(shapes[node.input[weight]][1:]) * math.prod(shapes[node.output[0]])

    return count


def _transposed_convolution(node: "NodeProto", shapes: Shapes) -> int:
    """Weight is C x M/g x kernel...: each input element meets all of its channel's, cropped ones too."""
    return math.prod(shapes[node.input[1]][1:]) * math.prod(shapes[node.input[0]])


def _matrix_product(node: "NodeProto", shapes: Shapes) -> int:
    """A is ... x M x K, or K x M where `transA` is set."""
    inner = -2 if attribute_of(node, "transA", 0) else -1
    return shapes[node.input[0]][inner] * math.prod(shapes[node.output[0]])


def _packed_product(node: "NodeProto", shapes: Shapes) -> int:
    """A is ... x K; the weights, N x K by their attributes, are packed, so their shape tells nothing."""
    inner, columns = _number(node, "K", 0), _number(node, "N", 0)
    if inner <= 0 or columns <= 0:
        raise _UnknownCountError(node.op_type)
    return math.prod(shapes[node.input[0]][:-1]) * inner * columns


def _recurrent(gates: int) -> "Count":
    """X is steps x batch x I, W directions x gates*H x I, R directions x gates*H x H: W and R once a step."""

    def count(node: "NodeProto", shapes: Shapes) -> int:
        steps, batch, _ = shapes[node.input[0]]
        weight, recurrence = shapes[node.input[1]], shapes[node.input[2]]
        if recurrence[1] != gates * recurrence[2]:
            raise _UnknownCountError(node.op_type)
        return steps * batch * (math.prod(weight) + math.prod(recurrence))

    return count


def _attention(node: "NodeProto", shapes: Shapes) -> int:
    """Q K^T and the product with V: every element of Q and of Y meets all keys, past ones too."""
    keys = shapes[node.input[1]][-2]
    if len(node.input) > 4 and node.input[4]:
        keys += shapes[node.input[4]][-2]
    return keys * (math.prod(shapes[node.input[0]]) + math.prod(shapes[node.output[0]]))


def _packed_attention(node: "NodeProto", shapes: Shapes) -> int:
    """Input N x L x H, weight H x 3D for Q, K and V at once; then both products of attention."""
    batch, length, hidden = shapes[node.input[0]]
    packed = shapes[node.input[1]][1]
    past = node.input[4 if node.op_type == "Attention" else 8 :][:1]
    if packed % 3 or any(past) or attribute_of(node, "qkv_hidden_sizes", ()):
        raise _UnknownCountError(node.op_type)
    return batch * length * (hidden * packed + 2 * length * packed // 3)


def _einsum(node: "NodeProto", shapes: Shapes) -> int:
    """The product over all indices, for two operands without an ellipsis; one operand only adds."""
    terms = attribute_of(node, "equation", b"").decode().replace(" ", "").partition("->")[0].split(",")
    if len(terms) == 1:
        return 0
    if len(terms) != 2 or any("." in term for term in terms):
        raise _UnknownCountError(node.op_type)
    sizes: dict[str, int] = {}
    for term, name in zip(terms, node.input, strict=True):
        for index, size in zip(term, shapes[name], strict=True):
            sizes[index] = size if sizes.get(index, 1) == 1 else sizes[index]
    return math.prod(sizes.values())


_COUNTS: "dict[str, Count]" = {
    **dict.fromkeys(("Conv", "ConvInteger", "DeformConv", "CausalConvWithState"), _convolution(1)),
    **dict.fromkeys(("com.microsoft.FusedConv", "com.microsoft.NhwcFusedConv"), _convolution(1)),
    **dict.fromkeys(("QLinearConv", "com.microsoft.QLinearConv"), _convolution(3)),
    "com.microsoft.nchwc.Conv": _convolution(1),
    "ConvTranspose": _transposed_convolution,
    **dict.fromkeys(("Gemm", "MatMul", "MatMulInteger", "QLinearMatMul"), _matrix_product),
    **dict.fromkeys(("com.microsoft.FusedGemm", "com.microsoft.QGemm"), _matrix_product),
    **dict.fromkeys(("com.microsoft.FusedMatMul", "com.microsoft.MatMulIntegerToFloat"), _matrix_product),
    "com.microsoft.DynamicQuantizeMatMul": _matrix_product,
    **dict.fromkeys(("com.microsoft.MatMulNBits", "com.microsoft.MatMulBnb4"), _packed_product),
    "Einsum": _einsum,
    "Attention": _attention,
    **dict.fromkeys(("com.microsoft.QAttention", "com.microsoft.Attention"), _packed_attention),
    **{name: _recurrent(gates) for name, gates in (("RNN", 1), ("GRU", 3), ("LSTM", 4))},
}

_UNCOUNTED = frozenset({"LinearAttention"})
"""Standard operators made of products whose number is not counted here."""

_BLOCKED = "com.microsoft.nchwc"
"""ONNX Runtime's own operators on blocks of channels: of them only the convolution multiplies."""

_MICROSOFT_WITHOUT = frozenset(
    {
        *("BiasGelu", "FastGelu", "Gelu", "QuickGelu", "SkipLayerNormalization", "NhwcMaxPool"),
        *("QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "QLinearAdd"),
        "GatherBlockQuantized",
        *("QLinearMul", "QLinearConcat", "QLinearSigmoid", "QLinearLeakyRelu", "QLinearSoftmax"),
        *("QLinearAveragePool", "QLinearGlobalAveragePool", "QLinearReduceMean", "QLinearWhere"),
    }
)
"""Operators of com.microsoft that do no matrix product or convolution."""


BITS_OF_A_BYTE = 8


def packed_weights(nodes: "Iterable[NodeProto]", tensors: "Mapping[str, TensorProto]") -> dict[str, int]:
    """Weights by the name of the tensor that packs them; only tensors that some node reads as packed."""
    return {
        name: counted
        for node in nodes
        for place, count in _PACKED.get(operator_name(node), {}).items()
        for name in node.input[place : place + 1]
        if name in tensors and (counted := count(node, tensors[name])) is not None
    }


def _number(node: "NodeProto", name: str, default: int) -> int:
    """A whole-number attribute."""
    return int(attribute_of(node, name, default))


def _matrix(node: "NodeProto", tensor: "TensorProto") -> int | None:  # noqa: ARG001 - a `PackedCount`
    """K x N of the product, whatever its blocks are filled up to."""
    return max(0, _number(node, "K", 0) * _number(node, "N", 0)) or None


def _zero_points(node: "NodeProto", tensor: "TensorProto") -> int | None:
    """One a block of each column, packed like the weights; of floats each is a number of its own."""
    block, columns = _number(node, "block_size", 0), _number(node, "N", 0)
    if tensor.data_type not in _bytes() or block <= 0 or columns <= 0:
        return None
    return columns * math.ceil(_number(node, "K", 0) / block)


def _by_bits(name: str, default: int) -> "PackedCount":
    """As many in every byte as its bits hold; elements of another type are counted as they are."""

    def count(node: "NodeProto", tensor: "TensorProto") -> int | None:
        bits = _number(node, name, default)
        if tensor.data_type not in _bytes() or not 0 < bits < BITS_OF_A_BYTE:
            return None
        return int(math.prod(tensor.dims)) * (BITS_OF_A_BYTE // bits)

    return count


def _bytes() -> tuple[int, ...]:
    from onnx import TensorProto

    return TensorProto.UINT8, TensorProto.INT8


_PACKED: "Mapping[str, Mapping[int, PackedCount]]" = {
    "com.microsoft.MatMulNBits": {1: _matrix, 3: _zero_points},
    "com.microsoft.MatMulBnb4": {1: _matrix},
    "com.microsoft.GatherBlockQuantized": dict.fromkeys((0, 3), _by_bits("bits", 4)),
    "com.microsoft.QMoE": dict.fromkeys((2, 5, 8, 11, 12, 13), _by_bits("expert_weight_bits", 4)),
}
"""Operator -> the place of an input that it reads as packed -> how many numbers that holds."""
