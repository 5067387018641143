"""Tables of a decision: heads and cells in the language of now, for a page, Markdown and a terminal."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
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
from npubench.reporting.select.trust import ORDER as KIND_ORDER
from npubench.reporting.select.trust import KindOf, kinds_of, rests_on
from npubench.reporting.select.verdict import ChipVerdict, Decision, Figure
from npubench.reporting.select.wording import (
    binding_text,
    confidence_text,
    jobs_text,
    kind_text,
    kind_words,
    next_text,
    percent,
    power_text,
    price_text,
    score_text,
    share_of_second,
    time_text,
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


RANK: Columns[ChipVerdict] = (
    ("rank", lambda one: str(one.rank or "–")),
    ("chip", lambda one: one.chip),
    ("verdict", lambda one: translate(one.outcome.value)),
)
"""A line a chip: what stands before the NPU's time, which has a column a kind."""

ROOM: Columns[ChipVerdict] = (
    ("room", lambda one: percent(one.headroom)),
    ("bound by", binding_text),
    ("how sure", sure_text),
    ("price", price_text),
    ("next", next_text),
)
"""What stands behind it."""

COSTS: Columns[ChipVerdict] = (
    ("chip", lambda one: one.chip),
    ("cameras", lambda one: cameras_text(one.streams)),
    ("power", power_text),
    ("score", score_text),
)
"""What else is known of a chip: a line each."""

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


def load_kinds(verdicts: Sequence[ChipVerdict]) -> tuple[KindOf, ...]:
    """Kinds that the NPU's time is of on any chip, by the weakest of its models; the strongest first."""
    there = {(one.kind, one.origin) for one in verdicts if one.load is not None}
    return tuple(kind for kind in KIND_ORDER if kind in there)


def load_column(kind: KindOf, text: Callable[[ChipVerdict], str]) -> Callable[[ChipVerdict], str]:
    """Cells of one kind's column: blank where the chip's time is of another kind."""
    return lambda one: text(one) if one.load is not None and (one.kind, one.origin) == kind else ""


def ranking_table(decision: Decision) -> Table:
    """One line a chip, best first: verdict, NPU time in a column a kind, what binds, how sure."""
    kinds = load_kinds(decision.verdicts)
    names = [translate("NPU time, {kind}", kind=kind_words(*kind)) for kind in kinds]
    columns = [cell for _, cell in RANK]
    columns += [load_column(kind, share_of_second) for kind in kinds]
    columns += [cell for _, cell in ROOM]
    heads = [*(translate(head) for head, _ in RANK), *names, *(translate(head) for head, _ in ROOM)]
    return heads, [[cell(one) for cell in columns] for one in decision.verdicts]


def matrix_table(decision: Decision) -> Table:
    """One line a chip, a column a requirement: its outcome with its figure, or ? with what is next."""
    names = names_of(decision.verdicts)
    lines = [[one.chip, *map(_settled_by, cells_of(one, names)), rests_on(one)] for one in decision.verdicts]
    heads = [translate("chip"), *(translate(SHORT[name]) for name in names), translate("rests on")]
    return heads, lines


def _settled_by(cell: Cell) -> str:
    if cell.outcome is Outcome.UNKNOWN or not cell.figure:
        return f"{cell.word} ({cell.figure})" if cell.figure else cell.word
    kind = f" {kind_words(cell.kind)}" if cell.kind else ""
    contested = f"; {cell.contested}" if cell.contested else ""
    return f"{cell.word} ({cell.figure}{kind}{contested})"


def asked_table(decision: Decision) -> Table:
    """One line a model of what is asked."""
    return table_of(ASKED, decision.asked.models)


@dataclass(frozen=True, slots=True)
class FiguresOfKind:
    """Times of one kind: a line a chip that has any, a column a model that has any."""

    kind: KindOf
    roles: tuple[str, ...]  # of the models
    lines: tuple[tuple[ChipVerdict, tuple[Figure | None, ...]], ...]  # None: it is of another kind

    @property
    def table(self) -> Table:
        """As text; blank where the figure is of another kind."""
        heads = [translate("chip"), *self.roles]
        return heads, [
            [one.chip, *(time_text(figure) if figure else "" for figure in figures)]
            for one, figures in self.lines
        ]


def figures_by_kind(decision: Decision) -> tuple[FiguresOfKind, ...]:
    """All times of models, each kind apart, the strongest first."""
    kinds = kinds_of(figure for one in decision.verdicts for figure in one.figures)
    return tuple(_figures_of(kind, decision) for kind in kinds)


def _figures_of(kind: KindOf, decision: Decision) -> FiguresOfKind:
    lines = []
    for one in decision.verdicts:
        own = tuple(figure if (figure.kind, figure.origin) == kind else None for figure in one.figures)
        if any(own):
            lines.append((one, own))
    there = [at for at in range(len(decision.asked.models)) if any(own[at] for _, own in lines)]
    roles = [need.role for _, need in decision.asked.models]
    return FiguresOfKind(
        kind,
        tuple(roles[at] for at in there),
        tuple((one, tuple(own[at] for at in there)) for one, own in lines),
    )


def missing_table(decision: Decision) -> Table:
    """Models without a figure, a line each with the reason."""
    lines = [
        [one.chip, figure.role, figure.why]
        for one in decision.verdicts
        for figure in one.figures
        if figure.kind is None
    ]
    return [translate(head) for head in ("chip", "model", "why")], lines


def cost_table(decision: Decision) -> Table:
    """One line a chip: cameras that keep their rate, power, score."""
    return table_of(COSTS, decision.verdicts)


def fits_text(verdict: ChipVerdict) -> str:
    """`The job fits 18.5 × (published).`; empty where that is not known."""
    if verdict.jobs is None:
        return ""
    words = {"times": jobs_text(verdict), "kind": kind_text(verdict)}
    return translate("The job fits {times} into the NPU's time ({kind}).", **words)


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
