"""A decision as text, Markdown, JSON and the page's section: the same words and figures in all of them.

The answer stands first: a sentence, then a table of the chips with the kind of each figure in its cell.
"""

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from textwrap import indent
from typing import Any, TypeVar

from msgspec import to_builtins

from npubench.domain.text import markdown_table, printable, text_table
from npubench.reporting.data.translate import translate
from npubench.reporting.select.answer import summary_of, weighed_by
from npubench.reporting.select.checks import TITLES, Check
from npubench.reporting.select.pareto import pareto
from npubench.reporting.select.ranking import TITLES as TERMS
from npubench.reporting.select.ranking import Term
from npubench.reporting.select.requirements import ModelNeed, StreamNeed
from npubench.reporting.select.stream_wording import (
    cameras_text,
    lacking_lines,
    stream_lines,
    stream_notes,
)
from npubench.reporting.select.verdict import ChipVerdict, Decision
from npubench.reporting.select.wording import (
    binding_text,
    confidence_text,
    figure_text,
    jobs_text,
    kind_text,
    load_text,
    next_text,
    percent,
    power_text,
    price_text,
    score_text,
    share_of_second,
    time_text,
)


def to_json(decision: Decision) -> dict[str, Any]:
    """JSON-ready; outcomes, checks and kinds by their English names in every language, shares of 1."""
    return {
        "title": decision.asked.title,
        "answer": summary_of(decision),
        "warnings": list(decision.warnings),
        "levels": dataclasses.asdict(decision.levels),
        "verdicts": [_verdict(one) for one in decision.verdicts],
        "requirements": to_builtins(decision.asked),
    }


def _verdict(verdict: ChipVerdict) -> dict[str, Any]:
    plain = dataclasses.asdict(verdict) | {"jobs": verdict.jobs, "changes": list(verdict.changes)}
    if verdict.streams:
        plain["streams"]["at_most"] = verdict.streams.at_most
    plain["steps"] = [dataclasses.asdict(step) for step in verdict.steps]
    plain["terms"] = [{**dataclasses.asdict(term), "points": term.points} for term in verdict.terms]
    return plain


Table = tuple[Sequence[str], Sequence[Sequence[str]]]
"""Heads in the language of now, and the cells of each line."""

Line = TypeVar("Line")
Columns = Sequence[tuple[str, Callable[[Line], str]]]
"""The head of each column, and its cell of a line."""


def _table(columns: Columns[Line], lines: Iterable[Line]) -> Table:
    return [translate(head) for head, _ in columns], [[cell(one) for _, cell in columns] for one in lines]


OVERVIEW: Columns[ChipVerdict] = (
    ("rank", lambda one: str(one.rank or "–")),
    ("verdict", lambda one: translate(one.outcome.value)),
    ("chip", lambda one: one.chip),
    ("sure", lambda one: confidence_text(one.confidence)),
    ("NPU time", load_text),
    ("room", lambda one: percent(one.headroom)),
    ("bound by", binding_text),
    ("fits", jobs_text),
    ("cameras", lambda one: cameras_text(one.streams)),
    ("price", price_text),
    ("next", next_text),
)
"""A line a chip."""

COSTS: Columns[ChipVerdict] = (("power", power_text), ("score", score_text))
"""Of the second table, behind the figures of the models."""

SHORT = ("rank", "verdict", "chip", "sure", "NPU time", "room", "bound by")
REST = ("chip", "fits", "cameras", "price", "next")
"""Heads of the columns that have room in a terminal of 80 columns, and of those below."""

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
    return _table(CHECKS, verdict.checks)


def term_table(verdict: ChipVerdict) -> Table:
    """The arithmetic of the score, its sum last."""
    head, lines = _table(TERM_COLUMNS, verdict.terms)
    return head, [*lines, (translate("sum"), "", "", "", score_text(verdict))] if lines else []


def stream_table(verdict: ChipVerdict) -> Table:
    """One line a figure of the simulation; none where nothing could be simulated."""
    lines = stream_lines(verdict.streams) if verdict.streams else []
    return [translate("streams, simulated"), translate("value")] if lines else [], lines


def stream_remarks(verdict: ChipVerdict) -> list[str]:
    """What is not in the simulation, what would have to change, what was taken for granted."""
    found = verdict.streams
    return [*lacking_lines(found.lacking), *stream_notes(found)] if found and found.simulated else []


DETAILED = 6
"""Chips whose details a terminal shows; the page and JSON have all."""


def to_text(decision: Decision) -> str:
    """The answer, the overview, then the first candidates with their requirements, caveats and scores."""
    overview = _table([one for one in OVERVIEW if one[0] in SHORT], decision.verdicts)
    rest = _table([one for one in OVERVIEW if one[0] in REST], decision.verdicts)
    parts = [printable(decision.asked.title), "", summary_of(decision)]
    if decision.verdicts:
        tables = (overview, figure_table(decision), rest)
        parts += [f"\n{text_table(*table, width=None)}" for table in tables]
    parts += ["", *(f"! {printable(warning)}" for warning in decision.warnings)]
    for one in decision.verdicts[:DETAILED]:
        parts += ["", f"{printable(_name(one))}: {translate(one.outcome.value)}"]
        parts += [f"  {printable(caveat)}" for caveat in one.caveats]
        parts.append(indent(text_table(*check_table(one), width=None), "  "))
        parts += [f"    {printable(line)}" for line in _arithmetic(one)]
        parts += [f"  {line}" for line in _advice(one)]
        if stream_table(one)[1]:
            parts.append(indent(text_table(*stream_table(one), width=None), "  "))
            parts += [f"    {printable(line)}" for line in stream_remarks(one)]
        if one.terms:
            parts.append(indent(text_table(*term_table(one), width=None), "  "))
    if more := len(decision.verdicts[DETAILED:]):
        parts += ["", translate("{count} more chips: on the page, and with --json or --markdown", count=more)]
    return "\n".join(parts)


def to_markdown(decision: Decision) -> str:
    """The same for a document."""
    parts = [
        f"# {decision.asked.title}",
        translate("Written by npubench select; every figure comes of a row or of a fact with its source."),
        summary_of(decision),
        markdown_table(*_table(ASKED, decision.asked.models)),
        *(
            markdown_table(*table) if decision.verdicts else ""
            for table in (_table(OVERVIEW, decision.verdicts), figure_table(decision))
        ),
    ]
    parts += [f"**{translate('Warning')}**: {warning}." for warning in decision.warnings]
    for one in decision.verdicts:
        parts.append(f"## {_name(one)}: {translate(one.outcome.value)}")
        parts.append("\n".join(f"- {caveat}" for caveat in one.caveats))
        parts.append(markdown_table(*check_table(one)))
        parts.append("\n".join(f"- {line}" for line in _arithmetic(one)))
        parts += _markdown_advice(one)
        if stream_table(one)[1]:
            parts.append(markdown_table(*stream_table(one)))
            parts.append("\n".join(f"- {line}" for line in stream_remarks(one)))
        if one.terms:
            parts.append(markdown_table(*term_table(one)))
    return "\n\n".join(part for part in parts if part) + "\n"


def _name(verdict: ChipVerdict) -> str:
    return f"{verdict.chip} ({', '.join(filter(None, (verdict.board, kind_text(verdict))))})"


def _arithmetic(verdict: ChipVerdict) -> list[str]:
    return [
        f"{translate(TITLES[check.name])}: {line}" for check in verdict.checks for line in check.arithmetic
    ]


def _advice(verdict: ChipVerdict) -> list[str]:
    """What would settle the unknowns and change the failures, for a terminal."""
    lines = []
    for step in verdict.steps:
        lines.append(f"? {printable(step.what)}")
        lines += [f"    $ {printable(step.command)}"] if step.command else []
        lines += [f"    {printable(line)}" for line in step.fact.splitlines()]
    return lines + [f"> {printable(change)}" for change in verdict.changes]


def _markdown_advice(verdict: ChipVerdict) -> list[str]:
    """The same for a document."""
    parts = []
    if verdict.steps:
        parts.append(f"{translate('What would settle it:')}")
    for step in verdict.steps:
        parts.append(step.what)
        parts += [f"```\n{step.command or step.fact}\n```"] if step.command or step.fact else []
    if verdict.changes:
        parts.append(f"{translate('What would have to change:')}")
        parts.append("\n".join(f"- {change}" for change in verdict.changes))
    return parts


def view_of(decision: Decision) -> dict[str, Any]:
    """What the page's section is drawn of, in the language of now; a table of each candidate."""
    verdicts = decision.verdicts
    drawn = [
        one for one in verdicts if one.price_usd and one.jobs and one.price_about == decision.levels.price
    ]
    absent = dict.fromkeys(one.chip for one in verdicts if one not in drawn)
    return {
        "decision": decision,
        "summary": summary_of(decision),
        "weighed": weighed_by(decision),
        "overview": _table(OVERVIEW, verdicts),
        "loads": [*map(share_of_second, verdicts)],
        "figures": figure_table(decision),
        "times": [[*map(time_text, one.figures)] for one in verdicts],
        "checks": [*map(check_table, verdicts)],
        "terms": [*map(term_table, verdicts)],
        "streams": [*map(stream_table, verdicts)],
        "stream_remarks": [*map(stream_remarks, verdicts)],
        "pareto": pareto(drawn) if len(drawn) > 1 else None,
        "without_price": ", ".join(absent),
    }
