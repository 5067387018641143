"""Where operators ran at worst: by board and layer, over all rows; failures are not hidden by what worked."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from npubench.domain.records import Figures, Result, Status
from npubench.domain.specs import CaseKind
from npubench.reporting.data.op_support import (
    CRASH,
    FAILED,
    UNSUPPORTED,
    WRONG,
    cell,
    units_of,
    what_failed,
)
from npubench.reporting.data.translate import say

NPU, CPU, CUSTOM, RUNS = "NPU", "CPU", "custom", "runs"
WORST_FIRST = (CRASH, WRONG, FAILED, UNSUPPORTED, CPU, CUSTOM, NPU, RUNS)

Where = tuple[str, str]
"""A board and its backend."""


@dataclass(frozen=True, slots=True)
class Placement:
    """The worst place of an operator; `seen` of `tried` layers (rows, where no layers are told) are there."""

    place: str
    seen: int = 1
    tried: int = 1

    @property
    def text(self) -> str:
        """With how many it is of, where it is not all."""
        return self.place if self.seen == self.tried else f"{self.place} ({self.seen} of {self.tried})"


def word_of(place: str) -> str:
    """A place for a page, in its language."""
    return {CRASH: say("crash"), WRONG: say("wrong result")}.get(place) or say(place)


def placements(results: Iterable[Result]) -> dict[str, dict[Where, Placement]]:
    """Operator -> board and backend -> the worst that became of it there."""
    found: dict[str, dict[Where, Placement]] = {}
    for row in results:
        for operator, placed in of_row(row):
            boards = found.setdefault(operator, {})
            where = (row.board, row.backend)
            boards[where] = worse(boards[where], placed) if where in boards else placed
    return found


def of_row(row: Result) -> Iterator[tuple[str, Placement]]:
    """What a row says of operators: of a model's failure only those that the tool named."""
    about = row.op if row.case_kind is CaseKind.OPERATOR else ""
    if row.status is Status.FAILED and row.failure:
        what = what_failed(row.failure)
        # A model of one operator type that crashes a tool names it as well as the tool could.
        only = tuple(row.operators) if what == CRASH and len(row.operators) == 1 else ()
        named = row.failure.operators or ((about,) if about else only)
        yield from ((name, Placement(what)) for name in named if what)
        return
    figures = row.figures or row.estimate
    if row.status is not Status.OK or figures is None:
        return
    if about and cell(row) == WRONG:
        yield about, Placement(WRONG)
    for name in row.operators or figures.placement:
        if name != about or cell(row) != WRONG:
            yield name, _placed(figures, name, name == about)


def worse(one: Placement, other: Placement) -> Placement:
    """The worse of two, counted; where one does not tell the place, the other."""
    if RUNS in (one.place, other.place) and one.place != other.place:
        return other if one.place == RUNS else one
    first, second = _rank(one.place), _rank(other.place)
    seen = one.seen + other.seen if one.place == other.place else (one if first <= second else other).seen
    return Placement(one.place if first <= second else other.place, seen, one.tried + other.tried)


def _placed(figures: Figures, operator: str, about: bool) -> Placement:
    """By layers; of an operator that a case is about also by what the tool made of it."""
    known = (
        about or operator in figures.placement or any(operator in one.operators for one in figures.layers_on)
    )
    units = units_of(figures, (operator,)) if known else ()
    if not units:
        return Placement(RUNS)
    place = min(units, key=_rank)
    return Placement(place, units.count(place), len(units))


def _rank(place: str) -> int:
    """A unit that nobody here knows, as a DSP, is worse than the NPU and better than the CPU."""
    return WORST_FIRST.index(place if place in WORST_FIRST else CUSTOM)
