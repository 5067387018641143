"""A decision as Markdown and as JSON: the same words and figures as on its page.

The answer stands first: a sentence, then the ranking, then which requirement each chip meets.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

from msgspec import to_builtins

from npubench.domain.text import markdown_table, printable
from npubench.reporting.data.translate import translate
from npubench.reporting.select.answer import cameras_of, counts_of, next_step, summary_of
from npubench.reporting.select.checks import TITLES
from npubench.reporting.select.matrix import cells_of, names_of
from npubench.reporting.select.tabled import (
    asked_table,
    check_table,
    cost_table,
    figures_by_kind,
    fits_text,
    matrix_table,
    missing_table,
    ranking_table,
    stream_remarks,
    stream_table,
    term_table,
)
from npubench.reporting.select.trust import Trust, trust_line, trust_of
from npubench.reporting.select.verdict import ChipVerdict, Decision
from npubench.reporting.select.wording import kind_text, kind_words


def to_json(decision: Decision) -> dict[str, Any]:
    """JSON-ready; outcomes, checks and kinds by their English names in every language, shares of 1."""
    return {
        "title": decision.asked.title,
        "answer": summary_of(decision),
        "warnings": list(decision.warnings),
        "levels": dataclasses.asdict(decision.levels),
        "verdicts": [_verdict(one) for one in decision.verdicts],
        "requirements": to_builtins(decision.asked),
        "matrix": _matrix(decision),
        "trust": _trust(trust_of(decision)),
        "next": _next(decision),
    }


def _verdict(verdict: ChipVerdict) -> dict[str, Any]:
    plain = dataclasses.asdict(verdict) | {"jobs": verdict.jobs, "changes": list(verdict.changes)}
    if verdict.streams:
        plain["streams"]["at_most"] = verdict.streams.at_most
    plain["steps"] = [dataclasses.asdict(step) for step in verdict.steps]
    plain["terms"] = [{**dataclasses.asdict(term), "points": term.points} for term in verdict.terms]
    return plain


def _matrix(decision: Decision) -> dict[str, Any]:
    """By chip in the order of the verdicts, and requirement: outcome, what is needed, what there is."""
    names = names_of(decision.verdicts)
    return {"requirements": list(names), "chips": [_cells(one, names) for one in decision.verdicts]}


def _cells(verdict: ChipVerdict, names: Sequence[str]) -> dict[str, Any]:
    cells = {}
    for cell in cells_of(verdict, names):
        check = cell.check
        step = next(iter(check.steps), None) if check else None
        cells[cell.name] = {
            "outcome": cell.outcome,
            "need": check.need if check else None,
            "have": check.have if check else None,
            "kind": check.kind if check else None,
            "why": cell.why,
            "contested": bool(check and check.contested),
            "next": (step.command or step.fact or step.what) if step else None,
        }
    return {"chip": verdict.chip, "board": verdict.board, "outcome": verdict.outcome, "cells": cells}


def _trust(trust: Trust) -> dict[str, Any]:
    kinds = [{"kind": kind, "origin": origin, "figures": count} for (kind, origin), count in trust.kinds]
    doubted = [
        {"chip": one.chip, "role": one.role, **dataclasses.asdict(one.suspicion)} for one in trust.doubted
    ]
    return {
        "figures": trust.asked,
        "kinds": kinds,
        "doubtful": trust.doubtful,
        "doubts": doubted,
        "unstable": list(trust.unstable),
        "busy": trust.busy,
        "contested": trust.contested,
        "widest_band": trust.widest,
    }


def _next(decision: Decision) -> dict[str, Any] | None:
    """What the answer names as the next step; null where nothing is open."""
    told = next_step(decision.verdicts)
    return {"chip": told[0].chip, **dataclasses.asdict(told[1])} if told else None


def to_markdown(decision: Decision, why: bool = False) -> str:
    """The answer for a document or a comment; with `why` also how each verdict came about."""
    parts = [f"# {_prose(decision.asked.title)}", _prose(summary_of(decision))]
    if decision.verdicts:
        said = f"{counts_of(decision)} {cameras_of(decision)}".rstrip()
        parts += [_prose(said), trust_line(trust_of(decision))]
        parts += [markdown_table(*table(decision)) for table in (ranking_table, matrix_table)]
    parts += [f"**{translate('Warning')}**: {_prose(warning)}." for warning in decision.warnings]
    parts += _next_part(decision)
    if why:
        note = translate(
            "Written by npubench select; every figure comes of a row or of a fact with its source."
        )
        parts += [note, markdown_table(*asked_table(decision)), *_figures(decision)]
        parts += [part for one in decision.verdicts for part in _why(one)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _figures(decision: Decision) -> list[str]:
    """Times of the models, each kind under its name; what has none; what else is known of a chip."""
    parts = [
        part
        for one in figures_by_kind(decision)
        for part in (f"**{kind_words(*one.kind)}**", markdown_table(*one.table))
    ]
    missing = missing_table(decision)
    parts += [f"**{translate('without a figure')}**", markdown_table(*missing)] if missing[1] else []
    return [*parts, markdown_table(*cost_table(decision))]


def _next_part(decision: Decision) -> list[str]:
    told = next_step(decision.verdicts)
    if told is None:
        return []
    chip, step = told
    code = [f"```\n{step.command or step.fact}\n```"] if step.command or step.fact else []
    return [_prose(translate("Next: {step}", step=f"{chip.chip}: {step.what}")), *code]


def _prose(text: str) -> str:
    """Text between tables: no name in it begins a tag, ends a line or turns the direction of writing."""
    return printable(text).replace("<", "&lt;")


def _why(one: ChipVerdict) -> list[str]:
    parts = [
        f"## {_prose(name_of(one))}: {translate(one.outcome.value)}",
        "\n".join(f"- {_prose(said)}" for said in (*one.caveats, fits_text(one)) if said),
        markdown_table(*check_table(one)),
        "\n".join(f"- {_prose(line)}" for line in arithmetic(one)),
        *_advice(one),
    ]
    if stream_table(one)[1]:
        parts.append(markdown_table(*stream_table(one)))
        parts.append("\n".join(f"- {_prose(line)}" for line in stream_remarks(one)))
    if one.terms:
        parts.append(markdown_table(*term_table(one)))
    return parts


def name_of(verdict: ChipVerdict) -> str:
    """`RK3588 (rk3588, published)`: chip, board and the weakest kind of its figures."""
    return f"{verdict.chip} ({', '.join(filter(None, (verdict.board, kind_text(verdict))))})"


def arithmetic(verdict: ChipVerdict) -> list[str]:
    """Lines that lead to the figures of each requirement."""
    return [
        f"{translate(TITLES[check.name])}: {line}" for check in verdict.checks for line in check.arithmetic
    ]


def _advice(verdict: ChipVerdict) -> list[str]:
    """What would settle the unknowns and change the failures."""
    parts = []
    if verdict.steps:
        parts.append(f"{translate('What would settle it:')}")
    for step in verdict.steps:
        parts.append(_prose(step.what))
        parts += [f"```\n{step.command or step.fact}\n```"] if step.command or step.fact else []
    if verdict.changes:
        parts.append(f"{translate('What would have to change:')}")
        parts.append("\n".join(f"- {_prose(change)}" for change in verdict.changes))
    return parts
