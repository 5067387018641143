"""Times of models on chips, each with its kind, its band and what it leaves out; a row's accuracy."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from npubench.domain.figures import Accuracy, Bound, Bounds, Figures, Kind, Latency
from npubench.domain.records import Result, Status
from npubench.domain.specs import Precision
from npubench.published.chips import find_chip, mode_of, share_of_mode
from npubench.published.networks import Network
from npubench.reporting.data.accuracy import WRONG
from npubench.reporting.data.figures import bounds_of
from npubench.reporting.data.op_support import on_cpu
from npubench.reporting.select.bands import Z90, Uncertain
from npubench.reporting.select.candidate import share_of_npu
from npubench.reporting.select.chip_facts import FactSheet
from npubench.reporting.select.requirements import ModelNeed

ORDER: Mapping[Kind, int] = {Kind.MEASURED: 0, Kind.PUBLISHED: 1, Kind.SIMULATED: 2, Kind.PREDICTED: 3}
"""Kinds from the strongest to the weakest."""


IN_FLIGHT, ONE_CORE = 8, 2
"""Inferences that a device may hold of which only a rate is told, and a single core, which may take an input
while it computes. Its latency is at most so many times 1/rate, at least one. An assumption, and said so."""


@dataclass(frozen=True, slots=True)
class ModelTime:
    """A figure of a model on a chip, of one kind."""

    case: str  # what its row calls the model
    board: str  # that it is of, or the table that has it
    kind: Kind  # where it comes from
    time_us: float  # NPU time of one inference
    share: float = 1.0  # of the NPU that it is of; 1.0: the whole
    least_us: float | None = None  # of the whole NPU for one of many, by another figure; None: by this one
    origin: Kind | None = None  # simulated: by the publisher's own compiler
    latency: Latency | None = None  # microseconds; None: only a rate is known
    in_flight: int = IN_FLIGHT  # inferences that the device may hold at once, where only a rate is known
    sigma: float = 0.0  # of the logarithm of the time; 0: no band is known
    ends: tuple[float, float] | None = None  # of a predicted time's band as told, microseconds; may lie askew
    bounds: Bounds | None = None  # what the figure leaves out; None of a whole one
    mode: str = ""  # the vendor's name of what ran
    precision: str = ""  # of the artifact
    source: str = ""  # publication, or what a prediction rests on
    memory_bytes: float | None = None  # that the run needs
    on_cpu: tuple[str, ...] = ()  # operators that were left to the CPU
    with_host: bool = False  # the time holds work of the host behind the NPU
    places: tuple[str, ...] = ()  # `table:line` of the published figures that it is made of
    result: Result | None = None  # its row in a workspace

    @property
    def at_least(self) -> Bounds | None:
        """What the time leaves out; such a time may fail a requirement, and passes none."""
        return self.bounds if self.bounds and self.bounds.bound is Bound.LOWER else None

    @property
    def least(self) -> float:
        """The share of its time that the whole NPU takes at least, for one of many beside each other."""
        return min(self.share, 1.0 if self.least_us is None else self.least_us / self.time_us)

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
    network: Network | None = None  # of the atlas, where the name says one
    graph_bytes: float | None = None  # that its weights and its largest activation take, by its graph


def weakest(times: Sequence[ModelTime]) -> ModelTime | None:
    """The one of the weakest kind, by which a sum is named; None of none."""
    return max(times, key=strength, default=None)


def strength(time: ModelTime) -> float:
    """Where its kind stands, the strongest first; what a publisher's compiler simulated is a simulation."""
    return ORDER[time.kind] + (1.5 if time.origin is Kind.SIMULATED else 0.0)


def times_of(row: Result, facts: FactSheet) -> Iterator[ModelTime]:
    """The times of a row that worked, each of its kind. What was measured of an emulated board is none."""
    for figures in row.all_figures if row.status is Status.OK else ():
        time_us = time_of(figures)
        if time_us is None or (row.emulated and figures.kind is Kind.MEASURED):
            continue
        mode = figures.npu_mode or str(row.protocol.get("mode", ""))
        yield ModelTime(
            *(row.case, row.board, figures.kind, time_us, _share(row, figures, facts)),
            origin=Kind.SIMULATED if figures.origin is Kind.SIMULATED else None,
            latency=figures.latency_us,
            sigma=_sigma(figures),
            bounds=bounds_of(figures),
            mode=mode,
            precision=str(row.precision),
            source=str(row.protocol.get("source", "")),
            memory_bytes=figures.memory_bytes,
            on_cpu=tuple(on_cpu(figures)),
            result=row,
        )


def _share(row: Result, figures: Figures, facts: FactSheet) -> float:
    """Part of the NPU: by the figures themselves, else by what a published table says of its mode."""
    chip = find_chip(row.chip)
    if figures.npu is None and chip and (told := str(row.protocol.get("mode", ""))):
        return share_of_mode(chip, mode_of(told)) or 1.0
    return share_of_npu(figures, facts)


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


PRECISIONS: Mapping[str, frozenset[str]] = {
    "int8": frozenset(("int8", "w8a8", "w8a8_mixed_int16")),
    "fp16": frozenset(("fp16", "f16", "float")),
    "fp32": frozenset(("fp32", "f32", "float")),
}
"""What is asked to the words of publishers; Qualcomm's `float` may be either."""


def is_of_precision(told: str, asked: str) -> bool:
    """Whether a figure of that precision counts; any does where none is asked."""
    return not asked or told.casefold() in PRECISIONS[asked]


def is_inaccurate(row: Result, need: ModelNeed) -> bool:
    """Whether a row is known not to be accurate enough."""
    if need.minimum is None:
        return False
    value = accuracy_value(row, need.metric)
    return value is not None and value < need.minimum
