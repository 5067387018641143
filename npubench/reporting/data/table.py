"""Rows (of `rows.row_of`) as CSV for spreadsheets and as JSON."""

import csv
import io
import json
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from npubench.domain.text import printable
from npubench.reporting.data.rows import COLUMNS, Row

_NESTED = {
    "latency_us": (
        *("n", "mean", "min", "p50", "p90", "p99", "max", "std", "rounds_p50", "spread", "outliers"),
    ),
    "bounds": ("bound", "reason", "left_out", "layers", "share"),
    "sampling": ("samples_per_call", "source", "axis", "input"),
    "accuracy": (
        *("cosine", "relative_error", "psnr_db", "max_abs", "top1_agreement", "equal", "samples", "kind"),
        *(f"worst_slice.{one}" for one in ("output", "axis", "index", "cosine")),
        *("dead_slices", "kernels.fused_cosine", "kernels.unoptimised_cosine"),
    ),
    "computed": tuple(
        f"{what}.{where}" for what in ("operators", "macs") for where in ("integer", "npu", "cpu", "floating")
    ),
    "failure": ("stage", "class", "operators", "message"),
    "prediction": ("kind", "throughput_fps", "basis"),
    "data": ("source", "calibrated", "evaluated", "held_out", "inputs", "note"),
}
"""Columns that CSV has one of for each of these."""

_ESTIMATE = (
    *("kind", "origin", "latency_us", "throughput_fps", "load_us", "tool_macs", "mac_utilisation"),
    *("memory_bytes", "io_bytes", "placement", "accuracy", "no_accuracy", "no_accuracy_why", "bounds"),
    *("throughput_from", "sampling", "latency", "fps_counts", "computed"),
)
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def to_json(rows: Sequence[Row]) -> str:
    """A JSON array, one row a line; ASCII only, so that no name can break a terminal or a decoder."""
    return json_of(json_lines(rows))


def json_lines(rows: Iterable[Row]) -> list[str]:
    """Each row as a line of JSON."""
    return [json.dumps(row, allow_nan=False) for row in rows]


def json_of(lines: Sequence[str]) -> str:
    """An array of lines of JSON."""
    joined = ",\n".join(lines)
    return f"[\n{joined}\n]" if lines else "[]"


def to_csv(rows: Sequence[Row]) -> str:
    """CSV (RFC 4180) with a header; nested columns are `latency_us.p50`, lists and maps are JSON.

    A text that a spreadsheet would take for a formula gets a leading apostrophe (OWASP, CSV
    injection); numbers are left alone. What is not known is empty.
    """
    names = csv_columns()
    return csv_of(names, [csv_line(row) for row in rows])


def csv_of(names: Sequence[str], lines: Sequence[Sequence[Any]]) -> str:
    """CSV of a header and lines of values, each cell as `to_csv` has it."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\r\n")
    writer.writerow(names)
    writer.writerows([_csv_cell(value) for value in line] for line in lines)
    return stream.getvalue()


def csv_line(row: Row) -> list[Any]:
    """A row's values in the order of `csv_columns`."""
    return [look_up(row, name) for name in csv_columns()]


@cache
def csv_columns() -> tuple[str, ...]:
    """The header of `to_csv`."""
    names: list[str] = []
    for name in COLUMNS:
        inner = [f"{name}.{one}" for one in _ESTIMATE] if name == "estimate" else [name]
        names += [full for one in inner for full in _expanded(one)]
    return tuple(names)


def _expanded(name: str) -> list[str]:
    nested = _NESTED.get(name.removeprefix("estimate."))
    return [f"{name}.{inner}" for inner in nested] if nested else [name]


def look_up(row: Row, name: str) -> Any:
    """The value of a column such as `latency_us.p50`; None where there is none."""
    value: Any = row
    for part in name.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _csv_cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, (dict, list)):
        return json.dumps(value) if value else ""
    if not isinstance(value, str):
        return json.dumps(value)
    text = printable(value)
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text
