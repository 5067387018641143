"""What the page of a decision is drawn of, in the language of now."""

from collections.abc import Sequence
from dataclasses import dataclass

from npubench.domain.figures import Kind
from npubench.reporting.charts.scatter import Scatter
from npubench.reporting.data.translate import translate
from npubench.reporting.sanity.doubt import Strength
from npubench.reporting.select.answer import cameras_of, counts_of, summary_of
from npubench.reporting.select.checks import TITLES, Outcome, Step
from npubench.reporting.select.matrix import SHORT, Cell, cells_of, names_of
from npubench.reporting.select.pareto import pareto
from npubench.reporting.select.tabled import (
    FiguresOfKind,
    Table,
    check_table,
    cost_table,
    figures_by_kind,
    fits_text,
    load_kinds,
    missing_table,
    ranking_table,
    stream_remarks,
    stream_table,
    term_table,
)
from npubench.reporting.select.trust import Trust, rests_on, trust_line, trust_of
from npubench.reporting.select.verdict import ChipVerdict, Decision, Figure
from npubench.reporting.select.wording import band_text, load_text, time_text

FIRST = 5
"""Chips of the first screen; one click shows all."""


@dataclass(frozen=True, slots=True)
class Settled:
    """A step, and the requirements that it would settle."""

    step: Step
    names: tuple[str, ...]  # keys of TITLES
    titles: str  # the same in words


@dataclass(frozen=True, slots=True)
class LoadHead:
    """A column of the NPU's time."""

    kind: Kind | None
    origin: Kind | None  # what it was for its publisher
    late: bool  # no chip that stands first has any


@dataclass(frozen=True, slots=True)
class ChipView:
    """One chip on the page."""

    verdict: ChipVerdict
    cells: tuple[Cell, ...]  # of the matrix
    load: str  # share of a second, without its kind and band
    band: str  # of the load; empty: none is known
    fits: str  # how often the job fits
    checks: Table
    settled: tuple[Settled, ...]  # what would settle its unknowns
    terms: Table
    streams: Table
    remarks: tuple[str, ...]  # on the simulation of streams
    rests_on: str  # kinds of its figures
    why_doubtful: str  # of a figure that its time rests on; empty: all can be relied on

    @property
    def doubtful(self) -> bool:
        """Whether a figure that its time rests on is."""
        return bool(self.why_doubtful)


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
    loads: tuple[LoadHead, ...]  # columns of the NPU's time
    figures: tuple[FiguresOfKind, ...]
    missing: Table  # models without a figure
    costs: Table
    chips: tuple[ChipView, ...]
    kinds: tuple[Kind, ...]  # that there are
    first_kinds: tuple[Kind, ...]  # of the chips that stand first
    pareto: Scatter | None
    without_price: str  # names of chips that are not drawn
    first: int  # chips that stand first

    @staticmethod
    def time(figure: Figure) -> str:
        """Of one model."""
        return time_text(figure)


def view_of(decision: Decision) -> SelectionView:
    """All of it; nothing is rounded or worded again by the template."""
    verdicts = decision.verdicts
    names, trust = names_of(verdicts), trust_of(decision)
    first = FIRST if len(verdicts) > FIRST + 1 else len(verdicts)
    early = load_kinds(verdicts[:first])
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
        loads=tuple(LoadHead(*kind, kind not in early) for kind in load_kinds(verdicts)),
        figures=figures_by_kind(decision),
        missing=missing_table(decision),
        costs=cost_table(decision),
        chips=tuple(_chip(one, names) for one in verdicts),
        kinds=_kinds_of(verdicts),
        first_kinds=_kinds_of(verdicts[:first]),
        pareto=pareto(drawn) if len(drawn) > 1 else None,
        without_price=", ".join(absent),
        first=first,
    )


def _chip(one: ChipVerdict, names: Sequence[str]) -> ChipView:
    return ChipView(
        verdict=one,
        cells=cells_of(one, names),
        load=load_text(one),
        band=band_text(one),
        fits=fits_text(one),
        checks=check_table(one),
        settled=settled_by(one),
        terms=term_table(one),
        streams=stream_table(one),
        remarks=tuple(stream_remarks(one)),
        rests_on=rests_on(one),
        why_doubtful="; ".join(map(_why_doubtful, filter(_is_shaky, one.figures))),
    )


def _is_shaky(figure: Figure) -> bool:
    return figure.is_doubtful or figure.is_unstable or figure.busy


def _why_doubtful(figure: Figure) -> str:
    reasons = [one.reason for one in figure.doubts if one.strength is Strength.STRONG]
    reasons += [translate(figure.stability)] if figure.is_unstable else []
    reasons += [translate("timed on a busy machine")] if figure.busy else []
    return f"{figure.role}: {translate(', ').join(reasons)}"


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


def _kinds_of(verdicts: Sequence[ChipVerdict]) -> tuple[Kind, ...]:
    """Kinds that any figure or requirement of these chips is of, the strongest first."""
    figures = [figure for one in verdicts for figure in one.figures]
    there = {figure.kind for figure in figures} | {figure.origin for figure in figures}
    there |= {check.kind for one in verdicts for check in one.checks if check.outcome is not Outcome.UNKNOWN}
    there |= {Kind.SIMULATED for one in verdicts if one.streams and one.streams.simulated}
    return tuple(kind for kind in Kind if kind in there)
