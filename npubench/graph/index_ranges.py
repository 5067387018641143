"""Follows inputs through a graph to where they are used as indices, lengths or divisors.

The operators are ONNX's (Operators.md) and, where named, com.microsoft's (ContribOperators.md).
"""

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from npubench.domain.specs import Shape
from npubench.graph.walk import all_nodes, attribute_of, subgraphs

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

    def index(self, low: int, high: int, why: str) -> None:
        """They are an index of low..high."""
        if self.high is None or high < self.high:
            self.high, self.why = high, why
        self.low = max(self.low, low)


@dataclass(frozen=True, slots=True)
class _Value:
    """A value of the graph that holds `scale` x + least..most for numbers x of the input."""

    name: str
    scale: Fraction = Fraction(1)
    least: Fraction = Fraction(0)
    most: Fraction = Fraction(0)
    clear: bool = True
    moved: bool = True

    def named(self, name: str) -> "_Value":
        return _Value(name, self.scale, self.least, self.most, self.clear, self.moved)


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
            if node.op_type == "Constant":
                value = next((one.t for one in node.attribute if one.name == "value"), None)
                if value is not None:
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
                return axes[1 if attribute_of(node, "layout", 0) else 0]
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
        found = _SINKS.get(node.op_type)
        if found is None:
            return
        for low, high, why in found(self, node, index):
            if high < low:
                uses.low = max(uses.low, low if value.clear else 0)
            elif not value.clear:
                uses.unclear = True
            elif why == "length":
                uses.longest = min(high, uses.longest or high)
            else:
                uses.index(
                    math.ceil((low - value.least) / value.scale),
                    math.floor((high - value.most) / value.scale),
                    why,
                )

    def _next(self, node: "NodeProto", index: int, value: _Value) -> list[_Value]:
        outputs = [name for name in node.output if name]
        if node.op_type == "Loop" and index >= 2:
            return [value.named(body.input[index].name) for body in subgraphs(node)] + [
                value.named(name) for name in outputs
            ]
        if node.op_type == "Scan":
            return [value.named(body.input[index].name) for body in subgraphs(node)]
        joins = node.op_type in _JOINING and not (index == 1 and node.op_type in _SINKS)
        if joins or (node.op_type in _MOVING and index == 0):
            return [value.named(name) for name in outputs]
        if node.op_type in {"Add", "Sub", "Mul", "Div"}:
            other = self.constant(node.input[1 - index]) if len(node.input) == 2 else None
            changed = _affine(node.op_type, index, value, other)
            return [changed.named(name) for name in outputs]
        if node.op_type == "Mod" and index == 0 and self.constant(node.input[1]) is not None:
            return []
        if node.op_type in _MIXING:
            return [_Value(name, clear=False, moved=False) for name in outputs]
        return []

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
        shape = self._shapes.get(name)
        if shape is None or not -len(shape) <= axis < len(shape):
            return None
        return shape[axis]


def _affine(op: str, index: int, value: _Value, other: Any) -> _Value:
    """The value after an operation with a constant; unclear with anything else."""
    import numpy as np

    unclear = _Value("", clear=False, moved=False)
    if other is None or not value.clear or not other.size or not np.isfinite(other.astype(np.float64)).all():
        return unclear
    low, high = (Fraction(float(extreme)) for extreme in (other.min(), other.max()))
    if op == "Add":
        return _Value("", value.scale, value.least + low, value.most + high, moved=False)
    if op == "Sub" and index == 0:
        return _Value("", value.scale, value.least - high, value.most - low, moved=False)
    if low == high and low > 0 and (op == "Mul" or (op == "Div" and index == 0)):
        by = low if op == "Mul" else 1 / low
        return _Value("", value.scale * by, value.least * by, value.most * by, moved=False)
    return unclear


_Found = list[tuple[int, int, str]]
_Sink = Callable[[_Walk, "NodeProto", int], _Found]


def _rows(walk: _Walk, table: str, axis: int) -> _Found:
    size = walk.size(table, axis)
    if size:
        return [(0, size - 1, f"indices of {size} in '{table}'")]
    return [(0, 1, f"indices in '{table}', whose size is not fixed")]


def _row_of(place: int, axis: int | str) -> _Sink:
    """The input at `place` holds rows of the first one along an axis, or along that of an attribute."""

    def sink(walk: _Walk, node: "NodeProto", index: int) -> _Found:
        along = attribute_of(node, axis, 0) if isinstance(axis, str) else axis
        return _rows(walk, node.input[0], along) if index == place else []

    return sink


def _always(low: int, high: int, why: str, *places: int) -> _Sink:
    """Inputs at these places whose range no other input decides; no upper end where it is below the lower."""
    return lambda _walk, _node, index: [(low, high, why)] if index in places else []


def _gather_nd(walk: _Walk, node: "NodeProto", index: int) -> _Found:
    if index != 1:
        return []
    first = attribute_of(node, "batch_dims", 0)
    coordinates = walk.size(node.input[1], -1) or 1
    sizes = [walk.size(node.input[0], axis) for axis in range(first, first + coordinates)]
    known = [size for size in sizes if size]
    if len(known) < len(sizes):
        return [(0, 1, f"coordinates in '{node.input[0]}', whose size is not fixed")]
    return [(0, min(known) - 1, f"coordinates in '{node.input[0]}'")]


def _embed_layer(walk: _Walk, node: "NodeProto", index: int) -> _Found:
    """com.microsoft.EmbedLayerNormalization: ids, segments, three tables, gamma, beta, mask, positions."""
    tables = {0: 2, 1: 4, 8: 3}
    return _rows(walk, node.input[tables[index]], 0) if index in tables else []


def _aten(walk: _Walk, node: "NodeProto", index: int) -> _Found:
    """An embedding that PyTorch left as its own operator: table, indices."""
    embedding = b"embedding" in attribute_of(node, "operator", b"")
    return _rows(walk, node.input[0], 0) if embedding and index == 1 else []


def _one_hot(walk: _Walk, node: "NodeProto", index: int) -> _Found:
    depth = walk.constant(node.input[1]) if index == 0 else None
    if depth is None or depth.size != 1:
        return []
    return [(0, int(depth.ravel()[0]) - 1, f"one of {int(depth.ravel()[0])}")]


def _rotary(walk: _Walk, node: "NodeProto", index: int) -> _Found:
    """ONNX: X, cos, sin, positions. com.microsoft: X, positions, cos, sin."""
    place, table = (1, 2) if node.domain == "com.microsoft" else (3, 1)
    return _rows(walk, node.input[table], 0) if index == place else []


def _recurrent(walk: _Walk, node: "NodeProto", index: int) -> _Found:
    steps = walk.size(node.input[0], 1 if attribute_of(node, "layout", 0) else 0) if index == 4 else None
    return [(1, steps, "length")] if steps else []


def _reversed(walk: _Walk, node: "NodeProto", index: int) -> _Found:
    steps = walk.size(node.input[0], attribute_of(node, "time_axis", 0)) if index == 1 else None
    return [(1, steps, "length")] if steps else []


def _top_k(walk: _Walk, node: "NodeProto", index: int) -> _Found:
    size = walk.size(node.input[0], attribute_of(node, "axis", -1)) if index == 1 else None
    return [(1, size, f"how many of {size}")] if size else []


def _slice(walk: _Walk, node: "NodeProto", index: int) -> _Found:
    sizes = walk.shape(node.input[0]) or (1,)
    found = {1: min(sizes), 2: min(sizes), 3: len(sizes) - 1}
    if index == 4:
        return [(1, 2, "steps of a slice")]
    return [(0, found[index], "ends of a slice" if index < 3 else "an axis")] if index in found else []


def _axis(walk: _Walk, node: "NodeProto", index: int) -> _Found:
    """The last axis of what DFT takes holds real and imaginary parts."""
    last = len(walk.shape(node.input[0])) - (2 if node.op_type == "DFT" else 1)
    return [(0, max(0, last), "an axis")] if index == (2 if node.op_type == "DFT" else 1) else []


def _unpooled(walk: _Walk, node: "NodeProto", index: int) -> _Found:
    sizes = walk.shape(node.input[0])
    return [(0, math.prod(sizes) - 1, "places in the pooled tensor")] if index == 1 and sizes else []


def _cached(walk: _Walk, node: "NodeProto", index: int) -> _Found:
    """com.microsoft.GroupQueryAttention: the last place of the sequence so far, and how long it is."""
    new = walk.size(node.input[1] or node.input[0], 1)
    if index not in {5, 6} or not new:
        return []
    total = new + ((walk.size(node.input[3], 2) or 0) if node.input[3] else 0)
    exact = total - 1 if index == 5 else total
    return [(exact, exact, "the sequence so far")]


_REDUCING = tuple(
    f"Reduce{what}"
    for what in ("Sum", "Mean", "Max", "Min", "Prod", "SumSquare", "L1", "L2", "LogSum", "LogSumExp")
)

_SINKS: Mapping[str, _Sink] = {
    **dict.fromkeys(("Gather", "GatherElements", "ScatterElements", "Scatter"), _row_of(1, "axis")),
    **dict.fromkeys(("GatherND", "ScatterND"), _gather_nd),
    **dict.fromkeys(("LSTM", "GRU", "RNN"), _recurrent),
    # Sizes, repeats, pads and axes: large ones ask for memory without end.
    **dict.fromkeys(("Reshape", "Expand", "Tile", "Split"), _always(0, 1, "a shape", 1)),
    **dict.fromkeys(("Squeeze", "Unsqueeze", *_REDUCING), _always(0, 1, "a shape", 1)),
    "ConstantOfShape": _always(0, 1, "a shape", 0),
    "Resize": _always(0, 1, "a shape", 3),
    "Pad": _always(0, 1, "a shape", 1, 3),
    # Only zero is none, and a range's step is one, too.
    **dict.fromkeys(("Div", "Mod"), _always(1, -1, "a divisor", 1)),
    "Range": _always(1, -1, "a divisor", 2),
    "Loop": _always(1, 4, "trips of a loop", 0),
    "Pow": _always(0, 3, "exponents", 1),
    "BitShift": _always(0, 7, "bits", 1),
    **dict.fromkeys(("CumSum", "DFT"), _axis),
    # Class numbers: scores are samples x classes x ...
    **dict.fromkeys(("NegativeLogLikelihoodLoss", "SoftmaxCrossEntropyLoss"), _row_of(1, 1)),
    # Of ai.onnx.ml.
    "ArrayFeatureExtractor": _row_of(1, -1),
    # Which picture of the batch a region is of.
    "RoiAlign": _row_of(2, 0),
    # Of com.microsoft: data, indices, scales, zero points.
    "GatherBlockQuantized": _row_of(1, "gather_axis"),
    "MaxUnpool": _unpooled,
    "GroupQueryAttention": _cached,
    "EmbedLayerNormalization": _embed_layer,
    "ATen": _aten,
    "OneHot": _one_hot,
    "RotaryEmbedding": _rotary,
    "ReverseSequence": _reversed,
    "TopK": _top_k,
    "Slice": _slice,
}
