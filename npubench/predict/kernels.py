"""A graph as the kernels that a machine launches: what is fused is one, what only renames a tensor is none.

What fuses with what a `Fusion` says: a compiler's, which is taken to join a convolution, product or
normalisation with the activation behind it where nothing else reads what is between; or a runtime's, whose
graph is its own optimised one already. Sizes are elements, not bytes: the precision is the calibration's.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from npubench.domain.errors import UsageError
from npubench.domain.specs import NO_IDENTITY, Shape
from npubench.domain.text import printable
from npubench.graph.macs import macs_of_nodes, multiplies
from npubench.graph.walk import (
    attribute_of,
    fixed_shapes,
    infer_shapes,
    operator_name,
    subgraphs,
    typed_values,
)

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto


class UncountedError(UsageError):
    """An operator whose work does not follow from the graph: it is refused, whatever else was measured."""


DENSE, POINTWISE, GROUPED, DEPTHWISE = "Conv kxk", "Conv 1x1", "Conv grouped", "Conv depthwise"
PRODUCT, COMPUTED_PRODUCT = "MatMul", "MatMul of activations"
GATE, GATE_BEFORE_SUM = "Mul by a gate", "Mul by a gate before a sum"
"""A product with one number a channel, as squeeze-and-excitation has it, and such a one that an Add reads."""

CONVOLUTIONS = frozenset({DENSE, POINTWISE, GROUPED, DEPTHWISE})


@dataclass(frozen=True, slots=True)
class Kernel:
    """What one launch does; elements are those of the tensors, whatever a cache makes of them."""

    operator: str  # ONNX's name, convolutions and products told apart by their kind
    macs: int  # multiply-accumulates
    read: int  # elements of activations that come in, a residual's too
    weights: int  # elements of constants that come in
    written: int  # elements that go out
    taps: int = 1  # elements of one window
    groups: int = 1  # of a convolution
    channels_in: int = 0  # of a convolution: of all groups; 0 where there are none
    channels_out: int = 0  # of a convolution, else axis 1 of what goes out
    dilation: int = 1  # the greatest of a convolution
    # Operators that became part of it, in their order: told, but no reason for another price.
    fused: tuple[str, ...] = field(default=(), compare=False, metadata=NO_IDENTITY)

    @property
    def key(self) -> tuple[str | int, ...]:
        """What two kernels differ in, to sort them by."""
        sizes = self.macs, self.read, self.weights, self.written, self.taps, self.groups
        return (self.operator, *sizes, self.channels_in, self.channels_out, self.dilation)

    @property
    def pixels(self) -> int:
        """Places that each output channel has, of all samples."""
        return self.written // self.channels_out if self.channels_out else self.written

    @property
    def activations(self) -> int:
        """Elements that go in and out, weights left out."""
        return self.read + self.written


FREE = frozenset(
    {
        *("Constant", "Identity", "Dropout", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Shape", "Size"),
        *("ConstantOfShape", "Cast"),
    }
)
"""They rename a tensor: no work."""

CONVERSIONS = frozenset({"QuantizeLinear", "DequantizeLinear"})
"""Work where a runtime does them, and a way to write down a number format where a compiler reads them."""

QUANTISED = "QLinear"
"""Begins the name of a product or convolution of whole numbers."""

ACTIVATIONS = frozenset(
    {"Relu", "Clip", "LeakyRelu", "PRelu", "Sigmoid", "HardSigmoid", "HardSwish", "Tanh", "Elu"}
)
TAKING = frozenset({"BatchNormalization", "Add", *CONVOLUTIONS, "ConvTranspose", PRODUCT})
"""Kernels that take what stands behind them."""

_GATES = frozenset({"Sigmoid", "HardSigmoid"})
_CONVOLUTION_TYPES = frozenset({"Conv", "FusedConv", "NhwcFusedConv", "QLinearConv"})
_PRODUCT_TYPES = frozenset({"Gemm", "MatMul", "FusedGemm", "FusedMatMul", "QLinearMatMul", "QGemm"})
_WHOLE_NUMBERS = frozenset({"QLinearConv", "QLinearMatMul", "QGemm"})
"""They take a scale and a zero point behind each of their two factors."""


@dataclass(frozen=True, slots=True)
class Fusion:
    """What becomes part of the kernel before it."""

    activations: frozenset[str]  # functions of one tensor, by their operators
    gates: bool  # x * sigmoid(x) behind what gives x
    sums: bool  # a residual's Add behind a convolution
    conversions: bool  # changes of the number format, as if they were nothing


COMPILER = Fusion(ACTIVATIONS, gates=True, sums=False, conversions=True)
RUNTIME = Fusion(frozenset({"Relu", "Clip"}), gates=False, sums=True, conversions=False)
"""ONNX Runtime's optimised graph, which shows what else it fused; sums go with its convolutions' layout."""


def kernels_of(model: "ModelProto", fusion: Fusion = COMPILER) -> tuple[Kernel, ...]:
    """The kernels of a model whose shapes are inferred, in its order.

    Raises UsageError where a shape is not fixed, where the data decide how often a node runs, and where an
    operator hides products whose number is not known.
    """
    return _Walk(model.graph, fusion).kernels()


def optimised_kernels(optimised: "ModelProto", source: "ModelProto") -> tuple[Kernel, ...]:
    """The kernels of the graph that a runtime made of `source`, whose tensors keep their names.

    A runtime's own operators tell no shapes: what they give has them from `source`. Raises like `kernels_of`.
    """
    known = infer_shapes(source).graph
    typed = {value.name for value in typed_values(optimised.graph)}
    given = {name for node in optimised.graph.node for name in node.output} - typed
    optimised.graph.value_info.extend(one for one in typed_values(known) if one.name in given)
    return kernels_of(infer_shapes(optimised), RUNTIME)


def counted(kernels: Sequence[Kernel]) -> Mapping[Kernel, int]:
    """How often each different kernel occurs, in the order of the first."""
    return Counter(kernels)


class _Walk:
    def __init__(self, graph: "GraphProto", fusion: Fusion) -> None:
        self.nodes = list(graph.node)
        self.fusion = fusion
        self.shapes = fixed_shapes(graph)
        self.integers = _integer_tensors(graph)
        self.constants = {tensor.name for tensor in graph.initializer}
        self.constants |= {node.output[0] for node in graph.node if node.op_type == "Constant"}
        self.readers: Counter[str] = Counter(name for node in graph.node for name in node.input if name)
        self.readers.update(value.name for value in graph.output)
        self.summed = {name for node in graph.node if node.op_type == "Add" for name in node.input}
        self.found: list[Kernel] = []
        self.open: dict[str, int] = {}  # tensor -> place of the kernel that may take its reader

    def kernels(self) -> tuple[Kernel, ...]:
        for node in self.nodes:
            if self._is_free(node) or self._is_taken(node):
                continue
            kernel = self._kernel(node)
            if kernel.operator in TAKING:
                self.open[node.output[0]] = len(self.found)
            self.found.append(kernel)
        return tuple(self.found)

    def _is_free(self, node: "NodeProto") -> bool:
        """Views, and whole numbers that are shapes and indices; a view's reader may still be taken."""
        outputs = [name for name in node.output if name]
        free = node.op_type in FREE or (self.fusion.conversions and node.op_type in CONVERSIONS)
        if free or all(name in self.constants for name in node.input if name):
            if outputs and node.input and node.input[0] in self.open and self.readers[node.input[0]] == 1:
                self.open[outputs[0]] = self.open[node.input[0]]
            if node.input and node.input[0] in self.constants:
                self.constants.update(outputs)
            return True
        return bool(outputs) and all(name in self.integers for name in outputs)

    def _is_taken(self, node: "NodeProto") -> bool:
        """Whether the kernel that gives its input takes it."""
        computed = [name for name in node.input if name and name not in self.constants]
        given = [self.open[name] for name in computed if name in self.open]
        alone = [self.open[name] for name in computed if name in self.open and self.readers[name] == 1]
        if not given:
            return False
        place = self._taker(node.op_type, computed, given, alone)
        return place is not None and self._take(place, node.op_type, node.output[0])

    def _taker(
        self, operator: str, computed: Sequence[str], given: Sequence[int], alone: Sequence[int]
    ) -> int | None:
        """The place of the kernel that takes an operator: `given` give its inputs, `alone` to nobody else."""
        fusion = self.fusion
        if len(computed) == 1:
            # x * sigmoid(x): both read x, and nothing else does.
            gated = fusion.gates and operator in _GATES and self.readers[computed[0]] == 2
            if operator in fusion.activations and (alone or gated):
                return given[0]
            # A constant factor and shift, or a bias: part of the weights where nothing stands between.
            folded = operator == "BatchNormalization" and self._is_convolution(given[0])
            folded = folded or (operator == "Add" and not self.found[given[0]].fused)
            return given[0] if alone and folded else None
        if operator == "Mul" and fusion.gates and len(computed) == len(given) == 2 and given[0] == given[1]:
            return given[0]
        if operator == "Add" and fusion.sums:
            return next((place for place in reversed(alone) if self._is_convolution(place)), None)
        return None

    def _is_convolution(self, place: int) -> bool:
        kernel = self.found[place]
        return not kernel.fused and (kernel.operator in CONVOLUTIONS or kernel.operator == "ConvTranspose")

    def _take(self, place: int, operator: str, output: str) -> bool:
        kernel = self.found[place]
        self.found[place] = replace(kernel, fused=(*kernel.fused, operator))
        self.open[output] = place
        return True

    def _kernel(self, node: "NodeProto") -> Kernel:
        if list(subgraphs(node)):
            raise UsageError(
                f"{_named(node)} runs a graph of its own as often as the data decide: cut it off"
            )
        shape = self._shape(node, node.output[0])
        activations = [name for name in node.input if name and name not in self.constants]
        macs = macs_of_nodes([node], self.shapes)
        if macs is None:
            raise UncountedError(f"how many products {_named(node)} does cannot be told")
        kernel = Kernel(
            operator=self._operator(node),
            macs=macs,
            read=sum(math.prod(self._shape(node, name)) for name in activations),
            weights=sum(
                math.prod(self.shapes.get(name, ())) for name in node.input if name in self.constants
            ),
            written=sum(math.prod(self.shapes[name]) for name in node.output if name in self.shapes),
            taps=math.prod(attribute_of(node, "kernel_shape", ())),
            channels_out=shape[1] if len(shape) > 1 else 0,
        )
        is_convolution = node.op_type in _CONVOLUTION_TYPES or node.op_type == "ConvTranspose"
        return self._with_window(kernel, node) if is_convolution else kernel

    def _operator(self, node: "NodeProto") -> str:
        name, quantised = operator_name(node), QUANTISED if node.op_type in _WHOLE_NUMBERS else ""
        if node.op_type in _CONVOLUTION_TYPES:
            kind = _kind_of_convolution(
                self._shape(node, node.input[0]), self._shape(node, _weight_of(node)), node
            )
            return quantised + kind
        if node.op_type in _PRODUCT_TYPES:
            return quantised + (PRODUCT if _weight_of(node) in self.constants else COMPUTED_PRODUCT)
        if node.op_type == "Resize":
            return (
                f"Resize {printable(attribute_of(node, 'mode', b'nearest').decode('utf-8', 'replace'), 20)}"
            )
        if node.op_type == "Mul" and self._is_gate(node):
            return GATE_BEFORE_SUM if node.output[0] in self.summed else GATE
        return name.removeprefix("com.microsoft.") if not multiplies(name) else name

    def _is_gate(self, node: "NodeProto") -> bool:
        """Whether one factor is computed and has one number a channel, the other a picture."""
        if any(name in self.constants for name in node.input):
            return False
        small, large = sorted((self._shape(node, name) for name in node.input), key=math.prod)
        return len(small) == len(large) > 2 and math.prod(small[2:]) == 1 < math.prod(large[2:])

    def _with_window(self, kernel: Kernel, node: "NodeProto") -> Kernel:
        source, weight = self._shape(node, node.input[0]), self._shape(node, _weight_of(node))
        return replace(
            kernel,
            taps=math.prod(weight[2:]),
            groups=int(attribute_of(node, "group", 1)),
            channels_in=source[1],
            dilation=max(attribute_of(node, "dilations", (1,))),
        )

    def _shape(self, node: "NodeProto", name: str) -> Shape:
        try:
            return self.shapes[name]
        except KeyError:
            told = f"the size of '{printable(name, 60)}' at {_named(node)} does not follow from the graph"
            raise UsageError(f"{told}: export it with fixed shapes") from None


def _weight_of(node: "NodeProto") -> str:
    return str(node.input[3 if node.op_type in _WHOLE_NUMBERS else 1])


def _kind_of_convolution(source: Shape, weight: Shape, node: "NodeProto") -> str:
    groups = int(attribute_of(node, "group", 1))
    if groups == 1:
        return POINTWISE if math.prod(weight[2:]) == 1 else DENSE
    return DEPTHWISE if groups == source[1] else GROUPED


def _integer_tensors(graph: "GraphProto") -> frozenset[str]:
    """Tensors of 32 and 64-bit whole numbers and of truth values: shapes, indices and masks."""
    from onnx import TensorProto

    whole = {TensorProto.INT64, TensorProto.INT32, TensorProto.BOOL}
    return frozenset(value.name for value in typed_values(graph) if value.type.tensor_type.elem_type in whole)


def _named(node: "NodeProto") -> str:
    name = f" '{printable(node.name, 60)}'" if node.name else ""
    return f"{printable(operator_name(node), 60)}{name}"
