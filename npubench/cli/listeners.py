"""What a run shows: a progress bar on a terminal, plain lines elsewhere, JSON lines, or nothing."""

import json
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TypeVar, assert_never

import click

from npubench.cli.options import say, say_problem
from npubench.domain.records import Result, Status
from npubench.domain.specs import CaseKind, Precision, titled
from npubench.domain.text import counted, printable
from npubench.engine.session import (
    Event,
    InputRefused,
    JobDelivered,
    JobFinished,
    Listener,
    Note,
    RowsOutdated,
    RunFinished,
    RunStarted,
    StageStarted,
)
from npubench.reporting.data.figures import aside, bounds_of, mark

if TYPE_CHECKING:
    from rich.progress import Progress, ProgressColumn

Counted = TypeVar("Counted", JobFinished, JobDelivered)


@contextmanager
def listener(style: str) -> Iterator[Listener]:
    """A listener for `auto`, `json` or `quiet`; what it holds of the terminal is given back."""
    if style == "quiet":
        yield _say_failures
    elif style == "json":
        yield _json_line
    elif sys.stderr.isatty():
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn

        named, bar = TextColumn("{task.description}", markup=False), BarColumn(bar_width=24)
        left = TimeRemainingColumn(elapsed_when_finished=True)
        with _progress(named, bar, MofNCompleteColumn(), left) as progress:
            yield _RichLines(progress)
    else:
        yield _PlainLines()


def sentence(result: Result) -> str:
    """One line on a finished job."""
    name = f"{titled(printable(result.case, 80), result.precision)} on {printable(result.board)}"
    if result.failure:
        failure = result.failure
        operators = f" ({', '.join(failure.operators)})" if failure.operators else ""
        text = f"{failure.failure_class}: {failure.message}{operators}"
        return f"{name}: failed at {failure.stage}: {printable(text, 400)}"
    if result.status is Status.SKIPPED:
        return f"{name}: skipped: {printable(str(result.skip_reason or ''), 400)}"
    figures = result.figures
    latency = figures.latency_us if figures else None
    doubt = f", {result.verdict}" if result.verdict else ""
    fps = figures.throughput_fps if figures else None
    if figures is not None and fps is not None and (latency is None or result.case_kind is CaseKind.CODEC):
        return f"{name}: {fps:.4g} fps ({figures.kind}{doubt})"
    if figures is None or latency is None:
        return f"{name}: ok" + (f" ({figures.kind}, {result.verdict})" if figures and result.verdict else "")
    middle = ("p50", latency.p50) if latency.p50 is not None else ("mean", latency.mean)
    bounds = bounds_of(figures)
    text = f"{mark(bounds.bound) if bounds else ''}{_duration_us(middle[1])}{aside(bounds)}"
    return f"{name}: {middle[0]} {text} ({figures.kind}{doubt})"


def say_refused(event: Event) -> None:
    """For what comes before a session: what cannot be used of the input, whatever the style."""
    if isinstance(event, InputRefused):
        say_problem(event.text)


def say_notes(event: Event) -> None:
    """For commands that show their results alone."""
    if isinstance(event, Note):
        say(event.text)


@contextmanager
def counting(
    kind: type[Counted], told: Callable[[Counted], str | None], what: str = "", total: int | None = None
) -> Iterator[Listener]:
    """Says what `told` makes of events of a kind; on a terminal below it a bar that counts them."""

    def hear(event: Event) -> None:
        if isinstance(event, kind) and (line := told(event)):
            say(line)

    if not sys.stderr.isatty():
        yield hear
        return
    with _progress() as progress:
        task = progress.add_task(what, total=total)

        def count(event: Event) -> None:
            hear(event)
            if isinstance(event, kind):
                progress.advance(task)

        yield count


def delivery_listener(total: int) -> AbstractContextManager[Listener]:
    """Says what was not delivered; the bar tells the time that the rest will take."""

    def undelivered(event: JobDelivered) -> str | None:
        job, failure = event.job, event.failure
        where = f"{job.case.name} [{job.precision}] on {job.board.name}"
        return f"npubench: {where}: {failure.message}" if failure is not None else None

    return counting(JobDelivered, undelivered, total=total)


def _duration_us(value: float) -> str:
    """Microseconds in the unit that reads best, three significant digits."""
    if value < 1e3:
        return f"{value:.3g} us"
    return f"{value / 1e3:.3g} ms" if value < 1e6 else f"{value / 1e6:.4g} s"


def _line(event: Event) -> str | None:
    """What a person reads of it; nothing of what only moves a bar."""
    match event:
        case InputRefused():
            return f"npubench: {printable(event.text)}"
        case JobFinished():
            return sentence(event.result)
        case Note():
            return printable(event.text)
        case RowsOutdated():
            return printable(event.why)
        case RunStarted() | StageStarted() | JobDelivered() | RunFinished():
            return None
        case _:
            assert_never(event)


class _PlainLines:
    """A line per finished job, with its number of all."""

    def __init__(self) -> None:
        self._total = 0
        self._count = 0

    def __call__(self, event: Event) -> None:
        line = _line(event)
        if isinstance(event, RunStarted):
            self._total, self._count = event.total, event.done
            line = f"{counted(event.total, 'case')}, {event.done} done before (run {event.run_id})"
        elif isinstance(event, JobFinished):
            self._count += 1
            line = f"[{self._count}/{self._total}] {line}"
        elif isinstance(event, RowsOutdated):
            self._count -= event.count
        if line is not None:
            say(line)


def _say_failures(event: Event) -> None:
    if isinstance(event, JobFinished) and event.result.failure:
        say_problem(sentence(event.result))


def _json_line(event: Event) -> None:
    words = re.sub(r"(?<!^)([A-Z])", r"_\1", type(event).__name__).lower()
    click.echo(json.dumps({"event": words, **_fields(event)}, ensure_ascii=True))


def _fields(event: Event) -> dict[str, Any]:
    """The fields as they are, but for jobs and rows, which are told in a few."""
    match event:
        case StageStarted():
            job = event.job
            precision = None if job.precision is Precision.NONE else str(job.precision)
            where = {"case": job.case.name, "board": job.board.name, "precision": precision}
            return {"stage": str(event.stage), **where}
        case JobFinished():
            from npubench.reporting.data.rows import row_of

            return {"row": row_of(event.result)}
        case JobDelivered():
            return {"case": event.job.case.name, "failure": event.failure and event.failure.message}
        case _:
            return asdict(event)


@contextmanager
def _progress(*columns: "ProgressColumn") -> "Iterator[Progress]":
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True, highlight=False)
    with Progress(*columns, console=console, transient=True) as progress:
        yield progress


class _RichLines:
    """The same lines above a bar that shows stages under way and the time that is left."""

    def __init__(self, progress: "Progress") -> None:
        self._progress = progress
        self._task = progress.add_task("", total=None)

    def __call__(self, event: Event) -> None:
        if isinstance(event, RunStarted):
            self._progress.update(self._task, total=event.total, completed=event.done)
        elif isinstance(event, StageStarted):
            name = titled(printable(event.job.case.name, 28), event.job.precision)
            self._progress.update(self._task, description=f"{event.stage} {name}")
        if (line := _line(event)) is not None:
            self._progress.console.print(line, markup=False, emoji=False, soft_wrap=True)
        if isinstance(event, JobFinished):
            self._progress.advance(self._task)
        elif isinstance(event, RowsOutdated):
            self._progress.advance(self._task, -event.count)
