"""Below a table of rows: what to do about those that failed, were skipped, are unsteady or are doubted."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

from npubench.domain.layout import command_lines, wrapped
from npubench.domain.records import Result
from npubench.domain.text import counted
from npubench.reporting.sanity import Doubt, Strength
from npubench.reporting.terminal.remedies import (
    DOUBTS,
    VERDICTS,
    Act,
    Command,
    Remedy,
    command_of,
    failure_remedy,
    skip_remedy,
)


@dataclass(frozen=True, slots=True)
class Advice:
    """One thing to do about rows, by their places in the table."""

    what: str  # is the matter with them
    rows: tuple[int, ...]
    text: str  # what to do
    command: Command  # that does it, for the first of them at least


def advice_of(results: Sequence[Result], doubts: Sequence[Doubt], out: Path) -> tuple[Advice, ...]:
    """Failures, then what was skipped, unsteady times and strong doubts; each kind of trouble once."""
    found: dict[tuple[str, str], tuple[Remedy, list[int]]] = {}
    troubles = [*_of_rows(results), *_of_doubts(results, doubts)]
    for what, text, remedy, rows in troubles:
        _, places = found.setdefault((what, text), (remedy, []))
        places += [row for row in rows if row not in places]
    return tuple(
        Advice(what, tuple(rows), text, command_of(remedy, [results[row] for row in rows], out))
        for (what, text), (remedy, rows) in sorted(
            found.items(), key=lambda one: _RANK[one[0][0].split(":")[0]]
        )
    )


_RANK = {"failed": 0, "skipped": 1, "unsteady": 2, "doubtful": 3}

_Trouble = tuple[str, str, Remedy, Sequence[int]]
"""What is the matter, what to do, how, and with which rows."""


def _of_rows(results: Sequence[Result]) -> Iterator[_Trouble]:
    for at, row in enumerate(results):
        if row.failure is not None:
            remedy = failure_remedy(row, row.failure)
            yield f"failed: {row.failure.failure_class}", remedy.text, remedy, (at,)
        elif row.skip_reason is not None:
            remedy = skip_remedy(row.skip_reason)
            yield "skipped", remedy.text, remedy, (at,)
        elif row.verdict is not None and (steadying := VERDICTS[row.verdict]):
            yield f"unsteady: {row.verdict}", steadying.text, steadying, (at,)


def _of_doubts(results: Sequence[Result], doubts: Sequence[Doubt]) -> Iterator[_Trouble]:
    places: dict[tuple[str, str, str], int] = {}
    by_board: dict[str, list[int]] = {}
    for at, row in enumerate(results):
        places[row.board, row.case, row.precision.value] = at
        by_board.setdefault(row.board, []).append(at)
    for doubt in doubts:
        if doubt.strength is not Strength.STRONG:
            continue
        precisions = doubt.precision.split(", ")
        named = [places.get((doubt.board, case, one)) for case in doubt.cases for one in precisions]
        rows = [at for at in named if at is not None] if doubt.cases else by_board.get(doubt.board, [])
        if rows:
            yield f"doubtful: {doubt.doubt_class}", doubt.next_step, DOUBTS[doubt.doubt_class], rows


def marks_of(advice: Sequence[Advice], count: int) -> list[str]:
    """For each of `count` rows the numbers of what is advised about it, such as ` [1][3]`."""
    marks = [""] * count
    for number, one in enumerate(advice, 1):
        for row in one.rows:
            marks[row] += f"[{number}]"
    return [f" {mark}" if mark else "" for mark in marks]


def advice_lines(advice: Sequence[Advice], width: int, but: Act | None = None) -> list[str]:
    """Each in words under its number, then as a command unless that is what is done here: `but`."""
    lines: list[str] = []
    numbers: dict[Command, int] = {}
    for number, one in enumerate(advice, 1):
        some = f" (this for {one.command.rows} of them)" if one.command.rows < len(one.rows) else ""
        head = f"[{number}] {one.what}, {counted(len(one.rows), 'row')}: {one.text}{some}"
        if one.command.act is but:
            lines += wrapped(head, width, "", "    ")
            continue
        first = numbers.setdefault(one.command, number)
        lines += wrapped(f"{head}:" if first == number else f"{head}: as [{first}]", width, "", "    ")
        lines += command_lines(one.command.words, width, "        ") if first == number else []
    return lines


def doubts_line(doubts: Sequence[Doubt], out: Path) -> str:
    """How many doubts there are of each strength, and where they can be read; empty where none is."""
    counts = [(sum(doubt.strength is one for doubt in doubts), one) for one in Strength]
    told = ", ".join(counted(count, f"{one} doubt") for count, one in counts if count)
    return f"{told}: npubench results --doubts --out {quote(str(out))}" if told else ""
