"""What a run shows: a progress bar on a terminal, plain lines elsewhere, JSON lines, or nothing."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, assert_never

import click

from npubench.domain.records import Result, Status
from npubench.domain.specs import CaseKind, Precision, titled
from npubench.domain.text import counted, printable
from npubench.engine.events import (
    Event,
    JobFinished,
    Listener,
    Note,
    RowsOutdated,
    RunFinished,
    RunStarted,
    StageStarted,
)
from npubench.engine.plan import Job
from npubench.reporting.data.figures import aside, bounds_of, mark

if TYPE_CHECKING:
    from rich.progress import Progress


@contextmanager
def listener(style: str) -> Iterator[Listener]:
    """A listener for `auto`, `json` or `quiet`; what it holds of the terminal is given back."""
    if style == "quiet":
        yield _say_failures
    elif style == "json":
        yield _json_line
    elif sys.stderr.isatty():
        with _bar() as bar:
            yield bar
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
        return f"{name}: skipped: {printable(result.skip_reason or '', 400)}"
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


def _duration_us(value: float) -> str:
    """Microseconds in the unit that reads best, three significant digits."""
    for limit, scale, unit in ((1e3, 1.0, "us"), (1e6, 1e3, "ms")):
        if value < limit:
            return f"{value / scale:.3g} {unit}"
    return f"{value / 1e6:.4g} s"


class _PlainLines:
    """A line per finished job, with its number of all."""

    def __init__(self) -> None:
        self._total = 0
        self._count = 0

    def __call__(self, event: Event) -> None:
        match event:
            case RunStarted():
                self._total, self._count = event.total, event.done
                _say(f"{counted(event.total, 'case')}, {event.done} done before (run {event.run_id})")
            case JobFinished():
                self._count += 1
                _say(f"[{self._count}/{self._total}] {sentence(event.result)}")
            case Note():
                _say(printable(event.text))
            case RowsOutdated():
                self._count -= event.count
                _say(printable(event.why))
            case StageStarted() | RunFinished():
                pass
            case _:
                assert_never(event)


def _say_failures(event: Event) -> None:
    if isinstance(event, JobFinished) and event.result.failure:
        _say(f"npubench: {sentence(event.result)}")


def _json_line(event: Event) -> None:
    click.echo(json.dumps(_as_json(event), ensure_ascii=True))


def _as_json(event: Event) -> dict[str, Any]:
    match event:
        case RunStarted():
            return {"event": "run_started", "run_id": event.run_id, "total": event.total, "done": event.done}
        case StageStarted():
            job = event.job
            where = {"case": job.case.name, "board": job.board.name, "precision": _precision(job)}
            return {"event": "stage_started", "stage": str(event.stage), **where}
        case Note():
            return {"event": "note", "text": event.text}
        case RowsOutdated():
            return {"event": "rows_outdated", "board": event.board, "count": event.count, "why": event.why}
        case JobFinished():
            from npubench.reporting.data.rows import row_of

            return {"event": "job_finished", "row": row_of(event.result)}
        case RunFinished():
            counts = {"ok": event.ok, "failed": event.failed, "skipped": event.skipped}
            return {"event": "run_finished", **counts, "interrupted": event.interrupted}
        case _:
            assert_never(event)


def _precision(job: Job) -> str | None:
    return None if job.precision is Precision.NONE else str(job.precision)


@contextmanager
def _bar() -> Iterator[Listener]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeRemainingColumn(elapsed_when_finished=True),
    )
    console = Console(stderr=True, highlight=False)
    with Progress(*columns, console=console, transient=True) as progress:
        yield _RichLines(progress)


class _RichLines:
    """The same lines above a bar that shows stages under way and the time that is left."""

    def __init__(self, progress: "Progress") -> None:
        self._progress = progress
        self._task = progress.add_task("", total=None)

    def __call__(self, event: Event) -> None:
        match event:
            case RunStarted():
                self._progress.update(self._task, total=event.total, completed=event.done)
            case StageStarted():
                name = titled(printable(event.job.case.name, 28), event.job.precision)
                text = f"{event.stage} {name}"
                self._progress.update(self._task, description=text)
            case JobFinished():
                self._print(sentence(event.result))
                self._progress.advance(self._task)
            case Note():
                self._print(printable(event.text))
            case RowsOutdated():
                self._progress.advance(self._task, -event.count)
                self._print(printable(event.why))
            case RunFinished():
                pass
            case _:
                assert_never(event)

    def _print(self, text: str) -> None:
        self._progress.console.print(text, markup=False, emoji=False, soft_wrap=True)


def _say(text: str) -> None:
    click.echo(text, err=True)
