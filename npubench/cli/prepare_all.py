"""Exports or converts many cases at once and puts the files where the user wants them."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from npubench.cli.execute import INPUT_CLASSES
from npubench.domain.errors import ExitCode
from npubench.domain.records import Artifact, Failure, FailureClass, OnnxModel, Stage
from npubench.domain.specs import CalibrationSpec, FileSpec, TimingProtocol
from npubench.domain.text import printable
from npubench.engine.plan import Job
from npubench.storage.files import link_or_copy
from npubench.storage.hashing import sha256_of_file
from npubench.storage.workspace import Workspace, writing
from npubench.tools import process

if TYPE_CHECKING:
    from npubench.catalog import Catalog, Found
    from npubench.engine.context import Context, Prepared

Taken = dict[str, tuple[str, str]]
"""File name -> the case that it was written for and its SHA-256."""

Step = Callable[[Job, "Context"], "Prepared"]
Finish = Callable[["Prepared", "Context"], "Prepared"]
"""What is done to a case that has files beside its artifact, when no other case is being worked on."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What `export` and `convert` are asked besides their cases."""

    boards: Sequence[str]
    precisions: Sequence[str]
    calibration: CalibrationSpec
    deadline_s: float
    workers: int | None
    fresh: bool
    out: Path


def prepare_all(
    chosen: "Found", catalog: "Catalog", wish: Wish, step: Step, finish: Finish | None = None
) -> int:
    """Take every case through `step`, write its files to `wish.out`; the exit code."""
    from npubench.cli import assemble
    from npubench.engine.signals import stop_on_signals

    boards = assemble.choose_boards(catalog, wish.boards)
    request = assemble.make_request(TimingProtocol(), wish.calibration, wish.deadline_s)
    plan = assemble.make_plan(chosen.cases, boards, wish.precisions, request, {})
    workspace = Workspace(wish.out / ".npubench")
    workspace.create()
    with workspace.lock(), stop_on_signals():
        context = assemble.make_context(workspace, request, boards, [], wish.fresh)
        failures = _run(plan.jobs, context, wish, step, finish)
    click.echo(f"{len(plan.jobs) - len(failures)} of {len(plan.jobs)} written to {wish.out}")
    wrong_input = boards.unknown + len(catalog.problems) + len(chosen.missing)
    if wrong_input or any(_is_input_fault(job, failure) for job, failure in failures):
        return ExitCode.USAGE
    if len(failures) == len(plan.jobs):
        return ExitCode.NOTHING_MEASURED
    return ExitCode.REGRESSION if failures else ExitCode.OK


def _run(
    jobs: Sequence[Job], context: "Context", wish: Wish, step: Step, finish: Finish | None
) -> list[tuple[Job, Failure]]:
    from npubench.engine.signals import ended

    failures = []
    unfinished = []
    taken: Taken = {}
    with ThreadPoolExecutor(wish.workers or max(1, (os.cpu_count() or 2) // 2)) as pool:
        futures: dict[Future[Prepared], Job] = {}
        try:
            for job in jobs:
                futures[pool.submit(step, job, context)] = job
            for future in _counted(ended(futures), len(futures)):
                prepared = future.result()
                if finish and prepared.files:
                    unfinished.append(prepared)
                elif failure := _deliver(prepared, wish.out, taken):
                    failures.append((futures[future], failure))
        except BaseException:
            process.stop()
            pool.shutdown(cancel_futures=True)
            raise
    for prepared in unfinished:
        if finish and (failure := _deliver(finish(prepared, context), wish.out, taken)):
            failures.append((prepared.job, failure))
    return failures


def _counted(done: "Iterator[Future[Prepared]]", total: int) -> "Iterator[Future[Prepared]]":
    """The same, with a bar on a terminal that says how many there are and how long the rest will take."""
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    if not console.is_terminal:
        yield from done
        return
    yield from track(done, description="", total=total, console=console, transient=True)


def _deliver(prepared: "Prepared", out: Path, taken: Taken) -> Failure | None:
    job, made = prepared.job, prepared.artifact or prepared.model
    failure = prepared.failure
    if made is not None and failure is None:
        failure = _put(prepared, made, out, taken)
    if failure:
        text = f"{job.case.name} [{job.precision}] on {job.board.name}: {failure.message}"
        click.echo(f"npubench: {printable(text)}", err=True)
    return failure


def _put(prepared: "Prepared", made: OnnxModel | Artifact, out: Path, taken: Taken) -> Failure | None:
    """Put every file into the folder; a failure, and nothing is put, where another case has a name there."""
    case, stem = prepared.job.case.name, _stem(prepared)
    needed = _needed(made, stem)
    for name, file in needed.items():
        # A model of one file has that file's hash.
        alone = isinstance(made, OnnxModel) and not made.external
        sha256 = made.sha256 if alone else sha256_of_file(file)
        first, theirs = taken.setdefault(name, (case, sha256))
        if theirs != sha256:
            message = (
                f"{out / name} holds {first} already, with other content: give one of them another --out"
            )
            return Failure(Stage.EXPORT, FailureClass.WRONG_ARTIFACT, message)
    with writing(out):
        for name, file in {**needed, **_told(made), **prepared.files}.items():
            _replace(file, out / (name if name in needed else f"{stem}.{name}"))
    return None


def _needed(made: OnnxModel | Artifact, stem: str) -> dict[str, Path]:
    """The file that was made and what it does not run without, by their names in the user's folder."""
    onnx = isinstance(made, OnnxModel) or made.path.suffix == ".onnx"
    found = {f"{stem}{'.onnx' if isinstance(made, OnnxModel) else made.path.suffix}": made.path}
    for part in made.external if isinstance(made, OnnxModel) else made.parts:
        # An ONNX file names its data itself; other formats find theirs by their own name.
        own = part.stem == made.path.stem and not onnx
        found[f"{stem}{part.suffix}" if own else str(part.relative_to(made.path.parent))] = part
    return found


def _told(made: OnnxModel | Artifact) -> dict[str, Path]:
    """What a toolchain left besides: every case has a log, so they are told apart by the case's name."""
    if isinstance(made, OnnxModel):
        return {}
    others = (file for file in made.extras if file not in made.parts)
    return {str(file.relative_to(made.path.parent)): file for file in others}


def _replace(source: Path, target: Path) -> None:
    if target.is_file() and target.samefile(source):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    link_or_copy(source, target)


def _stem(prepared: "Prepared") -> str:
    job = prepared.job
    name = _file_name(job.case.name)
    return f"{name}.{job.board.name}.{job.precision}" if prepared.artifact else name


def _file_name(case: str) -> str:
    """A case's name as a file name: names come from users and may hold a slash."""
    return case.replace("/", "_").replace("\0", "_").lstrip(".") or "case"


def _is_input_fault(job: Job, failure: Failure) -> bool:
    return isinstance(job.case, FileSpec) and failure.failure_class in INPUT_CLASSES
