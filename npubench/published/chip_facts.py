"""Facts of chips with their sources, of chips with and without a board: reports/published/chip_facts.csv.

A chip's boards inherit them. Facts that contradict each other are all kept: rows of one field that differ in
what they are about or in their condition, or fields that end in `_other`.
"""

import csv
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

from npubench.domain.errors import UsageError
from npubench.domain.specs import Fact
from npubench.published.chips import Chip, canonical, find_chip
from npubench.storage.files import data_root

COLUMNS = ("chip", "field", "value", "unit", "about", "condition", "source", "date")
ABOUT = ("chip", "module", "board")


@cache
def chip_facts() -> Mapping[str, tuple[Fact, ...]]:
    """Facts of every chip by its canonical name, in the table's order."""
    return read_chip_facts(data_root() / "reports" / "published" / "chip_facts.csv")


def read_chip_facts(file: Path) -> Mapping[str, tuple[Fact, ...]]:
    """The same of a file of these columns. Raises UsageError with all that is wrong, each with its line."""
    with file.open(encoding="utf-8", newline="") as stream:
        lines = list(csv.reader(stream))
    if not lines or tuple(lines[0]) != COLUMNS:
        raise UsageError(f"{file}:1: the columns have to be {', '.join(COLUMNS)}")
    problems: list[str] = []
    found: dict[str, list[Fact]] = {}
    given: dict[tuple[str, str, str, str], int] = {}
    for number, cells in enumerate(lines[1:], 2):
        if len(cells) != len(COLUMNS):
            problems.append(f"line {number}: {len(cells)} cells, not {len(COLUMNS)}")
            continue
        chip, field, value, unit, about, condition, source, date = cells
        fact = Fact(field, value, source, about, condition, date, unit)
        first = given.setdefault((canonical(chip), field, about, condition), number)
        problems += [f"line {number}: {what}" for what in _problems(chip, fact, first, number)]
        found.setdefault(canonical(chip), []).append(fact)
    if problems:
        raise UsageError(f"{file}: {'; '.join(problems)}")
    return {chip: tuple(facts) for chip, facts in found.items()}


def _problems(chip: str, fact: Fact, first: int, number: int) -> Iterable[str]:
    if find_chip(chip) is None:
        yield f"no chip is called {chip!r}: add it to chips.toml"
    if not (fact.field and fact.value and fact.source):
        yield "a field, a value and a source are needed"
    if fact.about not in ABOUT:
        yield f"is about {fact.about!r}: write chip, module or board"
    if first != number:
        yield f"{fact.field!r} is given on line {first} already: remove one, or tell their conditions apart"


def facts_of(name: str) -> tuple[Fact, ...]:
    """Facts of a chip of any spelling; of several chips in one string what holds of each of them."""
    chip = find_chip(name)
    if chip is None:
        return ()
    if chip.single:
        return chip_facts().get(chip.name, ())
    return _shared(chip) if chip.count == 1 else ()


def _shared(chip: Chip) -> tuple[Fact, ...]:
    first, *others = (chip_facts().get(name, ()) for name in chip.members)
    told = [{(one.field, one.value) for one in facts} for facts in others]
    return tuple(one for one in first if all((one.field, one.value) in facts for facts in told))
