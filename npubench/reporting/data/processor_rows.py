"""Rows of processors one by one, for spreadsheets and programs: `npubench results --cpu`."""

from collections.abc import Iterator, Sequence
from typing import Any

from npubench.domain.records import Result
from npubench.domain.specs import CaseKind
from npubench.reporting.data.operations import operation_of

COLUMNS = (
    *("board", "emulated", "tool", "kind", "case", "row", "operation", "core", "cores_at_once", "set_bytes"),
    *("throughput_ns", "throughput_spread", "latency_ns", "latency_spread", "throughput_cycles"),
    *("latency_cycles", "clock_mhz", "gflop_per_s", "gop_per_s", "gib_per_s", "spread", "megpeak_gflops"),
    *("samples", "core_share", "variant", "message", "run_id", "started_at"),
)
"""Names carry their unit; what a row does not have is None."""

SHOWN = ("board", "case", "row", "core", "set_bytes", "throughput_ns", "latency_ns")
RATES = {"gflop_per_s": "GFLOP/s", "gop_per_s": "Gop/s", "gib_per_s": "GiB/s"}


def processor_rows(results: Sequence[Result]) -> list[dict[str, Any]]:
    """Every row of every processor case that was measured, in the order of the results."""
    return [row for result in results if result.case_kind is CaseKind.CPU for row in _rows(result)]


def _rows(result: Result) -> Iterator[dict[str, Any]]:
    if result.figures is None:
        return
    details = result.figures.details
    common = {
        "board": result.board,
        "emulated": result.emulated,
        "tool": result.backend,
        "kind": result.figures.kind.value,
        "case": result.case,
        "run_id": result.run_id,
        "started_at": result.started_at,
    }
    bandwidth = details.get("megpeak_bandwidth_gib_per_s")
    own = [{"row": "bandwidth", "core": details.get("core"), "gib_per_s": bandwidth}] if bandwidth else []
    for row in (*own, *(details.get("rows") or ()), *(details.get("memory") or ())):
        told = {**row, **common, "operation": operation_of(str(row.get("row")))}
        if "set_bytes" in row or row.get("row") == "bandwidth":
            told["operation"] = "memory"
        yield {name: told.get(name) for name in COLUMNS}


def rate_of(row: dict[str, Any]) -> tuple[float | None, str]:
    """A row's rate and its unit."""
    return next(((row[key], unit) for key, unit in RATES.items() if row.get(key) is not None), (None, ""))
