"""Failures as the page tells them: once a reason, with the log's last lines and the commands to go on."""

import os
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from npubench.domain.records import Failure, Result, Status
from npubench.domain.specs import Precision

TAIL_LINES = 8
"""Of a log: what a tool says last is mostly why it ended."""
_TAIL_BYTES = 8192
_LINE = 240
"""Characters of a line that are shown."""

NAMED = 8
"""Cases that a command names: of more it names the first."""

Tails = Mapping[str, tuple[str, ...]]
"""Last lines of logs, by the key of the row."""


@dataclass(frozen=True, slots=True)
class FailureGroup:
    """Rows that failed alike."""

    failure: Failure | None  # of all of them; None where no reason was recorded
    rows: tuple[tuple[int, Result], ...]  # each with its number among all
    boards: tuple[str, ...]  # of the rows, in their order
    precisions: tuple[Precision, ...]  # of the rows, in their order
    tail: tuple[str, ...]  # the log's last lines of the first row that has one
    show: str  # the command that prints the whole log
    again: str  # the command that tries once more; empty where it did not come from a run

    @property
    def log_path(self) -> str:
        """Of the first row, in the folder of results; empty without one."""
        return next((row.log_path for _, row in self.rows if row.log_path), "")


def failure_groups(results: Sequence[Result], tails: Tails, out: str = "") -> list[FailureGroup]:
    """Those with most rows first; `out` is the folder of results, empty of the one that commands take."""
    found: dict[tuple[object, ...], list[tuple[int, Result]]] = {}
    for number, row in enumerate(results):
        if row.status is Status.FAILED:
            why = row.failure
            key = (why.stage, why.failure_class, why.operators, why.message) if why else ()
            found.setdefault(key, []).append((number, row))
    groups = [_group(rows, tails, out) for rows in found.values()]
    return sorted(groups, key=lambda one: -len(one.rows))


def _group(rows: Sequence[tuple[int, Result]], tails: Tails, out: str) -> FailureGroup:
    own = [row for _, row in rows]
    tail = next((tails[row.key] for row in own if tails.get(row.key)), ())
    boards = tuple(dict.fromkeys(row.board for row in own))
    precisions = tuple(dict.fromkeys(row.precision for row in own))
    show = ["npubench", "show", *_out(out), *_where(own[:1]), "--log", own[0].case]
    return FailureGroup(
        own[0].failure, tuple(rows), boards, precisions, tail, shlex.join(show), shlex.join(_again(own, out))
    )


def _again(rows: Sequence[Result], out: str) -> list[str]:
    first = rows[0]
    if tuple(first.command[:2]) != ("npubench", "run"):
        return []
    cases = list(dict.fromkeys(_as_typed(row) for row in rows))
    if len(cases) > NAMED:
        cases, rows = cases[:1], rows[:1]
    # A failure that says something about the case is kept: the next run does not try it again by itself.
    fresh = [] if first.failure and first.failure.transient else ["--fresh"]
    simulated = ["--simulate"] if "--simulate" in first.command else []
    return ["npubench", "run", *fresh, *simulated, *_out(out), *_where(rows), *cases]


def _as_typed(row: Result) -> str:
    """The case as a command line names it: a file by its path."""
    return next((word for word in row.command if PurePath(word).name == row.case), row.case)


def _out(out: str) -> list[str]:
    return ["--out", out] if out else []


def _where(rows: Iterable[Result]) -> list[str]:
    rows = list(rows)
    boards = [word for board in dict.fromkeys(row.board for row in rows) for word in ("--board", board)]
    told = dict.fromkeys(row.precision for row in rows if row.precision is not Precision.NONE)
    return [*boards, *(word for precision in told for word in ("--precision", precision.value))]


def log_tails(root: Path, results: Iterable[Result]) -> dict[str, tuple[str, ...]]:
    """Last lines of the logs of rows that failed, by key; a log that is gone has none.

    A row may come out of somebody else's store: what its path names outside of `root` is not read.
    """
    found: dict[str, tuple[str, ...]] = {}
    read: set[object] = set()
    home = root.resolve()
    for row in results:
        alike = (row.failure.failure_class, row.failure.message) if row.failure else None
        if row.status is not Status.FAILED or not row.log_path or alike in read:
            continue
        file = (home / row.log_path).resolve()
        if file.is_relative_to(home) and (lines := _tail(file)):
            found[row.key] = lines
            # Of rows that failed alike one log is shown.
            read.add(alike)
    return found


def _tail(file: Path) -> tuple[str, ...]:
    if not file.is_file():
        return ()
    try:
        with file.open("rb") as stream:
            size = stream.seek(0, os.SEEK_END)
            stream.seek(max(0, size - _TAIL_BYTES))
            text = stream.read().decode("utf-8", "replace")
    except OSError:
        return ()
    lines = [line.rstrip() for line in text.splitlines()]
    # What npubench adds itself stands above the log already.
    told = [line for line in lines if line and not line.startswith("# ")]
    return tuple(line[:_LINE] for line in told[-TAIL_LINES:])
