"""Views of layers for programs: JSON records, and CSV of a line a layer."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from npubench.reporting.data.figures import main_latency_us
from npubench.reporting.data.rows import plain_value
from npubench.reporting.data.table import csv_of
from npubench.reporting.layers.limits import Limit, limits_of
from npubench.reporting.layers.rules import advise
from npubench.reporting.layers.sums import sum_of
from npubench.reporting.layers.view import LayerRow, LayerView, Order

Record = dict[str, Any]

_WHOSE = ("case", "board", "chip", "backend", "precision", "kind", "tool")
_LAYER = (
    *("number", "name", "tool_type", "operators", "nodes", "join", "unit", "time_us", "cycles"),
    *("limit", "compute_cycles", "memory_cycles", "share", "macs", "graph_macs", "bytes", "mac_per_s"),
    *("of_peak", "bytes_per_s", "mac_utilisation", "workload", "input_shapes", "output_shapes"),
    *("dtype", "calls"),
)
CSV_COLUMNS = (*_WHOSE, *_LAYER)
"""Of a line; lists are JSON. `macs` and `graph_macs` are the tool's count and the graph's."""


def to_record(view: LayerView, order: Order, top: int | None) -> Record:
    """A view as JSON has it: microseconds, cycles, bytes; what is not known is None."""
    table, found, advised, limits = view.table, sum_of(view), advise(view), limits_of(view)
    return {
        **_whose(view),
        "latency_us": main_latency_us(view.figures),
        "statistic": table.statistic or None,
        "clock_mhz": table.clock_mhz,
        "total_us": table.total_us,
        "total_cycles": table.total_cycles,
        "complete": table.complete,
        "weighed_by": view.by.value if view.by else None,
        "bytes_of": table.bytes_of.value if table.bytes_of else None,
        "layers": [_layer(row, limits[row.number - 1]) for row in view.sorted(order)[:top]],
        "layers_in_all": len(view.rows),
        "beside": plain_value(table.beside),
        "sum": plain_value(found) if found else None,
        "roof": plain_value(view.roof),
        "advice": [
            {**plain_value(one), "gain": plain_value(asdict(one.gain)) if one.gain else None}
            for one in advised.found
        ],
        "looked_for": list(advised.looked_for),
        "not_judged": list(advised.not_judged),
    }


def to_csv(views: Sequence[LayerView], order: Order, top: int | None) -> str:
    """A line a layer of all views, under `CSV_COLUMNS`."""
    lines = []
    for view in views:
        whose, limits = _whose(view), limits_of(view)
        for row in view.sorted(order)[:top]:
            told = {**whose, **_layer(row, limits[row.number - 1])}
            lines.append([told[name] for name in CSV_COLUMNS])
    return csv_of(CSV_COLUMNS, lines)


def _whose(view: LayerView) -> Record:
    row = view.result
    return {
        **{"case": row.case, "board": row.board, "chip": row.chip, "backend": row.backend},
        **{"precision": row.precision.value, "kind": view.table.kind.value, "tool": view.table.tool},
    }


def _layer(row: LayerRow, limit: Limit | None) -> Record:
    own = plain_value(row.layer)
    own |= {"number": row.number, "share": row.share, "mac_per_s": row.mac_per_s, "of_peak": row.of_peak}
    own |= {"bytes_per_s": row.bytes_per_s, "limit": limit.value if limit else None}
    return {name: own[name] for name in _LAYER}
