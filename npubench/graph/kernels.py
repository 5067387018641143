"""The kernels that a compiler makes of a graph: products with what is fused into them, and what stays apart.

A kernel is a node that does work, with the element-wise nodes behind it that follow from its output alone
(normalisation by constants, activations written as several nodes, Q/DQ pairs): one pass over memory in every
compiler of NPUs that fuses at all. Additions of two activations, norms and softmax stay apart.
"""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, TypedDict

from npubench.domain.specs import Shape
from npubench.graph.macs import Shapes, macs_of_nodes, multiplies
from npubench.graph.walk import attribute_of, fixed_shapes, operator_name, true_inputs

if TYPE_CHECKING:
    from onnx import GraphProto, NodeProto


class Kind(StrEnum):
    """What a kernel does."""

    DENSE = "dense"  # convolution, more than one element of kernel, one group
    POINTWISE = "pointwise"  # convolution 1 x 1, one group
    DEPTHWISE = "depthwise"  # convolution, one input channel a group
    GROUPED = "grouped"  # convolution, other groups
    TRANSPOSED = "transposed"  # transposed convolution
    LINEAR = "linear"  # product of an activation and a weight
    ATTENTION = "attention"  # product of two activations
    RECURRENT = "recurrent"  # RNN, GRU, LSTM
    ELEMENTWISE = "elementwise"  # of two activations
    ACTIVATION = "activation"  # element-wise, of one activation that others read too
    NORM = "norm"  # layer, group or instance norm
    SOFTMAX = "softmax"
    RESIZE = "resize"
    POOL = "pool"
    REDUCE = "reduce"  # global pooling, reductions
    MOVE = "move"  # concat, slice, transpose, gather: moves data and computes nothing
    OTHER = "other"


class Activation(StrEnum):
    """What is done to each element by itself."""

    NONE = "none"
    AFFINE = "affine"  # scale, shift
    RELU = "relu"  # ReLU, its capped and leaky kin
    SILU = "silu"  # x * sigmoid(x)
    HARDSWISH = "hardswish"
    GELU = "gelu"  # by erf or tanh
    SIGMOID = "sigmoid"  # and hard sigmoid, tanh
    CURVED = "curved"  # Mish, ELU, softplus, powers and roots


PRODUCTS = frozenset(
    {
        *(Kind.DENSE, Kind.POINTWISE, Kind.DEPTHWISE, Kind.GROUPED, Kind.TRANSPOSED),
        *(Kind.LINEAR, Kind.ATTENTION, Kind.RECURRENT),
    }
)
"""Kernels whose work is MACs."""


@dataclass(frozen=True, slots=True)
class Kernel:
    """One pass over memory. Counts are of elements; a weight that two kernels read counts at both."""

    kind: Kind
    operators: tuple[str, ...]  # of the nodes that are in it, by `walk.operator_name`
    output: Shape  # what it writes
    macs: int = 0
    weights: int = 0  # constants that it reads
    input_elements: int = 0  # activations that it reads
    output_elements: int = 0  # activations that it writes
    in_channels: int = 0  # of a product: channels that one output element sums over, kernel not counted
    out_channels: int = 0
    taps: int = 1  # elements of the kernel of a convolution
    activation: Activation = Activation.NONE


@dataclass(frozen=True, slots=True)
class Kernels:
    """What a graph is made of, in its order."""

    kernels: tuple[Kernel, ...]
    uncounted: Mapping[str, int]  # operators whose work does not follow from the file, and how many
    depth: int  # most products behind one another
    resizable: bool  # whether all work but that of pooled features grows with the pixels of the input


_VIEWS = frozenset(
    {
        *("Identity", "Cast", "Dropout", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "CastLike"),
        *("QuantizeLinear", "DequantizeLinear"),
    }
)
"""The same elements under another name."""

_SHAPES_ONLY = frozenset({"Shape", "Size", "NonZero"})
"""What follows from them are sizes and places, no activations."""

_ACTIVATIONS: dict[str, Activation] = {
    **dict.fromkeys(("Relu", "Clip", "LeakyRelu", "PRelu", "Abs", "ThresholdedRelu"), Activation.RELU),
    **dict.fromkeys(("Sigmoid", "HardSigmoid", "Tanh"), Activation.SIGMOID),
    **dict.fromkeys(("Gelu", "com.microsoft.Gelu", "com.microsoft.FastGelu", "Erf"), Activation.GELU),
    **dict.fromkeys(("com.microsoft.QuickGelu", "Swish"), Activation.SILU),
    "HardSwish": Activation.HARDSWISH,
    **dict.fromkeys(("Mish", "Elu", "Selu", "Celu", "Softplus", "Softsign"), Activation.CURVED),
    **dict.fromkeys(("Exp", "Log", "Pow", "Sqrt", "Reciprocal", "Sin", "Cos", "Round"), Activation.CURVED),
    **dict.fromkeys(("Floor", "Ceil", "Sign", "Not"), Activation.CURVED),
    **dict.fromkeys(("Add", "Sub", "Mul", "Div", "Neg", "BatchNormalization"), Activation.AFFINE),
    **dict.fromkeys(("Min", "Max", "Where", "Equal", "Less", "Greater"), Activation.RELU),
    **dict.fromkeys(("And", "Or", "LessOrEqual", "GreaterOrEqual", "Mod"), Activation.RELU),
}
"""Element-wise operators, by what they are to one activation alone."""

_KINDS: dict[str, Kind] = {
    **dict.fromkeys(("LayerNormalization", "InstanceNormalization", "GroupNormalization"), Kind.NORM),
    **dict.fromkeys(("LpNormalization", "LRN", "MeanVarianceNormalization"), Kind.NORM),
    **dict.fromkeys(("RMSNormalization", "com.microsoft.SkipLayerNormalization"), Kind.NORM),
    **dict.fromkeys(("Softmax", "LogSoftmax"), Kind.SOFTMAX),
    **dict.fromkeys(("Resize", "Upsample", "GridSample", "RoiAlign"), Kind.RESIZE),
    **dict.fromkeys(("MaxPool", "AveragePool", "LpPool"), Kind.POOL),
    **dict.fromkeys(("GlobalAveragePool", "GlobalMaxPool", "ArgMax", "ArgMin", "TopK"), Kind.REDUCE),
    **dict.fromkeys(("ReduceMean", "ReduceMax", "ReduceMin", "ReduceSum", "ReduceL2"), Kind.REDUCE),
    **dict.fromkeys(("ReduceL1", "ReduceProd", "CumSum", "ReduceSumSquare"), Kind.REDUCE),
    **dict.fromkeys(("Concat", "Slice", "Split", "Transpose", "Gather", "GatherElements"), Kind.MOVE),
    **dict.fromkeys(("GatherND", "Pad", "DepthToSpace", "SpaceToDepth", "Expand", "Tile"), Kind.MOVE),
    **dict.fromkeys(("ScatterND", "ScatterElements", "ReverseSequence", "Trilu"), Kind.MOVE),
}

_CONVOLUTIONS = frozenset(
    {
        *("Conv", "ConvInteger", "DeformConv", "CausalConvWithState", "QLinearConv"),
        *("com.microsoft.FusedConv", "com.microsoft.NhwcFusedConv", "com.microsoft.nchwc.Conv"),
        "com.microsoft.QLinearConv",
    }
)
_FUSING = frozenset({*PRODUCTS, Kind.ELEMENTWISE})
"""Kernels that take the element-wise nodes behind them in."""

_STRONGEST = (
    *(Activation.GELU, Activation.CURVED, Activation.SILU, Activation.SIGMOID),
    *(Activation.HARDSWISH, Activation.RELU, Activation.AFFINE),
)
_MEETING: tuple[tuple[str, Activation], ...] = (
    *(("Erf", Activation.GELU), ("Softplus", Activation.CURVED), ("Tanh", Activation.GELU)),
    *(("Sigmoid", Activation.SILU), ("HardSigmoid", Activation.HARDSWISH), ("Clip", Activation.HARDSWISH)),
)
"""What several nodes between one tensor and its product with itself are, by the one that tells."""


@dataclass(slots=True)
class _Region:
    """Element-wise nodes that follow from one tensor alone."""

    operators: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    meets: bool = False  # two ways from that tensor come together again: several nodes are one activation
    norm: bool = False

    def activation(self) -> Activation:
        if self.meets:
            return next((one for name, one in _MEETING if name in self.operators), Activation.CURVED)
        found = [_ACTIVATIONS[name] for name in self.operators if name in _ACTIVATIONS]
        return min(found, key=_STRONGEST.index, default=Activation.AFFINE)


def kernels_of(graph: "GraphProto") -> Kernels:
    """The kernels of a graph whose shapes are inferred (`walk.infer_shapes`) and fixed.

    A node counts as uncounted where the shape of what it reads or writes is open, where it is of an operator
    whose products cannot be counted, or where it holds a branch or loop.
    """
    reader = _Reader(graph, fixed_shapes(graph))
    return Kernels(
        tuple(reader.kernels()),
        dict(reader.uncounted),
        max(reader.depth.values(), default=0),
        reader.resizable,
    )


class _Channels(TypedDict, total=False):
    kind: Kind
    in_channels: int
    out_channels: int
    taps: int


class _Reader:
    """One walk over the nodes of a graph, in their order. A tensor is live when it follows from the input."""

    def __init__(self, graph: "GraphProto", shapes: Shapes) -> None:
        self.shapes = shapes
        self.live = {value.name for value in true_inputs(graph)}
        self.alias: dict[str, str] = {}  # of views: the tensor that holds the elements
        self.root: dict[str, str] = {}  # of element-wise outputs: the tensor that they follow from alone
        self.depth: dict[str, int] = {}
        self.regions: dict[str, _Region] = {}  # by root
        self.made: dict[str, Kernel] = {}  # by output
        self.order: dict[str, None] = {}  # of both
        self.readers: dict[str, set[str]] = {}  # roots of the regions that read a tensor; empty for others
        self.uncounted: Counter[str] = Counter()
        self.norms = _reductions_of_norms(graph)
        self.resizable = True
        for node in graph.node:
            self._take(node)
        for value in graph.output:
            self.readers.setdefault(self._name(value.name), set()).add("")

    def kernels(self) -> Iterator[Kernel]:
        """Each with its region; a region that is not fused stands at its first node."""
        for name in self.order:
            kernel, region = self.made.get(name), self.regions.get(name)
            if kernel is not None and region is not None and self._fuses(name, kernel, region):
                yield self._with(kernel, name, region)
                continue
            if kernel is not None:
                yield kernel
            if region is not None:
                reads = math.prod(self.shapes.get(name, ()))
                yield self._with(Kernel(Kind.ACTIVATION, (), (), input_elements=reads), name, region)

    def _fuses(self, name: str, kernel: Kernel, region: _Region) -> bool:
        """Nothing but the region reads what the kernel would write."""
        return kernel.kind in _FUSING and not region.norm and self.readers.get(name) == {name}

    def _with(self, kernel: Kernel, name: str, region: _Region) -> Kernel:
        outer = [one for one in region.outputs if self.readers.get(one, set()) - {name}]
        return replace(
            kernel,
            kind=Kind.NORM if region.norm else kernel.kind,
            operators=(*kernel.operators, *region.operators),
            output=self.shapes[outer[-1]] if outer else kernel.output,
            output_elements=sum(math.prod(self.shapes[one]) for one in outer),
            activation=region.activation(),
        )

    def _name(self, tensor: str) -> str:
        return self.alias.get(tensor, tensor)

    def _take(self, node: "NodeProto") -> None:
        operator = operator_name(node)
        reads = tuple(self._name(name) for name in node.input if name in self.live)
        if not reads or operator in _SHAPES_ONLY:
            return
        written = [name for name in node.output if name]
        self.live.update(written)
        if operator in _VIEWS:
            self.alias[written[0]] = reads[0]
            return
        unknown = any(name not in self.shapes for name in (*written[:1], *reads))
        root = "" if unknown else self._joined(node, operator, reads)
        for name in reads:
            self.readers.setdefault(name, set()).add(root)
        depth = max(self.depth.get(name, 0) for name in reads)
        kernel = None if root or unknown else self._kernel(node, operator, reads, written)
        self.depth.update(dict.fromkeys(written, depth + (kernel is not None and kernel.kind in PRODUCTS)))
        if kernel is not None:
            self.made[written[0]] = kernel
            self.order[written[0]] = None
        elif not root:
            self.uncounted[operator] += 1

    def _joined(self, node: "NodeProto", operator: str, reads: Sequence[str]) -> str:
        """The root of the region that the node is taken into; empty where it is none's."""
        output = node.output[0]
        roots = {self.root.get(name, name) for name in reads}
        if len(roots) > 1 or (operator not in _ACTIVATIONS and output not in self.norms):
            return ""
        root = next(iter(roots))
        region = self.regions.setdefault(root, _Region())
        region.operators.append(operator)
        region.outputs.append(output)
        region.meets |= len(set(reads)) > 1
        region.norm |= output in self.norms
        self.root[output] = root
        self.order[root] = None
        return root

    def _kernel(
        self, node: "NodeProto", operator: str, reads: Sequence[str], written: Sequence[str]
    ) -> Kernel | None:
        macs = macs_of_nodes([node], self.shapes)
        if macs is None:
            return None
        kind = _kind(node, operator, len(reads))
        kernel = Kernel(
            kind=kind,
            operators=(operator,),
            output=self.shapes[written[0]],
            macs=macs,
            input_elements=sum(math.prod(self.shapes[name]) for name in dict.fromkeys(reads)),
            output_elements=sum(math.prod(self.shapes.get(name, ())) for name in node.output if name),
        )
        if kind not in PRODUCTS:
            return kernel
        self._see_size(kind, kernel, self.shapes[reads[0]])
        constants = [self.shapes.get(name, ()) for name in node.input if name and name not in self.live]
        shapes = [self.shapes.get(name, ()) for name in node.input]
        return replace(kernel, weights=sum(map(math.prod, constants)), **_channels(kernel, node, shapes))

    def _see_size(self, kind: Kind, kernel: Kernel, source: Shape) -> None:
        """A product with a weight may take one row alone, and that of pooled features."""
        if kind in (Kind.ATTENTION, Kind.RECURRENT):
            self.resizable = False
        elif kind is Kind.LINEAR:
            rows = math.prod(kernel.output[:-1])
            self.resizable &= kernel.output[:1] == (rows,) and math.prod(source[2:]) == 1


def _kind(node: "NodeProto", operator: str, operands: int) -> Kind:
    if operator in _CONVOLUTIONS:
        return Kind.DENSE
    if operator == "ConvTranspose":
        return Kind.TRANSPOSED
    if operator in ("RNN", "GRU", "LSTM"):
        return Kind.RECURRENT
    if multiplies(operator) and not (operator == "Einsum" and len(node.input) == 1):
        own = operator.rpartition(".")[2] in ("Attention", "QAttention")
        return Kind.ATTENTION if operands > 1 or own else Kind.LINEAR
    return _KINDS.get(operator, Kind.ELEMENTWISE if operator in _ACTIVATIONS else Kind.OTHER)


def _channels(kernel: Kernel, node: "NodeProto", shapes: Sequence[Shape]) -> "_Channels":
    """Of a product, by the shapes of its inputs; weights as `graph.macs` has them."""
    if kernel.kind is Kind.DENSE:
        weight = shapes[3 if "QLinearConv" in node.op_type else 1]
        taps, per_group, out = math.prod(weight[2:]), weight[1], weight[0]
        if attribute_of(node, "group", 1) > 1:
            kind = Kind.DEPTHWISE if per_group == 1 else Kind.GROUPED
        else:
            kind = Kind.DENSE if taps > 1 else Kind.POINTWISE
        return {"kind": kind, "in_channels": per_group, "out_channels": out, "taps": taps}
    if kernel.kind is Kind.TRANSPOSED:
        weight, groups = shapes[1], attribute_of(node, "group", 1)
        inner, out = weight[0] // groups, weight[1] * groups
        return {"in_channels": inner, "out_channels": out, "taps": math.prod(weight[2:])}
    inner = kernel.macs // max(1, math.prod(kernel.output))
    return {"in_channels": inner, "out_channels": kernel.output[-1] if kernel.output else 1}


def _reductions_of_norms(graph: "GraphProto") -> frozenset[str]:
    """Outputs of reductions that a norm written as single operators is made of.

    A mean that is taken from what it is the mean of, and the mean or sum of squares.
    """
    makers = {name: node for node in graph.node for name in node.output}
    differences = {tuple(node.input) for node in graph.node if node.op_type == "Sub"}
    found = set()
    for node in graph.node:
        if node.op_type not in ("ReduceMean", "ReduceSum"):
            continue
        source, output = node.input[0], node.output[0]
        maker = makers.get(source)
        squared = maker is not None and (
            maker.op_type == "Pow" or (maker.op_type == "Mul" and len(set(maker.input)) == 1)
        )
        if squared or (source, output) in differences:
            found.add(output)
    return frozenset(found)
