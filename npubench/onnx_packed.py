"""Weights of a few bits that a file packs into bytes: how many they are.

Layouts: ONNX Runtime's ContribOperators.md, domain com.microsoft. The bytes of such a tensor say nothing of
how many weights there are; the node that reads it does.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from npubench.onnx_graph import operator_name

if TYPE_CHECKING:
    from onnx import NodeProto, TensorProto

    Count = Callable[[NodeProto, TensorProto], int | None]

BITS_OF_A_BYTE = 8


def packed_weights(nodes: "Iterable[NodeProto]", tensors: "Mapping[str, TensorProto]") -> dict[str, int]:
    """Weights by the name of the tensor that packs them; only tensors that some node reads as packed."""
    found: dict[str, int] = {}
    for node in nodes:
        for place, count in _PACKED.get(operator_name(node), {}).items():
            name = node.input[place] if place < len(node.input) else ""
            counted = count(node, tensors[name]) if name in tensors else None
            if counted is not None:
                found[name] = counted
    return found


def attribute_of(node: "NodeProto", name: str, default: int) -> int:
    """A whole-number attribute."""
    return next((int(one.i) for one in node.attribute if one.name == name), default)


def _matrix(node: "NodeProto", tensor: "TensorProto") -> int | None:  # noqa: ARG001 - a `Count`
    """K x N of the product, whatever its blocks are filled up to."""
    count = attribute_of(node, "K", 0) * attribute_of(node, "N", 0)
    return count if count > 0 else None


def _zero_points(node: "NodeProto", tensor: "TensorProto") -> int | None:
    """One a block of each column, packed like the weights; of floats each is a number of its own."""
    block, columns = attribute_of(node, "block_size", 0), attribute_of(node, "N", 0)
    if tensor.data_type not in _bytes() or block <= 0 or columns <= 0:
        return None
    return columns * math.ceil(attribute_of(node, "K", 0) / block)


def _by_bits(name: str, default: int) -> "Count":
    """As many in every byte as its bits hold; elements of another type are counted as they are."""

    def count(node: "NodeProto", tensor: "TensorProto") -> int | None:
        bits = attribute_of(node, name, default)
        if tensor.data_type not in _bytes() or not 0 < bits < BITS_OF_A_BYTE:
            return None
        return int(math.prod(tensor.dims)) * (BITS_OF_A_BYTE // bits)

    return count


def _bytes() -> tuple[int, ...]:
    from onnx import TensorProto

    return TensorProto.UINT8, TensorProto.INT8


_EXPERTS = _by_bits("expert_weight_bits", 4)
_PACKED: "Mapping[str, Mapping[int, Count]]" = {
    "com.microsoft.MatMulNBits": {1: _matrix, 3: _zero_points},
    "com.microsoft.MatMulBnb4": {1: _matrix},
    "com.microsoft.GatherBlockQuantized": {0: _by_bits("bits", 4), 3: _by_bits("bits", 4)},
    "com.microsoft.QMoE": {
        **{2: _EXPERTS, 5: _EXPERTS, 8: _EXPERTS},
        **{11: _EXPERTS, 12: _EXPERTS, 13: _EXPERTS},
    },
}
"""Operator -> the place of an input that it reads as packed -> how many numbers that holds."""
