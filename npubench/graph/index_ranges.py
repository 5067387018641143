"""Follows inputs through a graph to where they are used as indices, lengths or divisors.

The operators are ONNX's (Operators.md) and, where named, com.microsoft's (ContribOperators.md).
"""

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from npubench.domain.specs import Shape
from npubench.graph.walk import all_nodes, attribute_of, operator_name, subgraphs

if TYPE_CHECKING:
    from onnx import GraphProto, NodeProto

MOST_VALUES = 10_000
"""Values that one input is followed to: graphs hold loops only inside nodes, but chains may be long."""

_MOVING = frozenset(
    [
        *("Identity", "Cast", "CastLike", "Reshape", "Squeeze", "Unsqueeze", "Flatten", "Transpose"),
        *("Expand", "Slice", "Tile", "Dropout", "Gather", "GatherElements", "GatherND", "Split", "Pad"),
        *("Trilu", "TopK", "ReduceMax", "ReduceMin", "Floor", "Ceil", "Round", "ReverseSequence", "Relu"),
        *("Abs", "Compress", "DepthToSpace", "SpaceToDepth"),
    ]
)
"""What gives on some of the numbers of its first input, whichever they are."""

_JOINING = frozenset({"Concat", "Max", "Min", "Where", "ScatterElements", "ScatterND"})
"""What gives on numbers of several inputs."""

_MIXING = frozenset({"Add", "Sub", "Mul", "Div", "CumSum", "ReduceSum", "Pow", "Neg", "Sum", "MatMul", "Mod"})
"""What makes of them others that depend on more than constants."""

_KEEPING = frozenset(["Identity", "Cast", "Dropout", "Add", "Sub", "Mul", "Div", "BatchNormalization"])
"""What leaves the axes of its first input where they are."""


@dataclass(slots=True)
class Uses:
    """How the numbers of one input are used: `low`..`high` are valid wherever they are an index.

    `longest` is the time axis of a recurrent operator that takes them for lengths, `whole_length` whether
    their greatest decides a size; `unclear` says that they lead to an index by unknown arithmetic; `added`
    that an addition takes them as they are. `time_axes` are those of all inputs that show theirs.
    """

    low: int = 0
    high: int | None = None
    why: str = ""
    longest: int | None = None
    whole_length: bool = False
    unclear: bool = False
    added: bool = False
    time_axes: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Value:
    """A value of the graph that holds `scale` x + least..most for numbers x of the input."""

    name: str
    scale: Fraction = Fraction(1)
    least: Fraction = Fraction(0)
    most: Fraction = Fraction(0)
    clear: bool = True
    moved: bool = True


def uses_of(graph: "GraphProto", shapes: Mapping[str, Shape], names: Sequence[str]) -> dict[str, Uses]:
    """The uses of each of these inputs; `shapes` of all values that are fixed."""
    walk = _Walk(graph, shapes)
    axes = {name: axis for name in names if (axis := walk.time_axis(name)) is not None}
    found = {name: Uses(time_axes=axes) for name in names}
    for name, uses in found.items():
        walk.follow(name, uses)
    return found


class _Walk:
    def __init__(self, graph: "GraphProto", shapes: Mapping[str, Shape]) -> None:
        self._shapes = shapes
        self._readers: defaultdict[str, list[tuple[NodeProto, int]]] = defaultdict(list)
        self._constants = {tensor.name: tensor for tensor in graph.initializer}
        for node in all_nodes(graph):
            for inner in subgraphs(node):
                self._constants |= {tensor.name: tensor for tensor in inner.initializer}
            for index, name in enumerate(node.input):
                if name:
                    self._readers[name].append((node, index))
            if node.op_type == "Constant" and (value := attribute_of(node, "value", None)) is not None:
                self._constants[node.output[0]] = value

    def follow(self, name: str, uses: Uses) -> None:
        """Note what becomes of the input's numbers in `uses`."""
        pending = [_Value(name)]
        seen: set[_Value] = set()
        while pending and len(seen) < MOST_VALUES:
            value = pending.pop()
            if value in seen:
                continue
            seen.add(value)
            for node, index in self._readers[value.name]:
                self._note(node, index, value, uses)
                pending += self._next(node, index, value)

    def time_axis(self, name: str) -> int | None:
        """Which axis of a sequence is time: that of the first operator that has an opinion."""
        rank = len(self._shapes.get(name, ()))
        axes = list(range(rank))
        for _ in range(MOST_VALUES):
            nodes = [node for node, index in self._readers[name] if index == 0 and node.op_type != "Shape"]
            if not nodes or rank < 3:
                return None
            node = nodes[0]
            if node.op_type == "Transpose":
                perm = list(attribute_of(node, "perm", range(rank)[::-1]))
                axes = [axes[axis] for axis in perm]
            elif node.op_type in {"LSTM", "GRU", "RNN"}:
                return axes[int(attribute_of(node, "layout", 0))]
            elif node.op_type in {"Conv", "ConvInteger"} and rank == 3:
                return axes[2]
            elif node.op_type in {"MatMul", "Gemm"}:
                return axes[-2]
            elif node.op_type not in _KEEPING:
                return None
            name = node.output[0]
        return None

    def _note(self, node: "NodeProto", index: int, value: _Value, uses: Uses) -> None:
        if node.op_type == "Add" and value.moved:
            uses.added = True
        if node.op_type == "ReduceMax":
            uses.whole_length = True
        found = rule(self, node) if (rule := _rules(node).get(index)) else None
        if found is None:
            return
        low, high, why = found
        if high < low:
            uses.low = max(uses.low, low if value.clear else 0)
        elif not value.clear:
            uses.unclear = True
        elif why == LENGTH:
            uses.longest = min(high, uses.longest or high)
        else:
            uses.low = max(uses.low, math.ceil((low - value.least) / value.scale))
            high = math.floor((high - value.most) / value.scale)
            if uses.high is None or high < uses.high:
                uses.high, uses.why = high, why

    def _next(self, node: "NodeProto", index: int, value: _Value) -> list[_Value]:
        names = [name for name in node.output if name]
        if node.op_type == "Scan" or (node.op_type == "Loop" and index >= 2):
            inner = [body.input[index].name for body in subgraphs(node)]
            return [
                replace(value, name=name) for name in (*inner, *(names if node.op_type == "Loop" else ()))
            ]
        joins = node.op_type in _JOINING and index not in _rules(node)
        if joins or (node.op_type in _MOVING and index == 0):
            return [replace(value, name=name) for name in names]
        if node.op_type in {"Add", "Sub", "Mul", "Div"}:
            other = self.constant(node.input[1 - index]) if len(node.input) == 2 else None
            return [_affine(node.op_type, index, replace(value, name=name), other) for name in names]
        if node.op_type == "Mod" and index == 0 and self.constant(node.input[1]) is not None:
            return []
        return [_unclear(name) for name in names] if node.op_type in _MIXING else []

    def constant(self, name: str) -> Any:
        """The array of a small constant; None of anything else, and of those without their data."""
        tensor = self._constants.get(name)
        if tensor is None or tensor.external_data:
            return None
        from onnx import numpy_helper

        try:
            return numpy_helper.to_array(tensor)
        except (ValueError, TypeError, KeyError):
            return None

    def shape(self, name: str) -> Shape:
        """The shape of a value; empty where it is not fixed."""
        return self._shapes.get(name, ())

    def size(self, name: str, axis: int) -> int | None:
        """Size of a value along an axis; None where it is not fixed."""
        shape = self.shape(name)
        return shape[axis] if -len(shape) <= axis < len(shape) else None


def _unclear(name: str) -> _Value:
    return _Value(name, clear=False, moved=False)


def _affine(op: str, index: int, value: _Value, other: Any) -> _Value:
    """The value after an operation with a constant; unclear with anything else."""
    import numpy as np

    if other is None or not value.clear or not other.size or not np.isfinite(other.astype(np.float64)).all():
        return _unclear(value.name)
    low, high = (Fraction(float(extreme)) for extreme in (other.min(), other.max()))
    if op == "Sub" and index == 0:
        op, low, high = "Add", -high, -low
    if op == "Add":
        return replace(value, least=value.least + low, most=value.most + high, moved=False)
    if low == high and low > 0 and (op == "Mul" or (op == "Div" and index == 0)):
        by = low if op == "Mul" else 1 / low
        return _Value(value.name, value.scale * by, value.least * by, value.most * by, moved=False)
    return _unclear(value.name)


LENGTH = "length"
_Rule = Callable[[_Walk, "NodeProto"], tuple[int, int, str] | None]
"""What an input of a node has to be: least, most and why; no upper end where it is below the lower."""


def _along(node: "NodeProto", axis: int | str, default: int = 0) -> int:
    """An axis that is given, or that an attribute names."""
    return int(attribute_of(node, axis, default)) if isinstance(axis, str) else axis


def _row(axis: int | str, table: int = 0) -> _Rule:
    """A row of the input at `table` along an axis."""

    def rule(walk: _Walk, node: "NodeProto") -> tuple[int, int, str]:
        name = node.input[table]
        if size := walk.size(name, _along(node, axis)):
            return 0, size - 1, f"indices of {size} in '{name}'"
        return 0, 1, f"indices in '{name}', whose size is not fixed"

    return rule


def _up_to_size(axis: str, default: int, why: str) -> _Rule:
    """As many as the first input has along an axis, or fewer."""

    def rule(walk: _Walk, node: "NodeProto") -> tuple[int, int, str] | None:
        size = walk.size(node.input[0], _along(node, axis, default))
        return (1, size, why.format(size)) if size else None

    return rule


def _always(low: int, high: int, why: str) -> _Rule:
    """A range that no other input decides."""
    return lambda _walk, _node: (low, high, why)


def _gather_nd(walk: _Walk, node: "NodeProto") -> tuple[int, int, str]:
    first = attribute_of(node, "batch_dims", 0)
    coordinates = walk.size(node.input[1], -1) or 1
    sizes = [walk.size(node.input[0], axis) or 0 for axis in range(first, first + coordinates)]
    if not all(sizes):
        return 0, 1, f"coordinates in '{node.input[0]}', whose size is not fixed"
    return 0, min(sizes) - 1, f"coordinates in '{node.input[0]}'"


def _aten(walk: _Walk, node: "NodeProto") -> tuple[int, int, str] | None:
    """An embedding that PyTorch left as its own operator: table, indices."""
    return _row(0)(walk, node) if b"embedding" in attribute_of(node, "operator", b"") else None


def _one_hot(walk: _Walk, node: "NodeProto") -> tuple[int, int, str] | None:
    depth = walk.constant(node.input[1])
    if depth is None or depth.size != 1:
        return None
    return 0, int(depth.ravel()[0]) - 1, f"one of {int(depth.ravel()[0])}"


def _slice_end(walk: _Walk, node: "NodeProto") -> tuple[int, int, str]:
    return 0, min(walk.shape(node.input[0]) or (1,)), "ends of a slice"


def _axis(but: int) -> _Rule:
    """An axis of the first input, the last `but` apart."""
    return lambda walk, node: (0, max(0, len(walk.shape(node.input[0])) - 1 - but), "an axis")


def _unpooled(walk: _Walk, node: "NodeProto") -> tuple[int, int, str] | None:
    sizes = walk.shape(node.input[0])
    return (0, math.prod(sizes) - 1, "places in the pooled tensor") if sizes else None


def _cached(less: int) -> _Rule:
    """com.microsoft.GroupQueryAttention: how long the sequence is so far, less so many."""

    def rule(walk: _Walk, node: "NodeProto") -> tuple[int, int, str] | None:
        new = walk.size(node.input[1] or node.input[0], 1)
        past = walk.size(node.input[3], 2) if node.input[3] else 0
        exact = (new or 0) + (past or 0) - less
        return (exact, exact, "the sequence so far") if new else None

    return rule


_REDUCING = tuple(
    f"Reduce{what}"
    for what in ("Sum", "Mean", "Max", "Min", "Prod", "SumSquare", "L1", "L2", "LogSum", "LogSumExp")
)

_SHAPE = _always(0, 1, "a shape")
_DIVISOR = _always(1, -1, "a divisor")
_RULES: Mapping[str, Mapping[int, _Rule]] = {
    **{op: {1: _row("axis")} for op in ("Gather", "GatherElements", "ScatterElements", "Scatter")},
    **{op: {1: _gather_nd} for op in ("GatherND", "ScatterND")},
    **{op: {4: _up_to_size("layout", 0, LENGTH)} for op in ("LSTM", "GRU", "RNN")},
    # Sizes, repeats, pads and axes: large ones ask for memory without end.
    **{op: {1: _SHAPE} for op in ("Reshape", "Expand", "Tile", "Split")},
    **{op: {1: _SHAPE} for op in ("Squeeze", "Unsqueeze", *_REDUCING)},
    "ConstantOfShape": {0: _SHAPE},
    "Resize": {3: _SHAPE},
    "Pad": {1: _SHAPE, 3: _SHAPE},
    # Only zero is none, and a range's step is one, too.
    **{op: {1: _DIVISOR} for op in ("Div", "Mod")},
    "Range": {2: _DIVISOR},
    "Loop": {0: _always(1, 4, "trips of a loop")},
    "Pow": {1: _always(0, 3, "exponents")},
    "BitShift": {1: _always(0, 7, "bits")},
    "CumSum": {1: _axis(0)},
    # The last axis holds real and imaginary parts.
    "DFT": {2: _axis(1)},
    # Class numbers: scores are samples x classes x ...
    **{op: {1: _row(1)} for op in ("NegativeLogLikelihoodLoss", "SoftmaxCrossEntropyLoss")},
    # Of ai.onnx.ml.
    "ArrayFeatureExtractor": {1: _row(-1)},
    # Which picture of the batch a region is of.
    "RoiAlign": {2: _row(0)},
    # Of com.microsoft: data, indices, scales, zero points.
    "GatherBlockQuantized": {1: _row("gather_axis")},
    "MaxUnpool": {1: _unpooled},
    "GroupQueryAttention": {5: _cached(1), 6: _cached(0)},
    # Ids, segments, three tables, gamma, beta, mask, positions.
    "EmbedLayerNormalization": {0: _row(0, 2), 1: _row(0, 4), 8: _row(0, 3)},
    "ATen": {1: _aten},
    "OneHot": {0: _one_hot},
    # X, cos, sin, positions; of com.microsoft X, positions, cos, sin.
    "RotaryEmbedding": {3: _row(0, 1)},
    "com.microsoft.RotaryEmbedding": {1: _row(0, 2)},
    "ReverseSequence": {1: _up_to_size("time_axis", 0, LENGTH)},
    "TopK": {1: _up_to_size("axis", -1, "how many of {}")},
    "Slice": {1: _slice_end, 2: _slice_end, 3: _axis(0), 4: _always(1, 2, "steps of a slice")},
}


def _rules(node: "NodeProto") -> Mapping[int, _Rule]:
    return _RULES.get(operator_name(node)) or _RULES.get(node.op_type, {})
