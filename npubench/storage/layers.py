"""Layers as rows of earlier versions had them, among their details: read from there, and told there still."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from npubench.domain.figures import Figures
from npubench.domain.layers import (
    NPU,
    RKNN,
    VELA,
    BytesOf,
    Join,
    Layer,
    LayerTable,
)

_ENDS = frozenset({"InputOperator", "OutputOperator"})
UNNAMED = "None"
"""Vela's type of rows that it made itself."""

_WANTED = {"name": str, "type": str, "target": str}


def old_form(table: LayerTable) -> list[dict[str, Any]] | None:
    """The layers as details had them; None of a tool whose layers were not in them."""
    if table.tool == RKNN:
        return [
            {
                **{"name": one.name, "type": one.tool_type, "precision": one.dtype, "target": one.unit},
                **{"cycles_total": one.cycles, "rw_bytes": one.bytes},
            }
            for one in table.layers
        ]
    if table.tool == VELA:
        return [
            {
                **{"name": one.name, "type": one.original or UNNAMED, "target": one.unit},
                "cycles_total": one.cycles or 0,
            }
            for one in table.layers
        ]
    return None


def of_old_form(told: Any, figures: Figures) -> LayerTable | None:
    """The table of what details had; None where it is not of that form, or would not be told the same again.

    Nodes of the model are not known: such a row has no graph.
    """
    if not isinstance(told, (list, tuple)) or not told or not all(map(_is_old, told)):
        return None
    total_us = figures.latency_us.mean if figures.latency_us else None
    clock_mhz = _clock(told, total_us)
    tool = RKNN if "rw_bytes" in told[0] else VELA
    layers = _named([_layer(one, tool, clock_mhz) for one in told], figures)
    head = LayerTable(
        *(figures.kind, tool),
        total_us=total_us if clock_mhz else None,
        total_cycles=_total(told),
        clock_mhz=clock_mhz,
        bytes_of=BytesOf.TRAFFIC if tool == RKNN else None,
    )
    table = head.holding(layers)
    return table if old_form(table) == list(told) else None


def _is_old(one: Any) -> bool:
    return (
        isinstance(one, Mapping)
        and all(isinstance(one.get(key), kind) for key, kind in _WANTED.items())
        and all(_is_whole(one.get(key)) for key in ("cycles_total", "rw_bytes"))
        and isinstance(one.get("precision", ""), str)
    )


def _is_whole(value: Any) -> bool:
    return value is None or type(value) is int


def _total(told: Sequence[Mapping[str, Any]]) -> int | None:
    return sum(one.get("cycles_total") or 0 for one in told) or None


def _clock(told: Sequence[Mapping[str, Any]], total_us: float | None) -> float | None:
    """MHz: the time of such a row was its cycles over the clock, and nothing else."""
    cycles = _total(told)
    return round(cycles / total_us, 3) if cycles and total_us else None


def _layer(one: Mapping[str, Any], tool: str, clock_mhz: float | None) -> Layer:
    # Vela writes 0 for what it leaves to the CPU, of which it counts nothing.
    counted = tool != VELA or one["target"] == NPU
    cycles = one["cycles_total"] if counted else None
    return Layer(
        *(one["name"], "" if tool == VELA and one["type"] == UNNAMED else one["type"]),
        join=Join.END if one["type"] in _ENDS else Join.UNKNOWN,
        unit=one["target"],
        time_us=cycles / clock_mhz if cycles is not None and clock_mhz else None,
        cycles=cycles,
        bytes=one.get("rw_bytes"),
        dtype=one.get("precision", ""),
    )


def _named(layers: Sequence[Layer], figures: Figures) -> list[Layer]:
    """With the operators that the same row told of the same layers, which stand there in the same order."""
    placed = iter(figures.layers_on)
    found = []
    for layer in layers:
        one = None if layer.join is Join.END else next(placed, None)
        same = one is not None and (one.name, one.unit) == (layer.name, layer.unit)
        own = one is not None and one.operators == (layer.tool_type,)
        found.append(replace(layer, operators=one.operators) if one and same and not own else layer)
    return found
