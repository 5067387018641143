"""Doubts about the figures that a decision rests on: of rows and of published tables, by figure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from npubench.domain.records import Result
from npubench.published.atlas import PublishedFigure
from npubench.reporting.data.translate import translate
from npubench.reporting.sanity import Doubt, doubts
from npubench.reporting.sanity.atlas import figure_doubts
from npubench.reporting.sanity.doubt import Strength
from npubench.reporting.select.verdict import ChipVerdict, Decision, Figure, Suspicion

Suspicions = Mapping[str, Sequence[Suspicion]]
"""By the key of a row, or by `table:line` of a published figure."""


def with_doubts(decision: Decision, rows: Sequence[Result], published: Sequence[PublishedFigure]) -> Decision:
    """The same decision whose figures tell what makes them suspect; `rows` and `published` are all known."""
    used = {key for one in decision.verdicts for key in one.rows}
    found = {**_of_rows(rows, used), **_of_figures(published)}
    return replace(decision, verdicts=tuple(_judged(one, found) for one in decision.verdicts))


def _judged(verdict: ChipVerdict, found: Suspicions) -> ChipVerdict:
    return replace(verdict, figures=tuple(_doubted(figure, found) for figure in verdict.figures))


def _doubted(figure: Figure, found: Suspicions) -> Figure:
    told = [one for place in (figure.row, *figure.places) for one in found.get(place, ())]
    ordered = sorted(dict.fromkeys(told), key=lambda one: one.strength is Strength.WEAK)
    return replace(figure, doubts=tuple(ordered))


def _of_rows(rows: Sequence[Result], used: Iterable[str]) -> dict[str, list[Suspicion]]:
    """Doubts about the rows that were used; the others are there to be held against."""
    wanted = set(used)
    asked = [row for row in rows if row.key in wanted]
    found: defaultdict[str, list[Suspicion]] = defaultdict(list)
    for doubt in doubts(rows) if asked else ():
        for row in asked:
            if _is_about(doubt, row):
                found[row.key].append(Suspicion(doubt.strength, doubt.reason, doubt.next_step))
    return found


def _is_about(doubt: Doubt, row: Result) -> bool:
    """Whether a doubt names the row, or the board that it is of."""
    same_board = (doubt.board, doubt.backend) == (row.board, row.backend)
    precisions = doubt.precision.split(", ")
    return same_board and row.precision.value in precisions and (not doubt.cases or row.case in doubt.cases)


def _of_figures(published: Sequence[PublishedFigure]) -> dict[str, list[Suspicion]]:
    found: defaultdict[str, list[Suspicion]] = defaultdict(list)
    for doubt in figure_doubts(published) if published else ():
        for place in doubt.places:
            found[place].append(Suspicion(doubt.strength, doubt.reason, translate(doubt.next_step)))
    return found
