"""`npubench export` and `npubench convert`: the first stages alone, with or without surgery."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from npubench.cli.options import (
    Number,
    Selection,
    calibration_option,
    case_options,
    chosen_cases,
    load_catalog,
)
from npubench.cli.run import INPUT_CLASSES
from npubench.cli.terminal import printable
from npubench.domain.errors import ExitCode
from npubench.domain.records import Artifact, Failure, FailureClass, OnnxModel, Stage
from npubench.domain.specs import CalibrationSpec, FileSpec, TimingProtocol
from npubench.engine.plan import Job
from npubench.storage import ledger
from npubench.storage.files import link_or_copy
from npubench.storage.hashing import sha256_of_file
from npubench.storage.ledger import Conversion
from npubench.storage.workspace import Workspace, writing
from npubench.tools import process

if TYPE_CHECKING:
    from npubench.catalog import Catalog, Found
    from npubench.engine.job import Context, Prepared
    from npubench.graph.surgery.record import OutputComparison, Part, Surgery


jobs_option = click.option("--jobs", type=click.IntRange(1), default=None, help="How many at once.")
fresh_option = click.option("--fresh", is_flag=True, help="Make everything again, whatever is there.")
deadline_option = click.option(
    "--deadline", type=Number(1), default=600.0, show_default=True, help="Seconds a stage may take."
)
folder_option = click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder for the files; what made them is kept in .npubench below it.",
)


@click.command()
@case_options
@jobs_option
@deadline_option
@fresh_option
@folder_option
def export(
    selection: Selection,
    jobs: int | None,
    deadline: float,
    fresh: bool,
    out: Path,
) -> int:
    """Write CASES as ONNX files: OUT/<case>.onnx."""
    from npubench.engine.job import export_only

    catalog = load_catalog(selection.catalog_folders)
    chosen = chosen_cases(catalog, selection)
    wish = Wish(("local",), ("fp32",), CalibrationSpec(seed=selection.seed), deadline, jobs, fresh, out)
    return prepare_all(chosen, catalog, wish, export_only)


@click.command()
@case_options
@click.option(
    "--board", "boards", multiple=True, default=("local",), show_default=True, help="A board. Repeatable."
)
@click.option(
    "--precision",
    "precisions",
    multiple=True,
    type=click.Choice(["fp32", "int8"]),
    help="Only these; else all that the board has. Repeatable.",
)
@click.option(
    "--cut",
    "surgery",
    type=click.Choice(["none", "auto"]),
    default="none",
    show_default=True,
    help="auto: rewrite what the target refuses, then cut it off at head and tail; see docs/surgery.md.",
)
@calibration_option
@jobs_option
@deadline_option
@fresh_option
@folder_option
def convert(
    selection: Selection,
    boards: tuple[str, ...],
    precisions: tuple[str, ...],
    surgery: str,
    calibration: Path | None,
    jobs: int | None,
    deadline: float,
    fresh: bool,
    out: Path,
) -> int:
    """Prepare CASES for a board's toolchain: OUT/<case>.<board>.<precision>.<ending>."""
    pass  # GONE
    from npubench.engine.job import prepare

    catalog = load_catalog(selection.catalog_folders)
    chosen = chosen_cases(catalog, selection)
    wish = Wish(boards, precisions, CalibrationSpec(calibration, selection.seed), deadline, jobs, fresh, out)
    if surgery == "auto":
        return convert_with_cuts(chosen, catalog, wish)
    return prepare_all(chosen, catalog, wish, prepare)


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
    from npubench.engine.session import stop_on_signals

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
    from npubench.engine.session import ended

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


def convert_with_cuts(chosen: "Found", catalog: "Catalog", wish: Wish) -> int:
    """Convert every case with surgery, tell what was cut, and count; the exit code."""
    from npubench.engine import convert_with_surgery

    outcomes: dict[str, Conversion] = {}

    def step(job: Job, context: "Context") -> "Prepared":
        prepared = convert_with_surgery.prepare(job, context)
        outcomes[job.key] = _noted(prepared, context)
        return prepared

    def finish(prepared: "Prepared", context: "Context") -> "Prepared":
        finished = convert_with_surgery.measure_parts(prepared, context)
        outcomes[prepared.job.key] = _noted(finished, context)
        if finished.failure is None:
            _tell(convert_with_surgery.record_of(finished))
        return finished

    code = prepare_all(chosen, catalog, wish, step, finish)
    for line in counts(list(outcomes.values())):
        click.echo(line)
    return code


def counts(outcomes: Sequence[Conversion]) -> list[str]:
    """For every backend and board: how many convert without `--cut auto`, and how many with it."""
    lines = []
    for backend, board in sorted({(one.backend, one.board) for one in outcomes}):
        here = [one for one in outcomes if (one.backend, one.board) == (backend, board)]
        with_cut = sum(not one.with_cut for one in here)
        without = sum(not one.as_is for one in here)
        lines.append(
            f"{backend} on {board}: of {len(here)}, {without} convert without --cut auto, {with_cut} with it"
        )
    return lines


def _noted(prepared: "Prepared", context: "Context") -> Conversion:
    """What became of a case, kept for `npubench coverage` where the toolchain had its say."""
    found, failure = _conversion(prepared), prepared.failure
    if failure is None or (
        failure.stage is Stage.COMPILE and failure.failure_class is not FailureClass.TOOL_MISSING
    ):
        with writing(context.workspace.root):
            ledger.conversions_note(context.workspace.root, found)
    return found


def _conversion(prepared: "Prepared") -> Conversion:
    from npubench.engine import convert_with_surgery

    job, failure = prepared.job, prepared.failure
    asked = (job.case.name, job.board.backend, job.board.name, str(job.precision))
    if failure is not None:
        return Conversion(*asked, str(failure.failure_class), str(failure.failure_class), failure.operators)
    if not prepared.files:
        return Conversion(*asked, "", "")
    record = convert_with_surgery.record_of(prepared)
    rewrites = tuple(one.name for one in record.rewrites)
    joined = (_lowest(record.joined_fp32), _lowest(record.joined_target or ()))
    return Conversion(*asked, str(record.as_is.failure_class), "", record.lacking, rewrites, *joined)


def _tell(record: "Surgery") -> None:
    done = [f"{one.name} ({one.nodes})" for one in record.rewrites]
    if record.lacking:
        done.append(f"{', '.join(record.lacking)} cut off")
    text = f"{record.case} [{record.precision}] on {record.board}: {'; '.join(done)}"
    for name, part in (("head", record.head), ("tail", record.tail)):
        if part is not None:
            text += f"; {name} {_time(part)}"
    text += f"; joined in FP32: {_worst(record.joined_fp32)}"
    if record.joined_target is not None:
        text += f"; with the body by {record.backend}: {_worst(record.joined_target)}"
    click.echo(printable(text))


def _time(part: "Part") -> str:
    if part.figures is None or part.figures.latency_us is None:
        return "not measured"
    return f"{part.figures.latency_us.mean:.1f} us on this CPU (measured)"


def _lowest(outputs: "Sequence[OutputComparison]") -> float | None:
    return min((one.cosine for one in outputs if one.cosine is not None), default=None)


def _worst(outputs: "Sequence[OutputComparison]") -> str:
    lowest = _lowest(outputs)
    equal = [one.equal for one in outputs if one.cosine is None and one.equal is not None]
    told = [] if lowest is None else [f"cosine {lowest:.5f}"]
    # Of whole numbers there is no cosine that means anything.
    told += [f"{min(equal):.1%} of the indices equal"] if equal else []
    return ", ".join(told) or "nothing to compare"
