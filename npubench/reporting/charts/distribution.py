"""The latency distribution of a case, from every run's time that a workspace keeps."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from npubench.domain.figures import Kind
from npubench.domain.records import Result
from npubench.domain.specs import CaseKind
from npubench.reporting.charts.axis import Axis, Tick, axis
from npubench.reporting.charts.plots import WIDTH
from npubench.reporting.data.figures import latency_of
from npubench.reporting.data.formatting import duration
from npubench.reporting.data.translate import translate
from npubench.storage.hashing import sha256_of_file

BINS, HEIGHT, LEFT_PX, RIGHT_PX, AXIS_PX, TOP_PX = 60, 220.0, 24.0, 24.0, 34.0, 46.0
LEAST_SAMPLES = 16
Samples = Mapping[str, Sequence[Sequence[float]]]
"""Key of a row to its runs' times in microseconds, by round."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One bin in pixels, with what a pointer shows."""

    x: float
    width: float
    y: float
    height: float
    text: str


@dataclass(frozen=True, slots=True)
class Distribution:
    """A histogram; `marks` are named statistics in pixels, their labels on rising lines."""

    case: str
    board: str
    precision: str
    runs: int
    bars: tuple[Bar, ...]
    axis: Axis
    marks: tuple[tuple[float, str, float], ...]
    height: float = HEIGHT
    width: float = WIDTH


def widest(results: Sequence[Result]) -> Result | None:
    """The measured model (else operator) whose runs spread most: p99, else the largest, over the median."""
    timed = [row for row in results if not row.emulated and row.samples_path and _spread(row)]
    models = [row for row in timed if row.case_kind is CaseKind.MODEL]
    return max(models or timed, key=_spread, default=None)


def _spread(row: Result) -> float:
    latency = latency_of(row, Kind.MEASURED)
    if latency is None or not latency.p50 or latency.max is None:
        return 0.0
    return (latency.p99 or latency.max) / latency.p50


def samples_of(root: Path, row: Result) -> Sequence[Sequence[float]] | None:
    """A row's runs' times in us, by round; None where the file is gone or is not what was written."""
    file = root / row.samples_path if row.samples_path else None
    if file is None or not file.is_file() or sha256_of_file(file) != row.samples_sha256:
        return None
    rounds: Sequence[Sequence[float]] = json.loads(file.read_text(encoding="utf-8"))["rounds"]
    return rounds


def distribution(row: Result, rounds: Sequence[Sequence[float]]) -> Distribution | None:
    """The histogram of all rounds; None with too few runs to tell a shape."""
    times = sorted(time for one in rounds for time in one if time > 0)
    if len(times) < LEAST_SAMPLES:
        return None
    low, high = times[0], times[-1]
    scale = _between(low, high)
    edges = [low + (high - low) * at / BINS for at in range(BINS + 1)]
    counts = [0] * BINS
    for time in times:
        counts[min(BINS - 1, int((time - low) / (high - low) * BINS)) if high > low else 0] += 1
    room = HEIGHT - TOP_PX - AXIS_PX
    bars = tuple(
        _bar(scale, edges[at], edges[at + 1], count, room * count / max(counts))
        for at, count in enumerate(counts)
        if count
    )
    return Distribution(
        *(row.case, row.board, row.precision.value, len(times), bars, scale), marks=_marks(row, scale)
    )


def _between(low: float, high: float) -> Axis:
    """A linear axis that begins at the fastest run, so that a narrow spread fills the width."""
    wide = axis([high], LEFT_PX, WIDTH - RIGHT_PX, logarithmic=False)
    if high <= low * 1.0001:
        return wide
    bare = Axis(low, high, LEFT_PX, WIDTH - RIGHT_PX, False)
    step = (high - low) / 5
    ticks = tuple(Tick(bare.at(low + step * at), duration(low + step * at, 4)) for at in range(6))
    return replace(bare, ticks=ticks)


def _bar(scale: Axis, left: float, right: float, count: int, height: float) -> Bar:
    x, end = scale.at(left), scale.at(right)
    text = f"{duration(left, 4)} – {duration(right, 4)}: {count}"
    return Bar(x, round(max(end - x - 1, 1), 1), round(HEIGHT - AXIS_PX - height, 1), round(height, 1), text)


def _marks(row: Result, scale: Axis) -> tuple[tuple[float, str, float], ...]:
    latency = latency_of(row, Kind.MEASURED)
    names = ("p50", "mean", "p90", "p99")
    found = [(name, value) for name in names if latency and (value := getattr(latency, name)) is not None]
    inside = [
        (scale.at(value), f"{translate(name)} {duration(value)}")
        for name, value in found
        if scale.low <= value <= scale.high
    ]
    return tuple((x, text, 12.0 + 11 * (at % 3)) for at, (x, text) in enumerate(sorted(inside)))
