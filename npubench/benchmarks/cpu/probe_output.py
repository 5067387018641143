"""Output of cpupeak, JSON lines, to figures of a processor.

The first line is `head` (format, architecture, cores, caches, rows that the processor lacks), then a
line a row (`row` for an instruction, `memory` for a bandwidth), last `end`: without it the output is cut.
"""

import json
import math
import re
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from npubench.domain.figures import ProcessorFigures, ProcessorRow
from npubench.domain.records import Failure, FailureClass, Stage
from npubench.tools.logs import DamagedError

FORMAT = 1
_NAME = re.compile(r"[A-Za-z0-9][\w .+-]{0,60}")
_TIMES = ("throughput", "latency")
_BANDWIDTHS = ("gib_per_s", "min_gib_per_s", "max_gib_per_s")
_LINE_LIMIT = 100_000


@dataclass(frozen=True, slots=True)
class ProbeOutput:
    """What one call printed: the head, rows of instructions, rows of bandwidth."""

    head: Mapping[str, Any]
    rows: tuple[Mapping[str, Any], ...]
    memory: tuple[Mapping[str, Any], ...]


def parse_probe(text: str) -> ProbeOutput | Failure:
    """The rows of a whole output; UNPARSED_OUTPUT for anything else, TOOL_ERROR for what it says itself."""
    try:
        events = [_event(line) for line in text.splitlines() if line.strip()]
        said = [event for event in events if event["event"] == "error"]
        if said:
            message = f"cpupeak: {said[0].get('text')}"[:300]
            return Failure(Stage.MEASURE, FailureClass.TOOL_ERROR, message, detail=text)
        return _checked(events)
    except DamagedError as damage:
        message = f"cpupeak printed what cannot be read: {damage}"
        return Failure(Stage.MEASURE, FailureClass.UNPARSED_OUTPUT, message, detail=text)


def _event(line: str) -> dict[str, Any]:
    try:
        event = json.loads(line) if len(line) < _LINE_LIMIT else None
    except (ValueError, RecursionError):
        event = None
    if not isinstance(event, dict) or not isinstance(event.get("event"), str):
        raise DamagedError(f"the line {line.strip()[:80]!r} is none of its own")
    return event


def _checked(events: Sequence[dict[str, Any]]) -> ProbeOutput:
    if not events or events[0]["event"] != "head":
        raise DamagedError("its first line is missing")
    if events[0].get("format") != FORMAT:
        raise DamagedError(f"its format is {events[0].get('format')!r:.20}, not {FORMAT}")
    if events[-1]["event"] != "end":
        raise DamagedError("its end is missing")
    rows = tuple(event for event in events if event["event"] == "row")
    memory = tuple(event for event in events if event["event"] == "memory")
    for row in rows:
        _check(row, ["throughput_ns", "operations"], ["latency_ns", "clock_mhz", "megpeak_operations"])
    for row in memory:
        _check(row, [*_BANDWIDTHS, "set_bytes"], [])
    return ProbeOutput(events[0], rows, memory)


def _check(row: Mapping[str, Any], needed: Sequence[str], optional: Sequence[str]) -> None:
    name = row.get("row")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise DamagedError(f"a row is called {name!r:.80}")
    for key in (*needed, *(key for key in optional if key in row)):
        value = row.get(key)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < math.inf:
            raise DamagedError(f"the row {name} has {key} {value!r:.20}")


def processor(output: ProbeOutput, mode: str) -> ProcessorFigures:
    """Figures of one call, rates from the operations of an instruction.

    What operations are: `gflop_per_s` of rows on floating-point numbers, `gop_per_s` of those on integers,
    `gib_per_s` of loads and stores. `megpeak_gflops` is what MegPeak would print for the same time.
    """
    rows = (_instruction(row) for row in output.rows)
    return ProcessorFigures(mode, tuple(map(_row, rows)), tuple(map(_row, output.memory)))


def details(output: ProbeOutput) -> dict[str, Any]:
    """What the head of the output tells of the processor."""
    names = ("architecture", "clock", "cores", "caches", "page_bytes", "lacking")
    return {name: output.head.get(name) for name in names}


def _row(told: Mapping[str, Any]) -> ProcessorRow:
    return ProcessorRow(**{one.name: told[one.name] for one in fields(ProcessorRow) if one.name in told})


def _instruction(row: Mapping[str, Any]) -> dict[str, Any]:
    clock_ghz = row["clock_mhz"] / 1000 if "clock_mhz" in row else None
    # Of all cores at once the rate is the sum over them; of one core it is one over the time.
    per_ns = row.get("instructions_per_ns", 1 / row["throughput_ns"])
    told = {key: value for key, value in row.items() if key not in {"event", "mode"}}
    cycles = {
        f"{name}_cycles": row[f"{name}_ns"] * clock_ghz
        for name in _TIMES
        if clock_ghz is not None and f"{name}_ns" in row
    }
    return {**told, **cycles, **_rates(row, per_ns)}


def _rates(row: Mapping[str, Any], per_ns: float) -> dict[str, float]:
    rate = row["operations"] * per_ns
    named = {"float": "gflop_per_s", "integer": "gop_per_s"}.get(str(row.get("operation_kind")))
    rates = {named: rate} if named else {"gib_per_s": rate * 1e9 / 2**30}
    if "megpeak_operations" in row:
        rates["megpeak_gflops"] = row["megpeak_operations"] * per_ns
    return rates


def middle_spread(output: ProbeOutput) -> float | None:
    """The median of all rows' spreads (quartile range over median); None without rows.

    Not the worst: a working set that just fits a cache is unsteady on the quietest machine.
    """
    names = ("throughput_spread", "latency_spread", "spread")
    found = [row[name] for row in (*output.rows, *output.memory) for name in names if name in row]
    known = [float(value) for value in found if isinstance(value, (int, float))]
    return statistics.median(known) if known else None
