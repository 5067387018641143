"""The closing words of a run: counts, how far it can be relied on, where the page is, what may come next."""

import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from npubench.cli.options import say, say_problem

if TYPE_CHECKING:
    from npubench.domain.records import Result
    from npubench.engine.plan import RunOptions
    from npubench.engine.run import RunOutcome

MANY = 0.5
"""Above this share of rows that are not steady a machine tells nothing, and says so."""


def say_outcome(outcome: "RunOutcome", page: Path, style: str, options: "RunOptions") -> None:
    """Counts, steadiness, the path of the page; where nothing was named, also the steps after it."""
    from npubench.domain.text import printable
    from npubench.reporting.data.accuracy import low_rows

    if outcome.interrupted:
        say_problem("interrupted: finished cases are kept, the same command continues")
    elif style == "auto":
        _say_counts(outcome)
        for line in steadiness(outcome.rows):
            click.echo(line)
    low = "" if outcome.interrupted else printable(low_rows([*outcome.rows]))
    click.echo(f"report: {page}{f'; {low}' if low else ''}", err=style == "json")
    if style == "auto" and not outcome.interrupted:
        for line in next_steps(options):
            click.echo(line)


def _say_counts(outcome: "RunOutcome") -> None:
    from npubench.domain.specs import titled
    from npubench.domain.text import counted

    jobs, failures = outcome.plan.jobs, outcome.failures
    new = {result.key for result in outcome.results}
    done = len({job.key for job in jobs if job.done is not None} - new)
    click.echo(
        f"{counted(len(jobs), 'case')}: {len(jobs) - len(failures)} ok, {len(failures)} failed"
        + (f" ({done} done before)" if done else "")
    )
    for result in failures:
        if result.key not in new and result.failure:
            text = f"{titled(result.case, result.precision)} on {result.board}: {result.failure.message}"
            say(f"failed before: {text}")


def steadiness(rows: "Sequence[Result]") -> Iterator[str]:
    """A line for each board that has rows that are not steady: how many, and whether it can tell at all."""
    from npubench.domain.records import Verdict
    from npubench.domain.text import counted, printable

    judged = [row for row in rows if row.verdict is not None]
    for board in dict.fromkeys(row.board for row in judged):
        mine = [row for row in judged if row.board == board]
        counts = Counter(row.verdict for row in mine if row.verdict is not Verdict.STABLE)
        unsteady = sum(counts.values())
        if not unsteady:
            continue
        crowded = sum(_beside_others(row) for row in mine if row.verdict is not Verdict.STABLE)
        busy = crowded > MANY * unsteady
        words = ", ".join(f"{count} {verdict}" for verdict, count in counts.most_common())
        text = f"{unsteady} of {counted(len(mine), 'row')} on {printable(board)} not steady ({words})"
        why = ": other programs were running" if busy else ""
        if unsteady > MANY * len(mine):
            text = f"{printable(board)} cannot tell{why}: {text}; no figure here is a fact about it"
        else:
            text = f"{text}{why}"
        yield f"{text}; once it is idle: the same command with --fresh"


def _beside_others(row: "Result") -> bool:
    """Whether other programs computed while it was measured."""
    from npubench.domain.notes import Note, NoteCode, note_of

    found = [note_of(one) if isinstance(one, str) else one for one in row.warnings]
    return any(isinstance(one, Note) and one.code in (NoteCode.CROWDED, NoteCode.BUSY) for one in found)


def duration_told(options: "RunOptions") -> str:
    """What the one suite that is asked for says that it takes; empty where it says nothing."""
    from npubench.catalog import DEFAULT_SUITE, load, user_folders

    chosen = options.selection
    names = chosen.suites or (DEFAULT_SUITE,)
    if chosen.cases or len(names) != 1:
        return ""
    suite = load(user_folders(chosen.catalog_folders)).suites.get(names[0])
    return suite.takes if suite is not None else ""


def next_steps(options: "RunOptions") -> Iterator[str]:
    """What there is beyond the suite of a run of which nothing was named: one command a line."""
    from npubench.catalog import DEFAULT_SUITE, load, user_folders
    from npubench.engine.plan import DEFAULT_OUT

    chosen = options.selection
    if chosen.cases or chosen.suites:
        return
    suites = load(user_folders(chosen.catalog_folders)).suites
    first = suites.get(DEFAULT_SUITE)
    then = suites.get(first.then) if first is not None else None
    boards = "".join(f" --board {board}" for board in options.boards)
    out = "" if options.out == DEFAULT_OUT else f" --out {shlex.quote(str(options.out))}"
    steps = [
        (f"npubench results --against chips{out}", "these networks on chips, as others published them"),
        ("npubench run my_model.onnx --board rk3588 --simulate", "your own model on a chip that is not here"),
        ("npubench run my_model.onnx --board axera-pi", "on your own board, over SSH: docs/boards.md"),
        ("npubench list models", "all that can be named; `npubench doctor` says what is usable here"),
    ]
    if then is not None:
        takes = f": {then.takes}" if then.takes else ""
        steps.insert(1, (f"npubench run --suite {then.name}{boards}{out}", f"{then.title}{takes}"))
    yield "next:"
    for command, what in steps:
        yield f"  {command}"
        yield f"      {what}"
