"""RKNN-Toolkit2's layers as a table of `domain.layers`: of the verbose log of a build, in cycles."""

from collections.abc import Sequence

from npubench.backends.rknn.placement import ENDS, Layer, operators_of
from npubench.domain import layers as domain
from npubench.domain.kinds import Kind
from npubench.domain.layers import BytesOf, Join, LayerTable
from npubench.domain.records import OnnxModel


def table_of(layers: Sequence[Layer], model: OnnxModel, clock_mhz: float | None) -> LayerTable:
    """The verbose log's layers; times are cycles over the declared clock, None without one."""
    cycles = sum(layer.cycles[2] for layer in layers if layer.cycles) or None
    head = LayerTable(
        *(Kind.SIMULATED, domain.RKNN),
        total_us=cycles / clock_mhz if cycles and clock_mhz else None,
        total_cycles=cycles,
        clock_mhz=clock_mhz if cycles else None,
        bytes_of=BytesOf.TRAFFIC,
    )
    return head.holding([_layer(layer, model, clock_mhz) for layer in layers])


def _layer(layer: Layer, model: OnnxModel, clock_mhz: float | None) -> domain.Layer:
    memory, compute, total = layer.cycles or (None, None, None)
    return domain.Layer(
        *(layer.full_name, layer.op_type, operators_of(layer, model.operators)),
        join=Join.END if layer.op_type in ENDS else Join.UNKNOWN,
        unit=layer.target,
        time_us=total / clock_mhz if total is not None and clock_mhz else None,
        cycles=total,
        compute_cycles=compute,
        memory_cycles=memory,
        bytes=layer.rw_bytes,
        dtype=layer.data_type,
    )
