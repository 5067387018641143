"""One job, straight: export, compile, measure; then its row, with all that is known of how it came about."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from npubench import __version__
from npubench.domain import notes, records
from npubench.domain.errors import TransferError
from npubench.domain.figures import Figures, NoAccuracy, Sampling
from npubench.domain.protocols import Session, SimulatingLater, TwinExporter
from npubench.domain.records import (
    Artifact,
    BoardState,
    Failure,
    FailureClass,
    OnnxModel,
    Outcome,
    Result,
    Runner,
    Skip,
    Stage,
    Status,
)
from npubench.domain.specs import BenchmarkSpec, OperatorSpec, Target, case_kind, declared_batch
from npubench.engine import plugins
from npubench.engine.plan import Job
from npubench.engine.session import Note, RunSession, StageStarted
from npubench.graph.shares import of_types
from npubench.measure.reliability import assess_stability
from npubench.measure.statistics import one_a_call, sampling_of, with_throughput
from npubench.storage import ledger
from npubench.storage.files import is_regular
from npubench.storage.hashing import sha256_of_file
from npubench.storage.workspace import writing


@dataclass(frozen=True, slots=True)
class JobState:
    """A job on its way, from its log to what came of it."""

    job: Job  # what is to be done
    started_at: datetime  # when it began, UTC
    log: Path  # what its tools say
    model: OnnxModel | None = None  # what the export came to
    artifact: Artifact | None = None  # what the toolchain made of it
    estimate: Figures | None = None  # the toolchain's own simulation of the artifact
    files: Mapping[str, Path] = field(default_factory=dict)
    """What else was made, by name: by a board benchmark, or by surgery."""
    outcome: Outcome | None = None  # figures, or why there are none; None: it is not through
    before: BoardState | None = None  # the board before it was measured
    after: BoardState | None = None  # the board after it was measured
    runner: Runner | None = None  # the program on the board that measured

    @property
    def failure(self) -> Failure | None:
        """Why it went no further."""
        return self.outcome if isinstance(self.outcome, Failure) else None


def note(log: Path, text: str) -> None:
    """Append to the log of a job."""
    with writing(log.parent), log.open("a", encoding="utf-8", errors="backslashreplace") as stream:
        stream.write(text)


def note_failure(log: Path, failure: Failure) -> None:
    """Append why a job went no further, with all that its tool said of it."""
    told = f"# {failure.stage} failed: {failure.failure_class}: {failure.message}"
    note(log, f"{told}\n{failure.detail}\n")


def begin(job: Job, session: RunSession) -> JobState:
    """A job of which nothing is done yet, with a log."""
    log = session.workspace.log_file(*session.names(job))
    note(log, f"# {job.label}\n")
    return JobState(job, datetime.now(UTC), log)


def export_only(job: Job, session: RunSession) -> JobState:
    """Only the ONNX file; needs no toolchain."""
    return _with_export(begin(job, session), session)


def prepare(job: Job, session: RunSession) -> JobState:
    """Export and compile; both are taken from the workspace when they were made before."""
    state = begin(job, session)
    if isinstance(job.case, BenchmarkSpec):
        files = _benchmark_files(job, job.case, session, state.log)
        return replace(state, outcome=files) if isinstance(files, Failure) else replace(state, files=files)
    tool = session.plan.boards[job.board.name].tool
    if not tool.usable:
        message = f"{tool.name} cannot be used: {tool.reason}: {tool.fix}"
        return replace(state, outcome=Failure(Stage.COMPILE, FailureClass.TOOL_MISSING, message))
    state = _with_export(state, session)
    if state.model is None:
        return state
    sampling = sampling_of(state.model, declared_batch(job.case))
    if isinstance(sampling, Failure):
        return replace(state, outcome=sampling)
    artifact = _compile(job, state.model, session, state.log)
    if isinstance(artifact, Failure):
        return replace(state, outcome=artifact)
    return replace(state, artifact=artifact, estimate=estimated(job, state.model, artifact, session))


def measure(state: JobState, connection: Session, session: RunSession) -> JobState:
    """Run the artifact on a board. Raises BoardError when the board is lost.

    A file that did not get there is the failure of this case alone: the board still answers.
    """
    before = connection.facts()
    try:
        outcome = _measure(state, connection, session)
    except TransferError as error:
        outcome = Failure(Stage.TRANSFER, FailureClass.TRANSFER_FAILED, str(error))
    return replace(state, outcome=outcome, before=before, after=connection.facts())


def simulate(state: JobState, session: RunSession) -> JobState:
    """The tool's own simulation in the place of a board's figures; a Skip where the tool has none."""
    if state.estimate is None:
        name = session.plan.boards[state.job.board.name].backend.name
        return replace(state, outcome=Skip(notes.Note(notes.NoteCode.NO_SIMULATOR, {"name": name})))
    return replace(state, estimate=None, outcome=state.estimate)


def lost(state: JobState, error: Exception, failure_class: FailureClass, stage: Stage) -> JobState:
    """The job when its board could not be reached or went away."""
    return replace(state, outcome=Failure(stage, failure_class, str(error)))


def estimated(job: Job, model: OnnxModel, artifact: Artifact, session: RunSession) -> Figures | None:
    """The tool's simulation of an artifact, with the samples a second of `model`, the whole it is of.

    Where a simulation did not end, with the reason for what is missing.
    """
    estimate = session.plan.boards[job.board.name].backend.estimate(artifact)
    if estimate is None:
        return None
    why = artifact.settings.get("not_simulated")
    if why is not None and estimate.accuracy is None and estimate.no_accuracy is None:
        why = f"not simulated: {why}"
        estimate = replace(estimate, no_accuracy=NoAccuracy.NO_OUTPUTS, no_accuracy_why=why)
    return with_throughput(estimate, _sampling(job, model))


def compile_target(job: Job, session: RunSession) -> Target:
    """What the backend is asked to compile for."""
    request, board = session.plan.request, job.board
    return Target(board.chip, job.precision, board.backend_options, request.calibration, request.deadline_s)


def _measure(state: JobState, connection: Session, session: RunSession) -> Outcome:
    job, artifact, request = state.job, state.artifact, session.plan.request
    if isinstance(job.case, BenchmarkSpec):
        benchmark = plugins.benchmark(job.case.benchmark)
        return benchmark.measure(job.case, state.files, connection, request.deadline_s, state.log)
    if artifact is None:
        raise ValueError(f"{job.label} has no artifact to measure")
    backend = session.plan.boards[job.board.name].backend
    outcome = backend.measure(artifact, connection, job.timing, request.deadline_s, state.log)
    if isinstance(outcome, Figures) and outcome.artifact_sha256 != artifact.sha256:
        message = f"the board ran {outcome.artifact_sha256}, not the artifact {artifact.sha256} of this job"
        return Failure(Stage.MEASURE, FailureClass.WRONG_ARTIFACT, message)
    if isinstance(outcome, Figures) and state.model is not None:
        return with_throughput(outcome, _sampling(job, state.model))
    return outcome


def _sampling(job: Job, model: OnnxModel) -> Sampling:
    found = sampling_of(model, declared_batch(job.case))
    return one_a_call() if isinstance(found, Failure) else found


def _benchmark_files(
    job: Job, case: BenchmarkSpec, session: RunSession, log: Path
) -> Mapping[str, Path] | Failure:
    """What a board benchmark has to make here; one case after the other, since they share files."""
    with session.locks[f"benchmark {case.benchmark}"]:
        return plugins.benchmark(case.benchmark).prepare(
            case, job.board, session.plan.request.deadline_s, log, lambda text: session.announce(Note(text))
        )


def _with_export(state: JobState, session: RunSession) -> JobState:
    model = _export(state.job, session, state.log)
    return replace(state, outcome=model) if isinstance(model, Failure) else replace(state, model=model)


def _export(job: Job, session: RunSession, log: Path) -> OnnxModel | Failure:
    with session.locks[job.export_key]:
        cached = session.cached(job.export_key, session.workspace.find_onnx)
        if cached is not None:
            return cached
        session.announce(StageStarted(job, Stage.EXPORT))
        with session.workspace.job_folder() as folder, writing(session.workspace.root):
            return _exported(job, session, folder, log)


def _exported(job: Job, session: RunSession, folder: Path, log: Path) -> OnnxModel | Failure:
    """Export, or take what another case of the same network came to."""
    exporter, root = session.exporter(job.case), session.workspace.root

    def export() -> OnnxModel | Failure:
        return ledger.make_noted(root, job.case, lambda: exporter.export(job.case, folder, log))

    if not isinstance(exporter, TwinExporter) or not (network := exporter.network(job.case, folder, log)):
        # Nothing else looks for the file where the exporter wrote it.
        return _keep(job.export_key, export(), session, whole=True)
    key = f"network-{network}"
    with session.locks[key]:
        built = session.cached(key, session.workspace.find_onnx)
        if built is None:
            return _keep(job.export_key, _keep(key, export(), session), session)
        twin = exporter.twin(job.case, built, folder)
        return _keep(job.export_key, ledger.make_noted(root, job.case, lambda: twin), session)


def _keep(
    key: str, model: OnnxModel | Failure, session: RunSession, whole: bool = False
) -> OnnxModel | Failure:
    if isinstance(model, Failure):
        return model
    session.built.add(key)
    return session.workspace.keep_onnx(key, model, whole=whole)


def _compile(job: Job, model: OnnxModel, session: RunSession, log: Path) -> Artifact | Failure:
    with session.locks[job.compile_key]:
        cached = session.cached(job.compile_key, session.workspace.find_artifact)
        if cached is not None and cached.onnx.sha256 == model.sha256:
            return _simulated_later(job, cached, session, log)
        session.announce(StageStarted(job, Stage.COMPILE))
        backend, target = session.plan.boards[job.board.name].backend, compile_target(job, session)
        with session.workspace.job_folder() as folder:
            with writing(session.workspace.root):
                artifact = backend.compile(model, target, folder, log)
            if isinstance(artifact, Failure):
                return artifact
            if not all(is_regular(file) for file in (artifact.path, *artifact.parts)):
                message = f"{job.board.backend} left something else than a file as its artifact"
                return Failure(Stage.COMPILE, FailureClass.NO_ARTIFACT, message)
            session.built.add(job.compile_key)
            built = session.workspace.keep_artifact(job.compile_key, artifact)
    return _simulated_later(job, built, session, log)


def _simulated_later(job: Job, artifact: Artifact, session: RunSession, log: Path) -> Artifact | Failure:
    """A kept artifact with the tool's simulation of it, where that is a step of its own and is missing."""
    backend = session.plan.boards[job.board.name].backend
    if not isinstance(backend, SimulatingLater) or not backend.to_simulate(artifact):
        return artifact
    with session.locks[f"simulate {job.compile_key}"], session.workspace.job_folder() as folder:
        with writing(session.workspace.root):
            simulated = backend.simulate(artifact, compile_target(job, session), folder, log)
        if isinstance(simulated, Failure):
            return simulated
        return session.workspace.keep_artifact(job.compile_key, simulated)


def row(state: JobState, session: RunSession) -> Result:
    """The row of a job; keeps its log and samples."""
    outcome, base = state.outcome, _provenance(state, session)
    if isinstance(state.job.case, BenchmarkSpec):
        base = _of_benchmark(base, state.job.case, outcome, session)
    base = replace(base, board_before=state.before, board_after=state.after)
    if state.runner is not None:
        base = replace(base, tools={**base.tools, **state.runner.tools})
    if isinstance(outcome, Failure):
        note_failure(state.log, outcome)
        base = replace(base, status=Status.FAILED, failure=replace(outcome, detail=""))
    elif isinstance(outcome, Skip):
        base = replace(base, status=Status.SKIPPED, skip_reason=outcome.reason)
    elif outcome is not None:
        base = _with_figures(base, outcome, state, session)
    return replace(base, log_sha256=sha256_of_file(state.log))


def _of_benchmark(base: Result, case: BenchmarkSpec, outcome: Outcome | None, session: RunSession) -> Result:
    """The row with what decided its figures: the benchmark's tool and options, no calibration, no seed."""
    told = outcome.tools if isinstance(outcome, Figures) else {}
    return replace(
        base,
        backend=case.tool,
        tools={**plugins.benchmark(case.benchmark).tools(case), **told},
        artifact_sha256=outcome.artifact_sha256 if isinstance(outcome, Figures) else None,
        protocol={"deadline_s": session.plan.request.deadline_s, **case.options},
        seeds={},
    )


def _provenance(state: JobState, session: RunSession) -> Result:
    job, model, artifact = state.job, state.model, state.artifact
    tools = {**(model.tools if model else {}), **session.plan.boards[job.board.name].tool.versions}
    seeds = {"calibration": session.plan.request.calibration.seed}
    if model and model.seed is not None:
        seeds["weights"] = model.seed
    return Result(
        key=job.key,
        run_id=session.run_id,
        started_at=state.started_at.isoformat(timespec="milliseconds"),
        duration_s=(datetime.now(UTC) - state.started_at).total_seconds(),
        board=job.board.name,
        chip=job.board.chip,
        backend=job.board.backend,
        tools={**tools, **(artifact.tools if artifact else {})},
        case=job.case.name,
        case_kind=case_kind(job.case),
        precision=job.precision,
        status=Status.OK,
        onnx_sha256=model.sha256 if model else None,
        artifact_sha256=artifact.sha256 if artifact else None,
        artifact_bytes=artifact.size_bytes if artifact else None,
        opset=model.opset if model else None,
        inputs=model.inputs if model else (),
        outputs=model.outputs if model else (),
        macs=model.macs if model else None,
        parameters=model.parameters if model else None,
        operators=model.operators if model else {},
        task=model.task if model else "",
        exported=model.exported if model else {},
        op=job.case.op if isinstance(job.case, OperatorSpec) else "",
        estimate=_with_shares(state.estimate, model) if state.estimate else None,
        emulated=job.board.emulated,
        protocol=_protocol(job, session, artifact),
        seeds=seeds,
        command=session.command,
        log_path=session.workspace.relative(state.log),
        data=artifact.data if artifact else None,
        npubench_version=__version__,
        definitions=records.CURRENT,
    )


def _with_shares(figures: Figures, model: OnnxModel | None) -> Figures:
    """By the placement, where the backend does not know better in what was computed."""
    if model is None or figures.computed is not None or not figures.placement:
        return figures
    return replace(figures, computed=of_types(figures.placement, model))


def _protocol(job: Job, session: RunSession, artifact: Artifact | None) -> dict[str, Any]:
    timing = job.timing
    return {
        "warmup": timing.warmup,
        "repeat": timing.repeat,
        "min_duration_s": timing.min_duration_s,
        "rounds": timing.rounds,
        "deadline_s": session.plan.request.deadline_s,
        "calibration_sha256": session.plan.request.calibration_digest,
        **(artifact.settings if artifact else {}),
    }


def _with_figures(base: Result, figures: Figures, state: JobState, session: RunSession) -> Result:
    verdict, found = assess_stability(state.before, state.after, figures)
    warnings = (*found, base.data.note) if base.data is not None and base.data.note else found
    samples = None
    if figures.samples_us:
        samples = session.workspace.samples_file(*session.names(state.job))
        times = {"unit": "us", "rounds": figures.samples_us}
        if figures.interrupted_us:
            times["interrupted"] = figures.interrupted_us
        text = json.dumps(times, separators=(",", ":"))
        with writing(session.workspace.root):
            samples.write_text(text)
    return replace(
        base,
        figures=_with_shares(replace(figures, samples_us=(), interrupted_us=()), state.model),
        verdict=verdict,
        warnings=warnings,
        samples_path=session.workspace.relative(samples) if samples else None,
        samples_sha256=sha256_of_file(samples) if samples else None,
    )
