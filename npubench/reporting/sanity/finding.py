"""What a sanity check finds."""

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


class Strength(StrEnum):
    """strong: look at it before the figure is used; weak: there are harmless explanations, too."""

    STRONG = "strong"
    WEAK = "weak"


@dataclass(frozen=True, slots=True)
class Doubt:
    """One doubt about `cases` of a board: why, and the figures that show it, one line each.

    `cases` is empty where the board itself is doubted. `next_step` is what to do; `collect.doubts` fills it
    in by the class where a check leaves it out.
    """

    doubt_class: DoubtClass
    strength: Strength
    board: str
    backend: str
    precision: str
    cases: tuple[str, ...]
    reason: str
    evidence: tuple[str, ...]
    next_step: str = ""


def doubt_of(
    row: Result, doubt_class: DoubtClass, strength: Strength, reason: str, *evidence: str, next_step: str = ""
) -> Doubt:
    """A doubt about one row."""
    return Doubt(
        doubt_class,
        strength,
        row.board,
        row.backend,
        row.precision.value,
        (row.case,),
        reason,
        evidence,
        next_step,
    )
