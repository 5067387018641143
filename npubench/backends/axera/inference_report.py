"""inference_report.log of `pulsar build`: the compiler's simulation of one part of a model.

Format: Pulsar documentation. All of it is simulated on the build host. A model of several parts has
several reports, whose totals are sums.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from npubench.backends.axera.lines import (
    DamagedError,
    need,
    put_once,
    reject_split_number,
    unparsed,
    whole_lines,
)
from npubench.domain.records import Failure, Figures, Kind, Latency, RateFrom, SamplesFrom, Sampling, Stage

_F = r"([0-9]{1,12}(?:\.[0-9]{1,6})?)"
_I = r"([0-9]{1,15})"
_LINES: Mapping[str, re.Pattern[str]] = {
    "inference": re.compile(rf"\s*inference: {_F} ms, {_F} fps\s*"),
    "qps": re.compile(rf"\s*qps = fps \* batch_size = {_F}"),
    "ddr_bandwidth_gbs": re.compile(rf"\s*simulated fps is based on DDR_BW: {_F} GB/s\s*"),
    "ideal_input_bytes": re.compile(rf"\s*ideal_input_data_size: {_I} Byte,?\s*"),
    "ideal_output_bytes": re.compile(rf"\s*ideal_output_data_size: {_I} Byte,?\s*"),
    "extra_mid_bytes": re.compile(rf"\s*extra_mid_io_data_size: {_I} Byte,?\s*"),
    "io_bytes": re.compile(rf"\s*total_io_data_size: {_I} Byte,?\s*"),
    "macs": re.compile(rf"\s*MAC per inference: {_I} MAC@(?:u?int8|u?int16|\w+)\s*"),
    "mac_utils_percent": re.compile(rf"\s*MAC utils: {_F} ?%\s*"),
}
_KNOWN = re.compile(r"\s*(?:inference:|qps =|total_io_data_size:|MAC per inference:|MAC utils:)")
_EU_NAME = re.compile(r"conv-[0-9]{1,2}cores?|teng|stream")
_COUNT = re.compile(r"([0-9]{1,15})(?: ?\([0-9.]+ ?%\))?")
_EU_HEADER = ["EU", "work_cyc", "tot_cyc", "ratio", "fps", "fps_bnd"]
CLOCK_HZ = 800e6
"""Of the AX620A's NPU: cycles in all times frames per second in the documented report, and in every other."""
_STEP_FPS = 0.005
"""The report rounds frames per second to two decimals, which is far from the time of a slow model."""
_MS_TOLERANCE = 0.06
"""The report rounds milliseconds to one decimal; the frames per second are finer."""


@dataclass(frozen=True, slots=True)
class EuCycles:
    """Cycles of one execution unit: at work, and in total."""

    work: int
    total: int


@dataclass(frozen=True, slots=True)
class PartReport:
    """The simulation of one part. `mac_utilisation` in 0..1; what the report lacks is None.

    `fps` and `qps` are as printed; `frame_s` is the time of one run of `batch` inputs.
    """

    fps: float
    qps: float
    macs: int | None = None
    mac_utilisation: float | None = None
    io_bytes: int | None = None
    ddr_bandwidth_gbs: float | None = None
    eu_cycles: Mapping[str, EuCycles] = field(default_factory=dict)

    @property
    def frame_s(self) -> float:
        """From the cycles of the longest unit, where they are those of the printed rate; else from that."""
        cycles = max((unit.total for unit in self.eu_cycles.values()), default=0)
        return cycles / CLOCK_HZ if self.by_cycles else 1 / self.fps

    @property
    def by_cycles(self) -> bool:
        """Whether the cycles give the printed rate at the known clock, within its rounding."""
        cycles = max((unit.total for unit in self.eu_cycles.values()), default=0)
        return cycles > 0 and abs(CLOCK_HZ / cycles - self.fps) <= _STEP_FPS * 1.01

    @property
    def batch(self) -> int:
        """Inputs of one run."""
        return round(self.qps / self.fps)


def parse_inference_report(text: str) -> PartReport | Failure:
    """One part's report; UNPARSED_OUTPUT for anything doubtful."""
    try:
        return _parse(whole_lines(text))
    except DamagedError as damage:
        return unparsed(Stage.COMPILE, "inference_report.log", str(damage), text)


def add_parts(parts: Sequence[PartReport]) -> Figures:
    """Figures of a whole model: parts run one after the other, so times, MACs and bytes add up.

    A total is None when one part lacks it. Utilisation is weighted by time, since it is MACs per
    second over the same peak.
    """
    seconds = [part.frame_s / part.batch for part in parts]
    frame_us = sum(1e6 * part.frame_s for part in parts)
    utilisations = _all([part.mac_utilisation for part in parts])
    eu: dict[str, dict[str, int]] = {}
    for part in parts:
        for name, cycles in part.eu_cycles.items():
            total = eu.setdefault(name, {"work": 0, "total": 0})
            total["work"] += cycles.work
            total["total"] += cycles.total
    bandwidths = {part.ddr_bandwidth_gbs for part in parts}
    batches = {round(part.qps / part.fps) for part in parts}
    batch = max(batches) if len(batches) == 1 else 1
    return Figures(
        kind=Kind.SIMULATED,
        latency_us=Latency(n=1, mean=frame_us),
        throughput_fps=1 / sum(seconds),
        throughput_from=RateFrom.TOOL,
        sampling=Sampling(batch, SamplesFrom.TOOL) if batch > 1 else None,
        tool_macs=_sum([part.macs for part in parts]),
        mac_utilisation=sum(u * s for u, s in zip(utilisations, seconds, strict=True)) / sum(seconds)
        if utilisations
        else None,
        io_bytes=_sum([part.io_bytes for part in parts]),
        details={
            "parts": len(parts),
            "qps_of_parts": [1 / second for second in seconds],
            "time_from": "cycles" if all(part.by_cycles for part in parts) else "printed fps",
            "eu_cycles": eu if all(part.eu_cycles for part in parts) else None,
            "ddr_bandwidth_gbs": bandwidths.pop() if len(bandwidths) == 1 else None,
        },
    )


def split_reports(text: str) -> list[str]:
    """The reports within a longer log, each from its `inference:` line up to the next one."""
    lines = [f"{line}\n" for line in whole_lines(text)]
    starts = [i for i, line in enumerate(lines) if _LINES["inference"].fullmatch(line.removesuffix("\n"))]
    headers = [_table_start(lines, start) for start in starts]
    ends = [*headers[1:], len(lines)][: len(headers)]
    return ["".join(lines[begin:end]) for begin, end in zip(headers, ends, strict=True)]


def _table_start(lines: list[str], inference: int) -> int:
    start = inference
    while start > 0 and lines[start - 1].lstrip().startswith("|"):
        start -= 1
    return start


def _all(values: Sequence[float | None]) -> list[float]:
    known = [value for value in values if value is not None]
    return known if len(known) == len(values) else []


def _sum(values: Sequence[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


def _parse(lines: list[str]) -> PartReport:
    found: dict[str, Any] = {}
    for previous, line in pairwise(["", *lines]):
        for key, pattern in _LINES.items():
            if match := pattern.fullmatch(line):
                put_once(found, key, match.groups())
                break
        else:
            if _KNOWN.match(line):
                raise DamagedError(f"the line {line.strip()[:80]!r} is not whole")
            if "qps" in previous:
                reject_split_number(previous, line)
    ms, fps = (float(number) for number in need(found, "inference"))
    qps = float(found["qps"][0]) if "qps" in found else fps
    batch = _batch(ms, fps, qps)
    utils = _number(found, "mac_utils_percent")
    macs, io_bytes = _number(found, "macs"), _number(found, "io_bytes")
    return PartReport(
        fps=fps,
        qps=fps * batch,
        macs=None if macs is None else int(macs),
        mac_utilisation=None if utils is None else round(utils / 100, 6),
        io_bytes=None if io_bytes is None else int(io_bytes),
        ddr_bandwidth_gbs=_number(found, "ddr_bandwidth_gbs"),
        eu_cycles=_eu_cycles(lines),
    )


def _number(found: Mapping[str, Any], key: str) -> float | None:
    return float(found[key][0]) if key in found else None


def _batch(ms: float, fps: float, qps: float) -> int:
    if fps <= 0:
        raise DamagedError("a simulation of 0 fps")
    if abs(1000 / fps - ms) > max(_MS_TOLERANCE, 0.02 * ms, 1.02 * ms * _STEP_FPS / fps):
        raise DamagedError(f"{ms} ms and {fps} fps contradict each other")
    batch = round(qps / fps)
    if batch < 1 or abs(qps - batch * fps) > max(0.01 * batch * fps, 1.02 * _STEP_FPS * (batch + 1)):
        raise DamagedError(f"{qps} qps is no multiple of {fps} fps")
    return batch


def _eu_cycles(lines: list[str]) -> dict[str, EuCycles]:
    """Rows of the table of execution units; all of it or nothing."""
    cycles: dict[str, EuCycles] = {}
    inside = False
    for line in lines:
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        closed = line.strip().startswith("|") and line.strip().endswith("|")
        if cells == _EU_HEADER:
            inside = True
        elif not closed or set("".join(cells)) <= set("-+:= "):
            inside = inside and closed
        elif inside:
            row = _eu_row(cells)
            if row is None or cycles.setdefault(row[0], row[1]) != row[1]:
                return {}
    return cycles


def _eu_row(cells: list[str]) -> tuple[str, EuCycles] | None:
    if len(cells) != len(_EU_HEADER) or not _EU_NAME.fullmatch(cells[0]):
        return None
    work, total = (_COUNT.fullmatch(cell) for cell in cells[1:3])
    if work is None or total is None or int(work[1]) > int(total[1]):
        return None
    return cells[0], EuCycles(int(work[1]), int(total[1]))
