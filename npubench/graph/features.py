"""What a network costs, by its graph alone: sums over the kernels that a compiler makes of it.

Counts are of one inference: multiply-accumulates (`graph.macs`) and elements, for a type's width to multiply.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from npubench.domain.records import Failure
from npubench.domain.specs import Shape
from npubench.graph.kernels import PRODUCTS, Activation, Kernel, Kind, kernels_of
from npubench.graph.walk import all_nodes, operator_name, static_shape, true_inputs

if TYPE_CHECKING:
    from onnx import ModelProto

NARROW = 16
LESS_NARROW = 32
"""Channels, of input or output, below which the lanes of an NPU idle."""

WIDE = 512
"""Input channels from which on the weights of a 1 x 1 convolution take longer than its products."""


@dataclass(frozen=True, slots=True)
class GraphFeatures:
    """Features of one network at one input; every count but those of `SCALED` stays at another input size."""

    name: str = ""
    origin: str = ""  # where the graph is from
    shape: Shape = ()  # of the first input
    resizable: bool = False  # all work but that of pooled features grows with the pixels of the input
    scaled_from: Shape = ()  # the input that was counted, where these are scaled
    input_elements: int = 0
    output_elements: int = 0
    macs: int = 0
    parameters: int = 0
    kernels: int = 0
    products: int = 0  # kernels that multiply
    depth: int = 0  # most products behind one another
    # MACs by the kind of kernel
    macs_dense: int = 0
    macs_pointwise: int = 0
    macs_depthwise: int = 0
    macs_grouped: int = 0
    macs_transposed: int = 0
    macs_linear: int = 0
    macs_attention: int = 0
    macs_recurrent: int = 0
    # MACs of dense and 1 x 1 convolutions where the smaller of input and output channels is
    macs_under_16: int = 0
    macs_under_32: int = 0
    macs_pointwise_wide: int = 0  # 1 x 1 of at least 512 input channels
    # MACs of kernels with fewer MACs for each element that they read and write
    macs_intensity_under_16: int = 0
    macs_intensity_under_64: int = 0
    # Weights that kernels read; one that two kernels share counts at both
    weights_dense: int = 0
    weights_pointwise: int = 0
    weights_depthwise: int = 0
    weights_grouped: int = 0
    weights_transposed: int = 0
    weights_linear: int = 0
    weights_recurrent: int = 0
    # Activations
    activation_elements: int = 0  # that kernels write
    moved_elements: int = 0  # that kernels read and write
    largest_elements: int = 0  # that one kernel writes
    elements_products: int = 0  # that products write
    elements_depthwise: int = 0  # those of depthwise convolutions alone
    elements_elementwise: int = 0
    elements_alone: int = 0  # activations that no kernel takes in
    elements_norm: int = 0
    elements_softmax: int = 0
    elements_resize: int = 0
    elements_pool: int = 0  # that pooling reads
    elements_reduce: int = 0  # that reductions read
    elements_move: int = 0
    elements_other: int = 0
    # Elements that go through an activation, taken in or alone
    through_relu: int = 0
    through_silu: int = 0
    through_hardswish: int = 0
    through_gelu: int = 0
    through_sigmoid: int = 0
    through_curved: int = 0
    operators: Mapping[str, int] = field(default_factory=dict, hash=False)  # nodes by operator
    uncounted: Mapping[str, int] = field(default_factory=dict, hash=False)  # whose work is not in the sums

    @property
    def pixels(self) -> int:
        """Of the first input; 0 for one that is no picture, N x C x H x W."""
        return math.prod(self.shape[2:]) if len(self.shape) == 4 else 0

    def at(self, height: int, width: int) -> "GraphFeatures | None":
        """The same network at another input, scaled by pixels; None where that does not hold.

        Products of pooled features are scaled with the rest where they are convolutions: well below one
        percent. Weights and the number of kernels stay.
        """
        if (height, width) == self.shape[2:]:
            return self
        if not self.resizable or not self.pixels or height <= 0 or width <= 0:
            return None
        ratio = height * width / self.pixels
        changes = {name: round(getattr(self, name) * ratio) for name in SCALED}
        macs = sum(changes.get(name, getattr(self, name)) for name in MACS_BY_KIND)
        shape = (*self.shape[:2], height, width)
        return replace(self, **changes, macs=macs, shape=shape, scaled_from=self.shape)


MACS_BY_KIND = (
    *("macs_dense", "macs_pointwise", "macs_depthwise", "macs_grouped"),
    *("macs_transposed", "macs_linear", "macs_attention", "macs_recurrent"),
)
SCALED = (
    *("input_elements", "output_elements", "activation_elements", "moved_elements", "largest_elements"),
    *("macs_dense", "macs_pointwise", "macs_depthwise", "macs_grouped", "macs_transposed"),
    *("macs_under_16", "macs_under_32", "macs_pointwise_wide"),
    *("macs_intensity_under_16", "macs_intensity_under_64"),
    *("elements_products", "elements_depthwise", "elements_elementwise", "elements_alone", "elements_norm"),
    *("elements_softmax", "elements_resize", "elements_pool", "elements_reduce", "elements_move"),
    *("elements_other", "through_relu", "through_silu", "through_hardswish", "through_gelu"),
    *("through_sigmoid", "through_curved"),
)
"""Features that grow with the pixels of the input of a network that is convolutions throughout."""


def features_of(model: "ModelProto", name: str = "", origin: str = "") -> GraphFeatures:
    """Features of any ONNX model; data of large tensors is not read and may be missing.

    What cannot be counted, because a shape is open or an operator foreign, is told in `uncounted`.
    """
    from npubench.graph.read import parameter_count, prepared

    copy = type(model)()
    copy.CopyFrom(model)
    found = prepared(copy)
    inferred = copy if isinstance(found, Failure) else found
    graph = inferred.graph
    whole = kernels_of(graph)
    inputs = [static_shape(value) for value in true_inputs(graph)]
    known: list[Shape] = [tuple(dim or 1 for dim in shape) for shape in inputs]
    features = GraphFeatures(
        name=name,
        origin=origin,
        shape=known[0] if known else (),
        resizable=whole.resizable and not whole.uncounted and len(known) == 1,
        input_elements=sum(map(math.prod, known)),
        output_elements=sum(math.prod(dim or 1 for dim in static_shape(one)) for one in graph.output),
        parameters=parameter_count(copy, inferred),
        depth=whole.depth,
        operators=MappingProxyType(dict(Counter(map(operator_name, all_nodes(graph))).most_common())),
        uncounted=MappingProxyType(dict(whole.uncounted)),
    )
    return replace(features, **_sums(whole.kernels))


def features_of_file(path: Path, name: str = "") -> GraphFeatures | Failure:
    """Features of the model in a file; why it cannot be used."""
    from npubench.graph.read import read

    source = read(path)
    return source if isinstance(source, Failure) else features_of(source.model, name or path.stem)


def _sums(kernels: Iterable[Kernel]) -> dict[str, Any]:
    sums: Counter[str] = Counter()
    for kernel in kernels:
        sums["kernels"] += 1
        sums["activation_elements"] += kernel.output_elements
        sums["moved_elements"] += kernel.input_elements + kernel.output_elements
        sums["largest_elements"] = max(sums["largest_elements"], kernel.output_elements)
        if kernel.activation not in (Activation.NONE, Activation.AFFINE) and kernel.kind is not Kind.NORM:
            sums[f"through_{kernel.activation}"] += kernel.output_elements
        sums.update(_of_product(kernel) if kernel.kind in PRODUCTS else _of_other(kernel))
    return {name: count for name, count in sums.items() if count}


def _of_product(kernel: Kernel) -> Counter[str]:
    sums = Counter(
        {
            "products": 1,
            "macs": kernel.macs,
            f"macs_{kernel.kind}": kernel.macs,
            "elements_products": kernel.output_elements,
        }
    )
    if kernel.kind is not Kind.ATTENTION:
        sums[f"weights_{kernel.kind}"] = kernel.weights
    if kernel.kind is Kind.DEPTHWISE:
        sums["elements_depthwise"] = kernel.output_elements
    if kernel.kind in (Kind.DENSE, Kind.POINTWISE):
        narrowest = min(kernel.in_channels, kernel.out_channels)
        sums["macs_under_16"] = kernel.macs * (narrowest < NARROW)
        sums["macs_under_32"] = kernel.macs * (narrowest < LESS_NARROW)
    if kernel.kind is Kind.POINTWISE:
        sums["macs_pointwise_wide"] = kernel.macs * (kernel.in_channels >= WIDE)
    moved = kernel.input_elements + kernel.output_elements + kernel.weights
    sums["macs_intensity_under_16"] = kernel.macs * (kernel.macs < 16 * moved)
    sums["macs_intensity_under_64"] = kernel.macs * (kernel.macs < 64 * moved)
    return sums


def _of_other(kernel: Kernel) -> Counter[str]:
    name = "elements_alone" if kernel.kind is Kind.ACTIVATION else f"elements_{kernel.kind}"
    reads = kernel.kind in (Kind.POOL, Kind.REDUCE)  # their work goes with what they read
    return Counter({name: kernel.input_elements if reads else kernel.output_elements})
