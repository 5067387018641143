"""What sanity checks share: doubts, each with its reason, evidence and next step, and the times of a row."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum, auto

from npubench.domain.figures import Figures, Kind, Latency
from npubench.domain.records import Result, Status
from npubench.measure.reliability import one_program
from npubench.reporting.data.figures import left_out_of
from npubench.reporting.data.formatting import significant

_LESS_NOISE = "close other programs, fix the clock, then measure again with more rounds"
_SAME_STATE = "fix clock and governor, let the board cool, then measure again"


class DoubtClass(StrEnum):
    """What is wrong, perhaps; and what to do then, in English, translated where it is said."""

    next_step: str

    def __new__(cls, value: str, next_step: str) -> "DoubtClass":
        """A text with a next step beside it."""
        found = str.__new__(cls, value)
        found._value_ = value
        found.next_step = next_step
        return found

    IDENTICAL_FIGURES = auto(), "measure all but one of them again, and compare the artifacts' hashes"
    IDENTICAL_ARTIFACT = auto(), "convert each model again in a folder of its own, then measure again"
    LOW_ACCURACY = auto(), "look up the named output, and calibrate with data of your own"
    WRONG_MACS = auto(), "compare the file and its input size with what was built, then build again"
    BOARD_MOVED = auto(), _SAME_STATE
    WIDE_SPREAD = auto(), _LESS_NOISE
    NO_BOARD_TIME = auto(), "measure these cases on the board before their simulation is used"
    FLOAT_MACS = auto(), "look up which operators stay in float, and quantise or replace them"
    KERNELS_DIFFER = auto(), "take the accuracy of the fused kernels, or measure on another processor"
    EARLIER_DEFINITION = auto(), "measure it again with this version before it is compared"
    FIGURES_DISAGREE = (
        auto(),
        "look up each of these figures in the tool's own log, then measure or import again",
    )
    SIMULATION_AS_TIME = auto(), "take the time from the board's own log, else leave it empty"
    UNUSUAL_RATIO = auto(), "measure it again beside a row that fits, with the board's clock noted"
    ABOVE_PEAK = auto(), "check the unit of the time and the file that was run, then measure again"
    FAR_FROM_PUBLISHED = (
        auto(),
        "compare input size, cut of the graph, clocks, cores and what the time includes",
    )
    EQUAL_TIMES = auto(), "measure one of them again: by chance it will not come out the same"
    EQUAL_CHIPS = auto(), "ask the board for its chip, and measure one of the rows again"
    UNUSUAL_CLOCK = auto(), _SAME_STATE
    IMPOSSIBLE_SPEED_UP = auto(), "measure both rows again, one after the other, and check their cores"
    SLOWER_BATCH = auto(), "measure both again, and check what a sample is and the memory that is free"
    UNLIKELY_SPREAD = auto(), "look at the kept single times, then measure again in fresh processes"
    NOISY_BOARD = auto(), _LESS_NOISE


class Strength(StrEnum):
    """strong: look at it before the figure is used; weak: there are harmless explanations, too."""

    STRONG = "strong"
    WEAK = "weak"

    @classmethod
    def strong_if(cls, strong: object) -> "Strength":
        """Strong where that holds, else weak."""
        return cls.STRONG if strong else cls.WEAK


@dataclass(frozen=True, slots=True)
class Doubt:
    """One doubt about cases of a board."""

    doubt_class: DoubtClass  # what is wrong, perhaps
    strength: Strength  # how sure that is
    board: str  # its name
    backend: str  # its name
    precision: str  # one, or several set apart by commas
    cases: tuple[str, ...]  # names; none: the board itself is doubted
    reason: str  # one sentence
    evidence: tuple[str, ...]  # the figures that show it, a line each
    next_step: str = ""  # what to do; filled in by the class

    @property
    def place(self) -> tuple[str, str, tuple[str, ...]]:
        """Board, precision and cases: what several checks may doubt at once."""
        return self.board, self.precision, self.cases

    def is_about(self, result: Result) -> bool:
        """Whether it names the row, or the board that it is of."""
        if self.board != result.board:
            return False
        return not self.cases or (result.case in self.cases and result.precision.value in self.precision)


def doubt_of(
    of: Result | Sequence[Result], doubt_class: DoubtClass, strength: Strength, reason: str, *evidence: str
) -> Doubt:
    """A doubt about a row, or about rows of one board and backend."""
    rows = (of,) if isinstance(of, Result) else of
    precisions = ", ".join(sorted({row.precision.value for row in rows}))
    cases = tuple(dict.fromkeys(row.case for row in rows))
    return Doubt(doubt_class, strength, rows[0].board, rows[0].backend, precisions, cases, reason, evidence)


class Part(StrEnum):
    """What a time of a board is of: the whole call, the NPU's part, or a sample where only a rate is told."""

    CALL = "call"
    NPU = "npu"
    RATE = "rate"


@dataclass(frozen=True, slots=True)
class BoardTime:
    """A time on a board."""

    part: Part  # what the time is of
    us: float  # microseconds
    printed: float  # the number that was told: us, or samples a second


def measured_of(row: Result) -> Figures | None:
    """Figures that a board gave; None of an emulated board, whose times are no performance of a chip."""
    if row.status is not Status.OK or row.emulated:
        return None
    figures = row.figures
    return figures if figures is not None and Kind.MEASURED in (figures.kind, figures.origin) else None


def simulated_of(row: Result) -> Figures | None:
    """Figures that a compiler simulated, wherever they stand."""
    found = reversed(row.all_figures) if row.status is Status.OK else ()
    return next((figures for figures in found if Kind.SIMULATED in (figures.kind, figures.origin)), None)


def board_times(row: Result) -> tuple[BoardTime, ...]:
    """Times that a board gave: of the call, and of the NPU's part where it is told apart.

    Of a published row there is one, and a table means the same by it throughout.
    """
    figures = measured_of(row)
    if figures is None:
        return ()
    call, part = typical_us(figures.latency_us), figures.npu_time_us
    if figures.kind is Kind.PUBLISHED and call is not None:
        return (BoardTime(Part.CALL, call, call),)
    npu = () if part is None or part <= 0 else (BoardTime(Part.NPU, part, part),)
    if call is None:
        rate = figures.throughput_fps
        return npu if npu or not rate or rate <= 0 else (BoardTime(Part.RATE, 1e6 / rate, rate),)
    return (BoardTime(Part.CALL, call, call), *npu)


def is_exact(figures: Figures) -> bool:
    """Whether the time is the time: one that leaves something out stands in no relation to others.

    A time of a part of the NPU is whole in itself: what it is held against is of that part, too.
    """
    return left_out_of(figures) is None


def typical_us(latency: Latency | None) -> float | None:
    """The median, else the mean; None where there is neither or it is no time."""
    if latency is None:
        return None
    time = latency.mean if latency.p50 is None else latency.p50
    return time if time > 0 else None


def samples_per_call(figures: Figures) -> int:
    """Samples that `throughput_fps` counts a call; 1 where nothing says so."""
    return figures.sampling.samples_per_call if figures.sampling else 1


def call_us(figures: Figures) -> float | None:
    """Microseconds of one call: the latency, else what the throughput says."""
    time = typical_us(figures.latency_us)
    if time is None and figures.throughput_fps and figures.throughput_fps > 0:
        time = samples_per_call(figures) * 1e6 / figures.throughput_fps
    return time


def us(value_us: float, digits: int = 3) -> str:
    """Microseconds, or another figure, as tools print them: no thousands set apart."""
    return significant(value_us, digits, separator="")


def plain(name: str) -> str:
    """A network's name as publishers write it differently: `YOLOX_s`, `yolox-s`."""
    return name.casefold().replace("_", "-").removesuffix(".onnx")


def are_one_network(one: Result, other: Result) -> bool:
    """Whether two rows are, or by their names may be, of the same program."""
    return one.case == other.case or one_program({one.case: one, other.case: other}, simulated=False)
