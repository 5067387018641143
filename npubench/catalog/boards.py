"""Boards: tables of several layers and bases merged key by key, then made a spec."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from npubench.domain.specs import BoardSpec
from npubench.domain.text import did_you_mean
from npubench.storage.json import convert
from npubench.storage.toml import Problem, Source

REQUIRED = ("title", "chip", "transport", "backend", "precisions")


@dataclass(frozen=True, slots=True)
class BoardEntry:
    """A board's table as one file has it, checked."""

    source: Source
    table: Mapping[str, Any]


Stacks = Mapping[str, Sequence[BoardEntry]]
"""Tables of a name, from the shipped one up."""


def resolve(stacks: Stacks, problems: list[Problem]) -> dict[str, BoardSpec]:
    """All boards that are complete; of the others `problems` tells what they lack.

    A table that makes a board unusable is left out, so what lies below it stays.
    """
    boards = {}
    for name, stack in stacks.items():
        usable = list(stack)
        while usable:
            problem = _problem_of(name, {**stacks, name: usable})
            if problem is None:
                boards[name] = _spec(_merged(name, {**stacks, name: usable}))
                break
            problems.append(problem)
            usable.pop()
    return boards


def merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """`above` laid over `below`: tables key by key, anything else replaced.

    Facts of a field stand in for all of that field below.
    """
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        if key == "fact" and old:
            told = {fact["field"] for fact in value}
            merged[key] = [*(fact for fact in old if fact["field"] not in told), *value]
        elif isinstance(old, Mapping) and isinstance(value, Mapping):
            merged[key] = merge(old, value)
        else:
            merged[key] = value
    return merged


def _problem_of(name: str, stacks: Stacks) -> Problem | None:
    top = stacks[name][-1]
    chain = [name]
    while (base := _base(chain[-1], stacks)) is not None:
        if base not in stacks:
            hint = did_you_mean(base, stacks)
            have = ", ".join(sorted(stacks))
            return top.source.problem(("base",), f"there is no board {base!r}{hint}: name one of {have}")
        if base in chain:
            return top.source.problem(("base",), f"goes in a circle: {' -> '.join((*chain, base))}: break it")
        chain.append(base)
    table = _merged(name, stacks)
    missing = [key for key in REQUIRED if key not in table]
    if missing:
        what = (
            f"board {name!r} has no {', '.join(missing)}: add it, or name a board to start from with 'base'"
        )
        return top.source.problem(("name",), what)
    return None


def _base(name: str, stacks: Stacks) -> str | None:
    """The base of a board; its own name as base means what lies below, which is merged anyway."""
    bases = [str(entry.table["base"]) for entry in stacks[name] if "base" in entry.table]
    return bases[-1] if bases and bases[-1] != name else None


def _merged(name: str, stacks: Stacks) -> dict[str, Any]:
    base = _base(name, stacks)
    table: dict[str, Any] = {} if base is None else _merged(base, stacks)
    for entry in stacks[name]:
        table = merge(table, entry.table)
    return table


def _spec(table: Mapping[str, Any]) -> BoardSpec:
    spec = convert({**table, "facts": table.get("fact", ())}, BoardSpec)
    return replace(spec, precisions=tuple(dict.fromkeys(spec.precisions)))
