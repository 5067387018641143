"""Tables of a decision: heads and cells in the language of now, for a page, Markdown and a terminal."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from npubench.reporting.data.translate import translate
from npubench.reporting.select.checks import TITLES, Check, Outcome
from npubench.reporting.select.matrix import SHORT, Cell, cells_of, names_of
from npubench.reporting.select.ranking import TITLES as TERMS
from npubench.reporting.select.ranking import Term
from npubench.reporting.select.requirements import ModelNeed, StreamNeed
from npubench.reporting.select.stream_wording import (
    cameras_text,
    lacking_lines,
    stream_lines,
    stream_notes,
)
from npubench.reporting.select.trust import rests_on
from npubench.reporting.select.verdict import ChipVerdict, Decision
from npubench.reporting.select.wording import (
    binding_text,
    confidence_text,
    figure_text,
    jobs_text,
    load_text,
    next_text,
    percent,
    power_text,
    price_text,
    score_text,
)

Table = tuple[Sequence[str], Sequence[Sequence[str]]]
"""Heads in the language of now, and the cells of each line."""

Line = TypeVar("Line")
Columns = Sequence[tuple[str, Callable[[Line], str]]]
"""The head of each column, and its cell of a line."""


def table_of(columns: Columns[Line], lines: Iterable[Line]) -> Table:
    """Its heads, and the cells of these lines."""
    return [translate(head) for head, _ in columns], [[cell(one) for _, cell in columns] for one in lines]


def sure_text(verdict: ChipVerdict) -> str:
    """The chance that the verdict is right, where bands tell it."""
    if verdict.confidence is None and verdict.kind is not None:
        return translate("no band")
    return confidence_text(verdict.confidence)


RANKING: Columns[ChipVerdict] = (
    ("rank", lambda one: str(one.rank or "–")),
    ("chip", lambda one: one.chip),
    ("verdict", lambda one: translate(one.outcome.value)),
    ("how sure", sure_text),
    ("NPU time", load_text),
    ("room", lambda one: percent(one.headroom)),
    ("bound by", binding_text),
    ("price", price_text),
    ("next", next_text),
)
"""A line a chip."""

COSTS: Columns[ChipVerdict] = (
    ("fits", jobs_text),
    ("cameras", lambda one: cameras_text(one.streams)),
    ("power", power_text),
    ("score", score_text),
)
"""Of the second table, behind the figures of the models."""

CHECKS: Columns[Check] = (
    ("requirement", lambda one: translate(TITLES[one.name])),
    ("verdict", lambda one: translate(one.outcome.value)),
    ("needed", lambda one: one.need),
    ("there is", lambda one: one.have),
    ("room", lambda one: percent(one.headroom)),
    ("sure", lambda one: confidence_text(one.confidence)),
    ("why", lambda one: one.why),
)
"""A line a requirement."""

ASKED: Columns[tuple[StreamNeed, ModelNeed]] = (
    ("stream", lambda one: one[0].name),
    ("count", lambda one: str(one[0].count)),
    ("resolution", lambda one: f"{one[0].width}×{one[0].height} {one[0].fps:g}/s"),
    ("codec", lambda one: one[0].codec),
    ("what", lambda one: one[1].role),
    ("model", lambda one: " / ".join(one[1].names)),
    ("runs a second", lambda one: f"{one[1].rate:g}"),
    ("at least", lambda one: "–" if one[1].minimum is None else f"{one[1].metric} {one[1].minimum:g}"),
)
"""A line a model of what is asked."""

TERM_COLUMNS: Columns[Term] = (
    ("what", lambda one: translate(TERMS[one.name])),
    ("weight", lambda one: f"{one.weight:.3f}"),
    ("value", lambda one: "–" if one.value is None else f"{one.value:.3f}"),
    ("from", lambda one: one.how),
    ("points", lambda one: f"{one.points:.3f}"),
)
"""A line an addend of the score."""


def ranking_table(decision: Decision) -> Table:
    """One line a chip, best first: verdict, how sure, load, what binds, price, what is next."""
    return table_of(RANKING, decision.verdicts)


def matrix_table(decision: Decision) -> Table:
    """One line a chip, a column a requirement: pass, fail, or ? with what would settle it."""
    names = names_of(decision.verdicts)
    lines = [[one.chip, *map(_settled_by, cells_of(one, names)), rests_on(one)] for one in decision.verdicts]
    heads = [translate("chip"), *(translate(SHORT[name]) for name in names), translate("rests on")]
    return heads, lines


def _settled_by(cell: Cell) -> str:
    step = next(iter(cell.check.steps), None) if cell.check and cell.outcome is Outcome.UNKNOWN else None
    return f"{cell.word} ({step.brief or step.what})" if step else cell.word


def asked_table(decision: Decision) -> Table:
    """One line a model of what is asked."""
    return table_of(ASKED, decision.asked.models)


def figure_table(decision: Decision) -> Table:
    """One line a chip, a column a model: what is known of its time, with its kind; then power and score."""
    heads = [translate("chip"), *(need.role for _, need in decision.asked.models)]
    lines = [
        [one.chip, *map(figure_text, one.figures), *(cell(one) for _, cell in COSTS)]
        for one in decision.verdicts
    ]
    return [*heads, *(translate(head) for head, _ in COSTS)], lines


def check_table(verdict: ChipVerdict) -> Table:
    """One line a requirement."""
    return table_of(CHECKS, verdict.checks)


def term_table(verdict: ChipVerdict) -> Table:
    """The arithmetic of the score, its sum last."""
    head, lines = table_of(TERM_COLUMNS, verdict.terms)
    return head, [*lines, (translate("sum"), "", "", "", score_text(verdict))] if lines else []


def stream_table(verdict: ChipVerdict) -> Table:
    """One line a figure of the simulation; none where nothing could be simulated."""
    lines = stream_lines(verdict.streams) if verdict.streams else []
    return [translate("streams, simulated"), translate("value")] if lines else [], lines


def stream_remarks(verdict: ChipVerdict) -> list[str]:
    """What is not in the simulation, what would have to change, what was taken for granted."""
    found = verdict.streams
    return [*lacking_lines(found.lacking), *stream_notes(found)] if found and found.simulated else []
