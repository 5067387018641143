"""Exports or converts many cases at once and puts the files where the user wants them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from npubench.domain.records import Artifact, Failure, FailureClass, OnnxModel, Stage
from npubench.engine.job import JobState, note_failure
from npubench.engine.plan import Job
from npubench.engine.session import JobDelivered, RunSession, SessionStage, Tasks, ended, stop_on_signals
from npubench.storage.files import link_or_copy
from npubench.storage.hashing import sha256_of_file
from npubench.storage.workspace import writing

Names = dict[str, tuple[str, str]]
"""File name -> the case that it was written for and its SHA-256."""

Step = Callable[[Job, RunSession], JobState]
Finish = Callable[[JobState, RunSession], JobState]
"""What is done to a case that has files beside its artifact, when no other case is being worked on."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """What came of exporting or converting, in the order in which it ended."""

    states: tuple[JobState, ...]  # every case
    failures: tuple[tuple[Job, Failure], ...]  # what was not written, and why


def delivery(out: Path, step: Step, finish: Finish | None = None) -> SessionStage:
    """Takes every case through `step` and writes its files to `out`."""

    def deliver(session: RunSession) -> Delivered:
        with stop_on_signals():
            return _deliver_all(session, out, step, finish)

    return SessionStage(deliver, gives=Delivered)


def _deliver_all(session: RunSession, out: Path, step: Step, finish: Finish | None) -> Delivered:
    states, failures = [], []
    unfinished: list[JobState] = []
    names: Names = {}

    def deliver(state: JobState) -> None:
        failure = _deliver(state, out, names)
        states.append(state)
        if failure is not None:
            failures.append((state.job, failure))
        session.announce(JobDelivered(state.job, failure))

    with Tasks() as tasks:
        pool = tasks.pool("prepare", session.workers)
        futures = [tasks.start(pool, step, job, session) for job in session.plan.jobs]
        for future in ended(futures):
            state = future.result()
            if finish is not None and state.files:
                unfinished.append(state)
            else:
                deliver(state)
    for state in unfinished:
        deliver(finish(state, session) if finish else state)
    return Delivered(tuple(states), tuple(failures))


def _deliver(state: JobState, out: Path, names: Names) -> Failure | None:
    """Put every file into the folder; a failure, and nothing is put, where another case has a name there."""
    built = state.artifact or state.model
    if state.failure is not None:
        note_failure(state.log, state.failure)
    if state.failure is not None or built is None:
        return state.failure
    stem = _stem(state)
    needed = _needed(built, stem)
    for name, file in needed.items():
        # A model of one file has that file's hash.
        alone = isinstance(built, OnnxModel) and not built.external
        sha256 = built.sha256 if alone else sha256_of_file(file)
        first, theirs = names.setdefault(name, (state.job.case.name, sha256))
        if theirs != sha256:
            message = f"{out / name} holds {first} already, with other content"
            told = f"{message}: give one of them another --out"
            return Failure(Stage.EXPORT, FailureClass.WRONG_ARTIFACT, told)
    with writing(out):
        for name, file in {**needed, **_beside(built), **state.files}.items():
            _replace(file, out / (name if name in needed else f"{stem}.{name}"))
    return None


def _needed(built: OnnxModel | Artifact, stem: str) -> dict[str, Path]:
    """The file that was made and what it does not run without, by their names in the user's folder."""
    onnx = isinstance(built, OnnxModel) or built.path.suffix == ".onnx"
    found = {f"{stem}{'.onnx' if isinstance(built, OnnxModel) else built.path.suffix}": built.path}
    for part in built.external if isinstance(built, OnnxModel) else built.parts:
        # An ONNX file names its data itself; other formats find theirs by their own name.
        own = part.stem == built.path.stem and not onnx
        found[f"{stem}{part.suffix}" if own else str(part.relative_to(built.path.parent))] = part
    return found


def _beside(built: OnnxModel | Artifact) -> dict[str, Path]:
    """What a toolchain left besides: every case has a log, so they are told apart by the case's name."""
    if isinstance(built, OnnxModel):
        return {}
    others = (file for file in built.extras if file not in built.parts)
    return {str(file.relative_to(built.path.parent)): file for file in others}


def _replace(source: Path, target: Path) -> None:
    if target.is_file() and target.samefile(source):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    link_or_copy(source, target)


def _stem(state: JobState) -> str:
    """A case's name as a file name: names come from users and may hold a slash."""
    job = state.job
    name = job.case.name.replace("/", "_").replace("\0", "_").lstrip(".") or "case"
    return f"{name}.{job.board.name}.{job.precision}" if state.artifact else name
