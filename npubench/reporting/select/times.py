"""Which figure speaks for a model on a chip: measured before published before simulated before predicted.

What leaves something out speaks where there is nothing else, what is known to be too inaccurate comes last.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import PurePath

from npubench.domain.figures import Accuracy, Bound, Bounds, Figures, Kind, Latency
from npubench.domain.records import Result, Status
from npubench.domain.specs import CaseKind, Precision, Shape
from npubench.reporting.data.accuracy import WRONG
from npubench.reporting.data.figures import bounds_of
from npubench.reporting.data.op_support import WITHOUT_VERDICT, on_cpu
from npubench.reporting.data.translate import translate
from npubench.reporting.select.bands import Z90, Uncertain
from npubench.reporting.select.candidate import Candidate, share_of_npu
from npubench.reporting.select.chip_facts import FactSheet
from npubench.reporting.select.requirements import ModelNeed

Shapes = Mapping[str, Sequence[Shape]]
"""Case name to declared input shapes, for rows that do not say theirs."""

ORDER: Mapping[Kind, int] = {Kind.MEASURED: 0, Kind.PUBLISHED: 1, Kind.SIMULATED: 2, Kind.PREDICTED: 3}
"""Kinds from the strongest to the weakest."""


@dataclass(frozen=True, slots=True)
class ModelTime:
    """A figure of a model on a chip, of one kind."""

    case: str  # what its row calls the model
    board: str  # that it is of, or the table that has it
    kind: Kind  # where it comes from
    time_us: float  # NPU time of one inference
    share: float = 1.0  # of the NPU that it is of; 1.0: the whole
    origin: Kind | None = None  # simulated: by the publisher's own compiler
    latency: Latency | None = None  # microseconds; None: only a rate is known
    sigma: float = 0.0  # of the logarithm of the time; 0: no band is known
    bounds: Bounds | None = None  # what the figure leaves out; None of a whole one
    mode: str = ""  # the vendor's name of what ran
    precision: str = ""  # of the artifact
    source: str = ""  # publication, or what a prediction rests on
    memory_bytes: float | None = None  # that the run needs
    on_cpu: tuple[str, ...] = ()  # operators that were left to the CPU
    result: Result | None = None  # its row in a workspace

    @property
    def at_least(self) -> Bounds | None:
        """What the time leaves out; such a time may fail a requirement, and passes none."""
        return self.bounds if self.bounds and self.bounds.bound is Bound.LOWER else None

    @property
    def uncertain(self) -> Uncertain:
        """The time with its band; errors of predictions have the chip in common."""
        return Uncertain(self.time_us, self.sigma, self.kind is Kind.PREDICTED)


@dataclass(frozen=True, slots=True)
class Missing:
    """Why a model has no time."""

    why: str  # one sentence
    failed: Result | None = None  # a row that is known not to run
    ran: Result | None = None  # a row of which only the time is missing


@dataclass(frozen=True, slots=True)
class Found:
    """All that is known of a model on a chip."""

    best: ModelTime | None  # what speaks for it
    missing: Missing | None = None  # why nothing does
    others: tuple[ModelTime, ...] = ()  # further figures, by how well they would speak
    rows: tuple[Result, ...] = ()  # of a workspace, with and without a time


def weakest(times: Sequence[ModelTime]) -> ModelTime | None:
    """The one of the weakest kind, by which a sum is named; None of none."""
    return max(times, key=_rank, default=None)


def _rank(time: ModelTime) -> float:
    return ORDER[time.kind] + (1.5 if time.origin is Kind.SIMULATED else 0.0)


def choose(need: ModelNeed, candidate: Candidate, shapes: Shapes) -> Found:
    """What is known of the first of the names that has rows; of equal figures the fastest speaks."""
    for name in need.names:
        if rows := _rows_named(name, candidate):
            fitting = [row for row in rows if _fits(row, need, shapes)]
            times = [time for row in fitting for time in times_of(row, candidate.facts)]
            if times:
                best, *others = sorted(times, key=lambda time: _speaks(time, need))
                return Found(best, None, tuple(others), tuple(fitting))
            return Found(None, _missing(rows, fitting, need), (), tuple(fitting))
    return Found(None, Missing(translate("no row of {name}", name=" / ".join(need.names))))


def _speaks(time: ModelTime, need: ModelNeed) -> tuple[bool, bool, float, float]:
    """What speaks before another: the accurate, the whole, the stronger kind, the faster."""
    wrong = time.result is not None and is_inaccurate(time.result, need)
    return wrong, time.at_least is not None, _rank(time), time.time_us * time.share


def _rows_named(name: str, candidate: Candidate) -> list[Result]:
    """Rows of that name; else, of a file's, those of its stem, which is what its case is called."""
    stem = PurePath(name).stem if name.endswith(".onnx") else name
    models = [row for row in candidate.rows if row.case_kind in (CaseKind.MODEL, CaseKind.OPERATOR)]
    for asked in dict.fromkeys((_plain(name), _plain(stem))):
        if rows := [row for row in models if asked in _names(row)]:
            return rows
    return []


def _names(row: Result) -> tuple[str, str]:
    return _plain(row.case), _plain(str(row.protocol.get("same_network", "")))


def _plain(name: str) -> str:
    """Tables of one vendor write `yolox-s` and `YOLOX_s`."""
    return name.casefold().replace("_", "-")


def _missing(rows: Sequence[Result], fitting: Sequence[Result], need: ModelNeed) -> Missing:
    for row in rows if not any(row.status is Status.OK for row in rows) else ():
        if row.failure and row.failure.failure_class not in WITHOUT_VERDICT:
            return Missing(f"{need.role}: {row.failure.failure_class}: {row.failure.message}", row)
    if not fitting and need.input_size:
        wide, high = need.input_size
        return Missing(
            translate("{name} has no figure at {wide}x{high}", name=rows[0].case, wide=wide, high=high)
        )
    ran = next((row for row in fitting if row.status is Status.OK), None)
    return Missing(translate("{name} has no time", name=rows[0].case), ran=ran)


def times_of(row: Result, facts: FactSheet) -> Iterator[ModelTime]:
    """The times of a row that worked, each of its kind. What was measured of an emulated board is none."""
    for figures in row.all_figures if row.status is Status.OK else ():
        time_us = time_of(figures)
        if time_us is None or (row.emulated and figures.kind is Kind.MEASURED):
            continue
        yield ModelTime(
            *(row.case, row.board, figures.kind, time_us, share_of_npu(figures, facts)),
            origin=Kind.SIMULATED if figures.origin is Kind.SIMULATED else None,
            latency=figures.latency_us,
            sigma=_sigma(figures),
            bounds=bounds_of(figures),
            mode=figures.npu_mode,
            precision=str(row.precision),
            source=str(row.protocol.get("source", "")),
            memory_bytes=figures.memory_bytes,
            on_cpu=tuple(on_cpu(figures)),
            result=row,
        )


def _sigma(figures: Figures) -> float:
    """Of a measured time, whose rounds' spread is taken for the half of a 90 % band; 0 of any other."""
    spread = figures.latency_us.spread if figures.latency_us and figures.kind is Kind.MEASURED else None
    return math.log1p(spread) / Z90 if spread else 0.0


def time_of(figures: Figures) -> float | None:
    """Microseconds of one inference: the inverse of the throughput, else the mean latency."""
    if figures.throughput_fps and figures.throughput_fps > 0:
        return 1e6 / figures.throughput_fps
    mean = figures.latency_us.mean if figures.latency_us else 0.0
    return mean if mean > 0 else None


def accuracy_of(row: Result) -> tuple[Accuracy, Kind] | None:
    """Accuracy with the kind of its own: a row's outputs may come of a simulation, its times of a board."""
    return next(((one.accuracy, one.kind) for one in row.all_figures if one.accuracy is not None), None)


def accuracy_value(row: Result, metric: str) -> float | None:
    """The figure of that metric; an FP32 row is its own reference, whose cosine and agreement are 1.

    Outputs that are one number throughout where FP32's differ are worth 0.
    """
    found = accuracy_of(row)
    value: float | None = getattr(found[0], metric) if found else None
    if metric not in {"cosine", "top1_agreement"}:
        return value
    if any(figures.no_accuracy in WRONG for figures in row.all_figures):
        return 0.0
    return 1.0 if value is None and row.precision is Precision.FP32 else value


def is_inaccurate(row: Result, need: ModelNeed) -> bool:
    """Whether a row is known not to be accurate enough."""
    if need.minimum is None:
        return False
    value = accuracy_value(row, need.metric)
    return value is not None and value < need.minimum


def _fits(row: Result, need: ModelNeed, shapes: Shapes) -> bool:
    """Whether a row's input, else the declared one of its name, is of the size that is asked."""
    if need.input_size is None:
        return True
    wide, high = need.input_size
    names = (row.case, str(row.protocol.get("same_network", "")))
    dims = [tensor.shape for tensor in row.inputs] or [
        shape for one in names for shape in shapes.get(one, ())
    ]
    published = str(row.protocol.get("input", ""))
    if not dims and published.isascii() and published.isdigit():
        dims = [(int(published), int(published))]
    return any((high, wide) in pairwise(shape) for shape in dims)
