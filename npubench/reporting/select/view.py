"""What the page of a decision is drawn of, in the language of now."""

from collections.abc import Sequence
from dataclasses import dataclass

from npubench.domain.figures import Kind
from npubench.reporting.charts.scatter import Scatter
from npubench.reporting.data.translate import translate
from npubench.reporting.select.answer import cameras_of, counts_of, summary_of
from npubench.reporting.select.checks import TITLES, Outcome, Step
from npubench.reporting.select.matrix import SHORT, Cell, cells_of, names_of
from npubench.reporting.select.pareto import pareto
from npubench.reporting.select.tabled import (
    Table,
    check_table,
    figure_table,
    ranking_table,
    stream_remarks,
    stream_table,
    term_table,
)
from npubench.reporting.select.trust import Trust, rests_on, trust_line, trust_of
from npubench.reporting.select.verdict import ChipVerdict, Decision
from npubench.reporting.select.wording import share_of_second, time_text

FIRST = 5
"""Chips of the first screen; one click shows all."""


@dataclass(frozen=True, slots=True)
class Settled:
    """A step, and the requirements that it would settle."""

    step: Step
    names: tuple[str, ...]  # keys of TITLES
    titles: str  # the same in words


@dataclass(frozen=True, slots=True)
class ChipView:
    """One chip on the page."""

    verdict: ChipVerdict
    cells: tuple[Cell, ...]  # of the matrix
    load: str  # share of a second, without its kind
    times: tuple[str, ...]  # of the models, without their kinds
    checks: Table
    settled: tuple[Settled, ...]  # what would settle its unknowns
    terms: Table
    streams: Table
    remarks: tuple[str, ...]  # on the simulation of streams
    rests_on: str  # kinds of its figures
    doubtful: bool  # a figure that its time rests on is doubtful


@dataclass(frozen=True, slots=True)
class SelectionView:
    """The whole page."""

    decision: Decision
    answer: tuple[str, ...]  # every second part is a command
    counts: str  # what came of the chips
    cameras: str  # that the first keeps up with
    trust: Trust
    trust_line: str
    ranking: Table
    heads: tuple[tuple[str, str], ...]  # of the matrix: a short title, and the whole one
    figures: Table
    chips: tuple[ChipView, ...]
    kinds: tuple[Kind, ...]  # that there are
    pareto: Scatter | None
    without_price: str  # names of chips that are not drawn
    first: int  # chips that stand first


def view_of(decision: Decision) -> SelectionView:
    """All of it; nothing is rounded or worded again by the template."""
    verdicts = decision.verdicts
    names, trust = names_of(verdicts), trust_of(decision)
    drawn = [
        one for one in verdicts if one.price_usd and one.jobs and one.price_about == decision.levels.price
    ]
    absent = dict.fromkeys(one.chip for one in verdicts if one not in drawn)
    return SelectionView(
        decision=decision,
        answer=tuple(summary_of(decision).split("`")),
        counts=counts_of(decision),
        cameras=cameras_of(decision),
        trust=trust,
        trust_line=trust_line(trust),
        ranking=ranking_table(decision),
        heads=tuple((translate(SHORT[name]), translate(TITLES[name])) for name in names),
        figures=figure_table(decision),
        chips=tuple(_chip(one, names) for one in verdicts),
        kinds=kinds_of(decision),
        pareto=pareto(drawn) if len(drawn) > 1 else None,
        without_price=", ".join(absent),
        first=FIRST if len(verdicts) > FIRST + 1 else len(verdicts),
    )


def _chip(one: ChipVerdict, names: Sequence[str]) -> ChipView:
    return ChipView(
        verdict=one,
        cells=cells_of(one, names),
        load=share_of_second(one),
        times=tuple(map(time_text, one.figures)),
        checks=check_table(one),
        settled=settled_by(one),
        terms=term_table(one),
        streams=stream_table(one),
        remarks=tuple(stream_remarks(one)),
        rests_on=rests_on(one),
        doubtful=any(figure.is_doubtful for figure in one.figures),
    )


def settled_by(verdict: ChipVerdict) -> tuple[Settled, ...]:
    """Steps of all its unknowns, also of one that fails, each once with what it would settle."""
    found: dict[Step, list[str]] = {}
    for check in verdict.checks:
        for step in check.steps if check.outcome is Outcome.UNKNOWN else ():
            found.setdefault(step, []).append(check.name)
    return tuple(
        Settled(step, tuple(names), ", ".join(translate(TITLES[name]) for name in names))
        for step, names in found.items()
    )


def kinds_of(decision: Decision) -> tuple[Kind, ...]:
    """Kinds that any figure or requirement of the decision is of, the strongest first."""
    figures = [figure for one in decision.verdicts for figure in one.figures]
    there = {figure.kind for figure in figures} | {figure.origin for figure in figures}
    there |= {check.kind for one in decision.verdicts for check in one.checks}
    there |= {Kind.SIMULATED for one in decision.verdicts if one.streams and one.streams.simulated}
    return tuple(kind for kind in Kind if kind in there)
