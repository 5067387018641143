"""A decision as text, Markdown, JSON and the page's section: the same words and figures in all of them."""

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from textwrap import indent
from typing import Any, TypeVar

from msgspec import to_builtins

from npubench.domain.figures import Bound, Kind
from npubench.domain.text import markdown_table, printable, text_table
from npubench.reporting.charts.plots import Corner, Point, Scatter, Subject, scatter
from npubench.reporting.data.figures import mark, opposite
from npubench.reporting.data.formatting import significant
from npubench.reporting.data.translate import translate, translate_count
from npubench.reporting.select.checks import TITLES, Check, Outcome
from npubench.reporting.select.decide import TITLES as TERMS
from npubench.reporting.select.decide import ChipVerdict, Decision, Term, warnings_of
from npubench.reporting.select.requirements import ModelNeed, StreamNeed


def kind_text(verdict: ChipVerdict) -> str:
    """The kind of its figures."""
    text = translate(verdict.kind.value) if verdict.kind else "–"
    return f"{text} ({translate('simulated')})" if verdict.origin is Kind.SIMULATED else text


def percent(share: float | None) -> str:
    """A head-room."""
    return "–" if share is None else f"{significant(share * 100)} %"


def price_text(verdict: ChipVerdict) -> str:
    """With what it is the price of."""
    if verdict.price_usd is None:
        return translate("unknown")
    about = f" ({translate(verdict.price_about)})" if verdict.price_about else ""
    return f"{verdict.price_usd:.6g} USD{about}"


def binding_text(verdict: ChipVerdict) -> str:
    """What decides."""
    return translate(TITLES[verdict.binding]) if verdict.binding else "–"


def jobs_text(verdict: ChipVerdict) -> str:
    """How many times the job fits, and of what part of the chip that is told."""
    if verdict.jobs is None:
        return "–"
    half = f" ({translate('of half the NPU')})" if verdict.share == 0.5 else ""
    return f"{mark(opposite(verdict.bound))}{significant(verdict.jobs)} ×{half}"


def score_text(verdict: ChipVerdict) -> str:
    """The sum of its terms, in [0, 1]."""
    return "–" if verdict.score is None else f"{verdict.score:.3f}"


def to_json(decision: Decision) -> dict[str, Any]:
    """JSON-ready; outcomes, checks and kinds by their English names in every language, shares of 1."""
    return {
        "title": decision.asked.title,
        "warnings": list(decision.warnings),
        "verdicts": [_verdict(one) for one in decision.verdicts],
        "requirements": to_builtins(decision.asked),
    }


def _verdict(verdict: ChipVerdict) -> dict[str, Any]:
    plain = dataclasses.asdict(verdict) | {"jobs": verdict.jobs}
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
    ("board", lambda one: one.board),
    ("chip", lambda one: one.chip),
    ("figures", kind_text),
    ("head-room", lambda one: percent(one.headroom)),
    ("binding constraint", binding_text),
    ("fits", jobs_text),
    ("price", price_text),
    ("score", score_text),
)
"""A line a candidate."""

CHECKS: Columns[Check] = (
    ("requirement", lambda one: translate(TITLES[one.name])),
    ("verdict", lambda one: translate(one.outcome.value)),
    ("needed", lambda one: one.need),
    ("there is", lambda one: one.have),
    ("head-room", lambda one: percent(one.headroom)),
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


def check_table(verdict: ChipVerdict) -> Table:
    """One line a requirement."""
    return _table(CHECKS, verdict.checks)


def term_table(verdict: ChipVerdict) -> Table:
    """The arithmetic of the score, its sum last."""
    head, lines = _table(TERM_COLUMNS, verdict.terms)
    return head, [*lines, (translate("sum"), "", "", "", score_text(verdict))] if lines else []


def to_text(decision: Decision) -> str:
    """The overview, then every candidate with its requirements, its caveats and its score."""
    parts = [
        printable(decision.asked.title),
        "",
        text_table(*_table(OVERVIEW, decision.verdicts), width=None),
    ]
    parts += [f"! {printable(warning)}" for warning in decision.warnings]
    for one in decision.verdicts:
        parts += ["", f"{printable(_name(one))}: {translate(one.outcome.value)}"]
        parts += [f"  {printable(caveat)}" for caveat in one.caveats]
        parts.append(indent(text_table(*check_table(one), width=None), "  "))
        parts += [f"    {printable(line)}" for line in _arithmetic(one)]
        if one.terms:
            parts.append(indent(text_table(*term_table(one), width=None), "  "))
    return "\n".join(parts)


def to_markdown(decision: Decision) -> str:
    """The same for a document."""
    parts = [
        f"# {decision.asked.title}",
        translate("Written by npubench select; every figure comes of a row or of a fact with its source."),
        markdown_table(*_table(ASKED, decision.asked.models)),
        markdown_table(*_table(OVERVIEW, decision.verdicts)),
    ]
    parts += [f"**{translate('Warning')}**: {warning}." for warning in decision.warnings]
    for one in decision.verdicts:
        parts.append(f"## {_name(one)}: {translate(one.outcome.value)}")
        parts.append("\n".join(f"- {caveat}" for caveat in one.caveats))
        parts.append(markdown_table(*check_table(one)))
        parts.append("\n".join(f"- {line}" for line in _arithmetic(one)))
        if one.terms:
            parts.append(markdown_table(*term_table(one)))
    return "\n\n".join(part for part in parts if part) + "\n"


def _name(verdict: ChipVerdict) -> str:
    return f"{verdict.chip} ({verdict.board}, {kind_text(verdict)})"


def _arithmetic(verdict: ChipVerdict) -> list[str]:
    return [
        f"{translate(TITLES[check.name])}: {line}" for check in verdict.checks for line in check.arithmetic
    ]


def view_of(decision: Decision) -> dict[str, Any]:
    """What the page's section is drawn of, in the language of now; a table of each candidate."""
    verdicts = decision.verdicts
    drawn = [one for one in verdicts if one.price_usd and one.jobs]
    absent = dict.fromkeys(one.board for one in verdicts if one not in drawn)
    return {
        "decision": decision,
        "summary": summary_of(decision),
        "overview": _table(OVERVIEW, verdicts),
        "checks": [*map(check_table, verdicts)],
        "terms": [*map(term_table, verdicts)],
        "pareto": _pareto(drawn),
        "without_price": ", ".join(absent),
    }


def summary_of(decision: Decision) -> str:
    """The answer in a sentence."""
    counts = Counter(one.outcome for one in decision.verdicts)
    head = translate("No candidate is known to do the job.")
    if counts[Outcome.PASS]:
        best = decision.verdicts[0]
        head = translate(
            "{chip} ({kind}) does the job with {room} of room, bound by {binding}.",
            chip=best.chip,
            kind=kind_text(best),
            room=percent(best.headroom),
            binding=binding_text(best),
        )
    rest = [
        translate_count(counts[Outcome.PASS], "{count} candidate passes", "{count} candidates pass"),
        translate_count(counts[Outcome.UNKNOWN], "{count} is not fully known", "{count} are not fully known"),
        translate_count(counts[Outcome.FAIL], "{count} fails", "{count} fail"),
    ]
    return f"{head} {', '.join(rest)}."


def _pareto(drawn: Sequence[ChipVerdict]) -> Scatter | None:
    """Cost against how often the job fits; a line a kind through what no other of its kind beats."""
    groups: defaultdict[tuple[Kind | None, Kind | None], list[ChipVerdict]] = defaultdict(list)
    for one in drawn:
        groups[one.kind, one.origin].append(one)
    points, corners, kinds = [], [], []
    for (kind, origin), members in groups.items():
        name = kind_text(members[0])
        kinds.append(origin or kind)
        for one in members:
            text = f"{one.chip} ({one.board}, {name}): {price_text(one)}, {jobs_text(one)}"
            label = f"{mark(opposite(one.bound))}{one.chip}"
            points.append(Point(one.price_usd or 0.0, one.jobs or 0.0, name, text, label))
        # What fits at most so often beats nobody for sure.
        front = _front([one for one in members if one.bound is Bound.EXACT])
        if len(front) > 1:
            corners.append(
                Corner(tuple(front), translate("best for its price: {kind}", kind=name), origin or kind)
            )
    warnings = "; ".join(warnings_of(drawn))
    title, about = translate("Cost against throughput"), translate("up and to the left is better")
    return scatter(
        Subject("pareto", title, about, None, significant),
        (translate("price, USD"), translate("how often the job fits")),
        points,
        corners,
        kinds,
        warnings,
    )


def _front(members: Sequence[ChipVerdict]) -> list[tuple[float, float]]:
    """Places from cheap to dear at which nothing cheaper or as cheap does more."""
    front: list[tuple[float, float]] = []
    for one in sorted(members, key=lambda one: (one.price_usd or 0.0, -(one.jobs or 0.0))):
        if not front or (one.jobs or 0.0) > front[-1][1]:
            front.append((one.price_usd or 0.0, one.jobs or 0.0))
    return front
