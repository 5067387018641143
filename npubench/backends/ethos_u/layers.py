"""Vela's layers as a table of `domain.layers`."""

from collections.abc import Sequence

from npubench.backends.ethos_u.vela import Layer, Summary
from npubench.domain import layers as domain
from npubench.domain.kinds import Kind
from npubench.domain.layers import NPU, LayerTable
from npubench.domain.records import OnnxModel

UNNAMED = "None"
"""Original operator of rows that Vela made itself."""

ONNX_NAMES = {
    "Conv2D": ("Conv",),
    "DepthwiseConv2D": ("Conv", "GlobalAveragePool"),
    "Conv2DBackpropInput": ("ConvTranspose",),
    "TransposeConv": ("ConvTranspose",),
    "FullyConnected": ("Gemm", "MatMul"),
    "BatchMatMul": ("MatMul",),
    "AvgPool": ("AveragePool", "GlobalAveragePool"),
    "Mean": ("GlobalAveragePool", "ReduceMean"),
    "Minimum": ("Min",),
    "Maximum": ("Max",),
    "ReduceMax": ("ReduceMax", "GlobalMaxPool"),
    "StridedSlice": ("Slice",),
    "Pack": ("Concat",),
    "Reshape": ("Reshape", "Flatten", "Squeeze", "Unsqueeze"),
    "ResizeBilinear": ("Resize",),
    "ResizeNearestNeighbor": ("Resize",),
    "Logistic": ("Sigmoid",),
    "TopKV2": ("TopK",),
}
"""What Vela calls a LiteRT operator, and of which ONNX operators it is made; others keep their names."""


def operators_of(layer: Layer, model: OnnxModel) -> tuple[str, ...]:
    """The model's operator types that a row stands for, by LiteRT's name for them."""
    return tuple(one for one in ONNX_NAMES.get(layer.original, (layer.original,)) if one in model.operators)


def table_of(layers: Sequence[Layer], summary: Summary | None, model: OnnxModel) -> LayerTable:
    """Vela's rows at its own clock; what it leaves to the CPU has no time."""
    clock_mhz = summary.core_clock_mhz if summary else None
    head = LayerTable(
        *(Kind.SIMULATED, domain.VELA),
        total_us=summary.inference_us if summary else None,
        total_cycles=summary.cycles_total if summary else None,
        clock_mhz=clock_mhz,
    )
    return head.holding([_layer(layer, clock_mhz, model) for layer in layers])


def _layer(layer: Layer, clock_mhz: float | None, model: OnnxModel) -> domain.Layer:
    cycles = layer.cycles if layer.target == NPU else None
    return domain.Layer(
        layer.name,
        "" if layer.original == UNNAMED else layer.original,
        operators_of(layer, model),
        unit=layer.target,
        time_us=cycles / clock_mhz if cycles is not None and clock_mhz else None,
        cycles=cycles,
        macs=layer.macs if layer.target == NPU else None,
    )
