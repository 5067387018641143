"""Doubts about the figures that a decision rests on: of rows and of published tables, by figure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from npubench.domain.records import Result
from npubench.published.atlas import PublishedFigure
from npubench.reporting.data.translate import language, translate
from npubench.reporting.sanity import Doubt, doubts
from npubench.reporting.sanity.atlas import FigureDoubtClass, figure_doubts
from npubench.reporting.sanity.doubt import Strength
from npubench.reporting.select.verdict import ChipVerdict, Decision, Figure, Suspicion

WHAT: Mapping[FigureDoubtClass, str] = {
    FigureDoubtClass.UNIT_SLIP: "far from what is expected by a factor as of a wrong unit",
    FigureDoubtClass.RATE_AND_TIME: "the rate and the time that are published do not fit each other",
    FigureDoubtClass.ABOVE_PEAK: "faster than the chip's peak allows",
    FigureDoubtClass.IMPOSSIBLE_SPEED_UP: "more cores or a larger batch gain more than they can",
    FigureDoubtClass.SLOWER_BATCH: "a batch is slower than its samples one by one",
    FigureDoubtClass.EQUAL_TABLES: "the same figures stand under the names of several chips",
    FigureDoubtClass.FAR_FROM_NEIGHBOURS: "far from what other networks on the chip and other chips tell",
    FigureDoubtClass.FAR_FROM_PUBLISHERS: "far from what another publisher tells of the same",
    FigureDoubtClass.TWO_CAMPAIGNS: "two groups of rows of one table differ as if measured apart",
    FigureDoubtClass.TOOL_VERSIONS: "rows of several versions of the tool differ",
    FigureDoubtClass.COMPILED_APART: "networks of one size differ as if compiled by other versions",
    FigureDoubtClass.ONE_CELL_TWICE: "one publisher has two figures of the same",
    FigureDoubtClass.UNLIKE_NETWORKS: "one name stands for networks of other sizes",
    FigureDoubtClass.ONE_NETWORK_APART: "names of one network differ more than it should",
    FigureDoubtClass.SAME_FIGURES: "two networks have the same figures",
}
"""Classes in words, for languages that the reason itself is not told in."""

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
            reason = doubt.reason if language() == "en" else translate(WHAT[doubt.doubt_class])
            found[place].append(Suspicion(doubt.strength, reason, translate(doubt.next_step)))
    return found
