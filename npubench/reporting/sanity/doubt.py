"""What a sanity check finds: doubts, each with its reason, its evidence and what to do next."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from npubench.domain.records import Result


class DoubtClass(StrEnum):
    """What is wrong, perhaps."""

    IDENTICAL_FIGURES = "identical_figures"
    IDENTICAL_ARTIFACT = "identical_artifact"
    LOW_ACCURACY = "low_accuracy"
    WRONG_MACS = "wrong_macs"
    BOARD_MOVED = "board_moved"
    WIDE_SPREAD = "wide_spread"
    NO_BOARD_TIME = "no_board_time"
    FLOAT_MACS = "float_macs"
    KERNELS_DIFFER = "kernels_differ"
    EARLIER_DEFINITION = "earlier_definition"
    FIGURES_DISAGREE = "figures_disagree"
    SIMULATION_AS_TIME = "simulation_as_time"
    UNUSUAL_RATIO = "unusual_ratio"
    ABOVE_PEAK = "above_peak"
    FAR_FROM_PUBLISHED = "far_from_published"
    EQUAL_TIMES = "equal_times"
    EQUAL_CHIPS = "equal_chips"
    UNUSUAL_CLOCK = "unusual_clock"
    IMPOSSIBLE_SPEED_UP = "impossible_speed_up"
    SLOWER_BATCH = "slower_batch"
    UNLIKELY_SPREAD = "unlikely_spread"
    NOISY_BOARD = "noisy_board"


_LESS_NOISE = "close other programs, fix the clock, then measure again with more rounds"
_SAME_STATE = "fix clock and governor, let the board cool, then measure again"

NEXT_STEPS: Mapping[DoubtClass, str] = {
    DoubtClass.IDENTICAL_FIGURES: "measure all but one of them again, and compare the artifacts' hashes",
    DoubtClass.IDENTICAL_ARTIFACT: "convert each model again in a folder of its own, then measure again",
    DoubtClass.LOW_ACCURACY: "look up the named output, and calibrate with data of your own",
    DoubtClass.WRONG_MACS: "compare the file and its input size with what was built, then build again",
    DoubtClass.BOARD_MOVED: _SAME_STATE,
    DoubtClass.WIDE_SPREAD: _LESS_NOISE,
    DoubtClass.NO_BOARD_TIME: "measure these cases on the board before their simulation is used",
    DoubtClass.FLOAT_MACS: "look up which operators stay in float, and quantise or replace them",
    DoubtClass.KERNELS_DIFFER: "take the accuracy of the fused kernels, or measure on another processor",
    DoubtClass.EARLIER_DEFINITION: "measure it again with this version before it is compared",
    DoubtClass.FIGURES_DISAGREE: (
        "look up each of these figures in the tool's own log, then measure or import again"
    ),
    DoubtClass.SIMULATION_AS_TIME: "take the time from the board's own log, else leave it empty",
    DoubtClass.UNUSUAL_RATIO: "measure it again beside a row that fits, with the board's clock noted",
    DoubtClass.ABOVE_PEAK: "check the unit of the time and the file that was run, then measure again",
    DoubtClass.FAR_FROM_PUBLISHED: (
        "compare input size, cut of the graph, clocks, cores and what the time includes"
    ),
    DoubtClass.EQUAL_TIMES: "measure one of them again: by chance it will not come out the same",
    DoubtClass.EQUAL_CHIPS: "ask the board for its chip, and measure one of the rows again",
    DoubtClass.UNUSUAL_CLOCK: _SAME_STATE,
    DoubtClass.IMPOSSIBLE_SPEED_UP: "measure both rows again, one after the other, and check their cores",
    DoubtClass.SLOWER_BATCH: "measure both again, and check what a sample is and the memory that is free",
    DoubtClass.UNLIKELY_SPREAD: "look at the kept single times, then measure again in fresh processes",
    DoubtClass.NOISY_BOARD: _LESS_NOISE,
}
"""What to do about a doubt of each class: the English texts, translated where they are said."""


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
