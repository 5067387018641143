"""Output of cpupeak and MegPeak to figures of a processor.

cpupeak prints JSON lines. The first is `head` (format, architecture, cores, caches, rows that the processor
lacks), then a line a row (`row` for an instruction, `memory` for a bandwidth), last `end`: without it the
output is cut. MegPeak (github.com/MegEngine/MegPeak) prints text:

    there are 4 cores, currently use core id :0

    bandwidth: 15.694500 Gbps
    mla_f32 throughput: 5.354490 ns 1.494073 GFlops latency: 10.047442 ns :

A row of two instructions that issue together has a text after its last colon. Which rows there are
depends on the processor and on how megpeak was built. "Gbps" is 40 copies of 100 MiB, read and
written bytes both counted, over time and 2^30: GiB/s. "GFlops" is a number of operations per
instruction, fixed in its source, over the nanoseconds: Gop/s where the row works on integers.
"""

import json
import math
import re
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from npubench.domain.figures import Figures, Kind, ProcessorFigures, ProcessorRow
from npubench.domain.records import Failure, FailureClass, Stage
from npubench.tools.logs import DamagedError, not_whole

FORMAT = 1
_NAME = re.compile(r"[A-Za-z0-9][\w .+-]{0,60}")
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
        said = next((event for event in events if event["event"] == "error"), None)
        if said is None:
            return _checked(events)
    except DamagedError as damage:
        return _unparsed("cpupeak", damage, text)
    message = f"cpupeak: {said.get('text')}"[:300]
    return Failure(Stage.MEASURE, FailureClass.TOOL_ERROR, message, detail=text)


def _unparsed(tool: str, damage: DamagedError, text: str) -> Failure:
    message = f"{tool} printed what cannot be read: {damage}"
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
    # Of all cores at once the rate is the sum over them; of one core it is one over the time.
    per_ns = row.get("instructions_per_ns", 1 / row["throughput_ns"])
    cycles = {
        f"{name}_cycles": row[f"{name}_ns"] * row["clock_mhz"] / 1000
        for name in ("throughput", "latency")
        if "clock_mhz" in row and f"{name}_ns" in row
    }
    rate = row["operations"] * per_ns
    named = {"float": "gflop_per_s", "integer": "gop_per_s"}.get(str(row.get("operation_kind")))
    rates = {named: rate} if named else {"gib_per_s": rate * 1e9 / 2**30}
    if "megpeak_operations" in row:
        rates["megpeak_gflops"] = row["megpeak_operations"] * per_ns
    return {**row, **cycles, **rates}


def middle_spread(output: ProbeOutput) -> float | None:
    """The median of all rows' spreads (quartile range over median); None without rows.

    Not the worst: a working set that just fits a cache is unsteady on the quietest machine.
    """
    names = ("throughput_spread", "latency_spread", "spread")
    found = [row[name] for row in (*output.rows, *output.memory) for name in names if name in row]
    known = [float(value) for value in found if isinstance(value, (int, float))]
    return statistics.median(known) if known else None


_NUMBER = r"([0-9]{1,12}(?:\.[0-9]{1,12})?)"
_HEAD = re.compile(r"there are ([0-9]{1,5}) cores, currently use core id ?: ?([0-9]{1,5})\s*")
_BANDWIDTH = re.compile(rf"bandwidth: {_NUMBER} Gbps\s*")
_ROW = re.compile(
    rf"(\S[^:\n]{{0,80}}?) throughput: {_NUMBER} ns {_NUMBER} GFlops latency: {_NUMBER} ns ?:(.*)"
)
_LOOKS_LIKE_ROW = re.compile(r"\S.*(?:throughput|latency|GFlops)\b|bandwidth:|there are [0-9]+ cores")
_FIGURE = re.compile(rf"(\S[^:=\n]{{0,80}}?)\s*[:=]\s*{_NUMBER}\s*([A-Za-z]+(?:/s)?)\s*")
_OPENCL = re.compile(r"(?i)\s*(?:#+|=+|-+)?\s*(?:\[?opencl|.*\bopencl\b)")
_OTHER_LINES = 200


@dataclass(frozen=True, slots=True)
class MegPeakOutput:
    """What one call printed. `others` are lines `name: number unit`, such as those of OpenCL devices."""

    rows: tuple[ProcessorRow, ...]
    cores: int | None = None
    core: int | None = None
    bandwidth_gib_per_s: float | None = None
    others: tuple[tuple[str, float, str], ...] = ()


def parse_megpeak(text: str) -> MegPeakOutput | Failure:
    """The rows of what megpeak printed; UNPARSED_OUTPUT when a known line is damaged or none is there."""
    try:
        return _parse(text)
    except DamagedError as damage:
        return _unparsed("megpeak", damage, text)


def _parse(text: str) -> MegPeakOutput:
    # Only lines whose end was printed: a cut number must not pass for a shorter one.
    lines = [line.removesuffix("\r") for line in text.split("\n")[:-1]]
    start = next((i for i, line in enumerate(lines) if _OPENCL.match(line)), len(lines))
    found: dict[str, Any] = {}
    rows = tuple(_rows(lines[:start], found))
    known = {id(line) for line in lines[:start] if _is_known(line)}
    others = tuple(_others([line for line in lines if id(line) not in known][:_OTHER_LINES]))
    if not rows and "bandwidth" not in found and not others:
        raise DamagedError("there is no row in it")
    return MegPeakOutput(rows, found.get("cores"), found.get("core"), found.get("bandwidth"), others)


def _rows(lines: list[str], found: dict[str, Any]) -> Iterator[ProcessorRow]:
    names = set()
    for line in lines:
        if head := _HEAD.fullmatch(line):
            found |= {"cores": int(head[1]), "core": int(head[2])}
        elif bandwidth := _BANDWIDTH.fullmatch(line):
            found["bandwidth"] = _positive(bandwidth[1], line)
        elif row := _ROW.fullmatch(line):
            if row[1] in names:
                raise DamagedError(f"the row {row[1]} is there twice")
            names.add(row[1])
            throughput_ns, gflops, latency_ns = (_positive(number, line) for number in row.group(2, 3, 4))
            yield ProcessorRow(
                row[1],
                throughput_ns=throughput_ns,
                latency_ns=latency_ns,
                megpeak_gflops=gflops,
                message=row[5].strip() or None,
            )
        elif _LOOKS_LIKE_ROW.match(line):
            raise not_whole(line)


def _is_known(line: str) -> bool:
    return any(pattern.fullmatch(line) for pattern in (_HEAD, _BANDWIDTH, _ROW))


def _others(lines: list[str]) -> Iterator[tuple[str, float, str]]:
    """Lines of OpenCL devices: rows of the same form, or a name with a figure."""
    for line in lines:
        if row := _ROW.fullmatch(line):
            yield f"{row[1]} throughput", float(row[2]), "ns"
            yield f"{row[1]} rate", float(row[3]), "GFlops"
            yield f"{row[1]} latency", float(row[4]), "ns"
        elif figure := _FIGURE.fullmatch(line.strip()):
            yield figure[1], float(figure[2]), figure[3]


def _positive(number: str, line: str) -> float:
    value = float(number)
    if value <= 0 or not math.isfinite(value):
        raise DamagedError(f"the line {line.strip()[:80]!r} has a figure that is not above zero")
    return value


def figures(output: MegPeakOutput) -> Figures:
    """The rows with the names that every row of the stage `cpu` has."""
    rows = tuple(replace(row, core=output.core) for row in output.rows)
    return Figures(
        Kind.MEASURED,
        processor=ProcessorFigures(
            "one_core",
            rows,
            core=output.core,
            megpeak_bandwidth_gib_per_s=output.bandwidth_gib_per_s,
        ),
        details={
            "cores": output.cores,
            "others": [{"row": name, "value": value, "unit": unit} for name, value, unit in output.others],
        },
    )
