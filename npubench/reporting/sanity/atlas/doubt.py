"""Doubts about figures of the atlas: what is wrong, perhaps, with which of them, and what shows it."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum, auto

from npubench.reporting.sanity.atlas.cells import Cell
from npubench.reporting.sanity.doubt import Strength


class FigureDoubtClass(StrEnum):
    """What is wrong, perhaps; and what to do then."""

    next_step: str

    def __new__(cls, value: str, next_step: str) -> "FigureDoubtClass":
        """A text with a next step beside it."""
        found = str.__new__(cls, value)
        found._value_ = value
        found.next_step = next_step
        return found

    UNIT_SLIP = auto(), "look the figure and its unit up in the source, then correct the table"
    RATE_AND_TIME = auto(), "look both figures up in the source: one of them is another row's"
    ABOVE_PEAK = auto(), "check which input, head and batch the figure is of before it is used"
    IMPOSSIBLE_SPEED_UP = auto(), "check cores, batch and toolchain version of both rows at the source"
    SLOWER_BATCH = auto(), "take the figure of one sample; ask whether the batch fits the memory"
    EQUAL_TABLES = auto(), "take the figures for one of the chips alone, until the publisher says which"
    FAR_FROM_NEIGHBOURS = auto(), "leave it out of fits until somebody measures it again"
    FAR_FROM_PUBLISHERS = auto(), "compare head, input, clock and version of both publishers for this network"
    TWO_CAMPAIGNS = auto(), "fit the two groups of rows apart"
    TOOL_VERSIONS = auto(), "compare rows of one version only, or measure with one's own"
    COMPILED_APART = auto(), "compile both networks again with one version before they are ranked"
    ONE_CELL_TWICE = auto(), "find out which networks the two rows are of: the names do not say"
    UNLIKE_NETWORKS = auto(), "join by network and input, never by the name alone"
    ONE_NETWORK_APART = auto(), "look for what differs: compiler script, mixed precision, outputs"
    SAME_FIGURES = auto(), "take them for one network, unless their graphs say otherwise"


@dataclass(frozen=True, slots=True)
class FigureDoubt:
    """One doubt about published figures."""

    doubt_class: FigureDoubtClass  # what is wrong, perhaps
    strength: Strength  # how sure that is
    chip: str  # names of chips, set apart by commas
    publisher: str  # names of publishers, set apart by commas
    cases: tuple[str, ...]  # models, in their publishers' words
    places: tuple[str, ...]  # `table:line` of each figure that is doubted
    reason: str  # one sentence
    evidence: tuple[str, ...]  # the figures that show it, a line each
    next_step: str = ""  # what to do; of the class


def doubt_of(
    cells: Iterable[Cell], doubt_class: FigureDoubtClass, strength: Strength, reason: str, *evidence: str
) -> FigureDoubt:
    """A doubt about these figures."""
    of = list(cells)
    return FigureDoubt(
        *(doubt_class, strength),
        ", ".join(dict.fromkeys(cell.figure.chip for cell in of)),
        ", ".join(dict.fromkeys(cell.publisher for cell in of)),
        tuple(dict.fromkeys(cell.figure.model for cell in of)),
        tuple(dict.fromkeys(cell.place for cell in of)),
        reason,
        evidence,
        doubt_class.next_step,
    )
