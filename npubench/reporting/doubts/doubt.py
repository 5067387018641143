"""What a doubt is."""

from dataclasses import dataclass
from enum import StrEnum


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


class Strength(StrEnum):
    """strong: look at it before the figure is used; weak: there are harmless explanations, too."""

    STRONG = "strong"
    WEAK = "weak"


@dataclass(frozen=True, slots=True)
class Doubt:
    """One doubt about `cases` of a board: why, and the figures that show it, one line each."""

    doubt_class: DoubtClass
    strength: Strength
    board: str
    backend: str
    precision: str
    cases: tuple[str, ...]
    reason: str
    evidence: tuple[str, ...]
