"""A graph as the kernels that a runtime launches: what is fused is one, what only renames a tensor is none.

A convolution, product or normalisation takes the activation behind it, and the sum with a residual, where
nothing else reads what is between. Sizes are elements, not bytes: the precision is the calibration's.
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
from npubench.graph.walk import attribute_of, fixed_shapes, operator_name, subgraphs, typed_values

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto

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
        *("ConstantOfShape", "Cast", "QuantizeLinear", "DequantizeLinear"),
    }
)
"""They rename a tensor, or stand for a number format: no work of the network's own."""

ACTIVATIONS = frozenset(
    {"Relu", "Clip", "LeakyRelu", "PRelu", "Sigmoid", "HardSigmoid", "HardSwish", "Tanh", "Elu"}
)
TAKING = frozenset({"BatchNormalization", "Add", *CONVOLUTIONS, "ConvTranspose", PRODUCT})
"""Kernels that take what stands behind them."""

_CONVOLUTION_TYPES = frozenset({"Conv", "FusedConv", "NhwcFusedConv"})
_PRODUCT_TYPES = frozenset({"Gemm", "MatMul", "FusedGemm", "FusedMatMul"})


def kernels_of(model: "ModelProto") -> tuple[Kernel, ...]:
    """The kernels of a model whose shapes are inferred, in its order.

    Raises UsageError where a shape is not fixed, where the data decide how often a node runs, and where an
    operator hides products whose number is not known.
    """
    return _Walk(model.graph).kernels()


def counted(kernels: Sequence[Kernel]) -> Mapping[Kernel, int]:
    """How often each different kernel occurs, in the order of the first."""
    return Counter(kernels)


class _Walk:
    def __init__(self, graph: "GraphProto") -> None:
        self.nodes = list(graph.node)
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
        if node.op_type in FREE or all(name in self.constants for name in node.input if name):
            if outputs and node.input and node.input[0] in self.open and self.readers[node.input[0]] == 1:
                self.open[outputs[0]] = self.open[node.input[0]]
            if node.input and node.input[0] in self.constants:
                self.constants.update(outputs)
            return True
        return bool(outputs) and all(name in self.integers for name in outputs)

    def _is_taken(self, node: "NodeProto") -> bool:
        """Whether a kernel before takes it: an activation, a gate of its own output, or a residual's sum."""
        output = node.output[0]
        computed = [name for name in node.input if name and name not in self.constants]
        places = [self.open[name] for name in computed if name in self.open]
        if node.op_type in ACTIVATIONS and len(computed) == 1 and places:
            # x * sigmoid(x): both read x, and nothing else does.
            gated = node.op_type in {"Sigmoid", "HardSigmoid"} and self.readers[computed[0]] == 2
            if self.readers[computed[0]] == 1 or gated:
                return self._take(places[0], node.op_type, output)
        if node.op_type == "BatchNormalization" and places and self.readers[computed[0]] == 1:
            # At run time it is part of the weights, if nothing stands between.
            return self._is_convolution(places[0]) and self._take(places[0], node.op_type, output)
        if node.op_type == "Add" and places and len(computed) == 1 and self.readers[computed[0]] == 1:
            # The bias of a product or convolution.
            return not self.found[places[0]].fused and self._take(places[0], node.op_type, output)
        if node.op_type == "Mul" and len(set(places)) == 1 and len(places) == len(computed) == 2:
            return self._take(places[0], node.op_type, output)
        return False

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
            raise UsageError(f"the products of {_named(node)} cannot be counted: it cannot be predicted")
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
        name = operator_name(node)
        if node.op_type in _CONVOLUTION_TYPES:
            return _kind_of_convolution(
                self._shape(node, node.input[0]), self._shape(node, node.input[1]), node
            )
        if node.op_type in _PRODUCT_TYPES:
            return PRODUCT if node.input[1] in self.constants else COMPUTED_PRODUCT
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
        source, weight = self._shape(node, node.input[0]), self._shape(node, node.input[1])
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
