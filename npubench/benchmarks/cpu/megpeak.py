"""Output of MegPeak (github.com/MegEngine/MegPeak) to rows.

    there are 4 cores, currently use core id :0

    bandwidth: 15.694500 Gbps
    mla_f32 throughput: 5.354490 ns 1.494073 GFlops latency: 10.047442 ns :

A row of two instructions that issue together has a text after its last colon. Which rows there are
depends on the processor and on how megpeak was built. "Gbps" is 40 copies of 100 MiB, read and
written bytes both counted, over time and 2^30: GiB/s. "GFlops" is a number of operations per
instruction, fixed in its source, over the nanoseconds: Gop/s where the row works on integers.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from npubench.domain.figures import Figures, Kind, ProcessorFigures, ProcessorRow
from npubench.domain.records import Failure, FailureClass, Stage
from npubench.tools.logs import DamagedError, not_whole

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
class MegPeakRow:
    """One line: ns an instruction, independent and in a chain; `message` of a dual-issue row."""

    name: str
    throughput_ns: float
    gflops: float
    latency_ns: float
    message: str = ""


@dataclass(frozen=True, slots=True)
class MegPeakOutput:
    """What one call printed. `others` are lines `name: number unit`, such as those of OpenCL devices."""

    rows: tuple[MegPeakRow, ...]
    cores: int | None = None
    core: int | None = None
    bandwidth_gib_per_s: float | None = None
    others: tuple[tuple[str, float, str], ...] = ()


def parse_megpeak(text: str) -> MegPeakOutput | Failure:
    """The rows of what megpeak printed; UNPARSED_OUTPUT when a known line is damaged or none is there."""
    try:
        return _parse(text)
    except DamagedError as damage:
        message = f"megpeak printed what cannot be read: {damage}"
        return Failure(Stage.MEASURE, FailureClass.UNPARSED_OUTPUT, message, detail=text)


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


def _rows(lines: list[str], found: dict[str, Any]) -> Iterator[MegPeakRow]:
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
            yield MegPeakRow(row[1], throughput_ns, gflops, latency_ns, row[5].strip())
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
    rows = [
        ProcessorRow(
            row.name,
            core=output.core,
            throughput_ns=row.throughput_ns,
            latency_ns=row.latency_ns,
            megpeak_gflops=row.gflops,
            message=row.message or None,
        )
        for row in output.rows
    ]
    return Figures(
        Kind.MEASURED,
        processor=ProcessorFigures(
            "one_core",
            tuple(rows),
            core=output.core,
            megpeak_bandwidth_gib_per_s=output.bandwidth_gib_per_s,
        ),
        details={
            "cores": output.cores,
            "others": [{"row": name, "value": value, "unit": unit} for name, value, unit in output.others],
        },
    )
