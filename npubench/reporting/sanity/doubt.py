"""What a sanity check finds: doubts, each with its reason, its evidence and what to do next."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from npubench.domain.records import Result

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

    IDENTICAL_FIGURES = (
        "identical_figures",
        "measure all but one of them again, and compare the artifacts' hashes",
    )
    IDENTICAL_ARTIFACT = (
        "identical_artifact",
        "convert each model again in a folder of its own, then measure again",
    )
    LOW_ACCURACY = "low_accuracy", "look up the named output, and calibrate with data of your own"
    WRONG_MACS = "wrong_macs", "compare the file and its input size with what was built, then build again"
    BOARD_MOVED = "board_moved", _SAME_STATE
    WIDE_SPREAD = "wide_spread", _LESS_NOISE
    NO_BOARD_TIME = "no_board_time", "measure these cases on the board before their simulation is used"
    FLOAT_MACS = "float_macs", "look up which operators stay in float, and quantise or replace them"
    KERNELS_DIFFER = (
        "kernels_differ",
        "take the accuracy of the fused kernels, or measure on another processor",
    )
    EARLIER_DEFINITION = "earlier_definition", "measure it again with this version before it is compared"
    FIGURES_DISAGREE = (
        "figures_disagree",
        "look up each of these figures in the tool's own log, then measure or import again",
    )
    SIMULATION_AS_TIME = "simulation_as_time", "take the time from the board's own log, else leave it empty"
    UNUSUAL_RATIO = "unusual_ratio", "measure it again beside a row that fits, with the board's clock noted"
    ABOVE_PEAK = "above_peak", "check the unit of the time and the file that was run, then measure again"
    FAR_FROM_PUBLISHED = (
        "far_from_published",
        "compare input size, cut of the graph, clocks, cores and what the time includes",
    )
    EQUAL_TIMES = "equal_times", "measure one of them again: by chance it will not come out the same"
    EQUAL_CHIPS = "equal_chips", "ask the board for its chip, and measure one of the rows again"
    UNUSUAL_CLOCK = "unusual_clock", _SAME_STATE
    IMPOSSIBLE_SPEED_UP = (
        "impossible_speed_up",
        "measure both rows again, one after the other, and check their cores",
    )
    SLOWER_BATCH = (
        "slower_batch",
        "measure both again, and check what a sample is and the memory that is free",
    )
    UNLIKELY_SPREAD = (
        "unlikely_spread",
        "look at the kept single times, then measure again in fresh processes",
    )
    NOISY_BOARD = "noisy_board", _LESS_NOISE


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


def doubt_of(
    of: Result | Sequence[Result], doubt_class: DoubtClass, strength: Strength, reason: str, *evidence: str
) -> Doubt:
    """A doubt about a row, or about rows of one board and backend."""
    rows = (of,) if isinstance(of, Result) else of
    precisions = ", ".join(sorted({row.precision.value for row in rows}))
    cases = tuple(dict.fromkeys(row.case for row in rows))
    return Doubt(doubt_class, strength, rows[0].board, rows[0].backend, precisions, cases, reason, evidence)
