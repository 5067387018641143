"""One job, straight: export, compile, measure; `row` writes down what came of it."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from npubench.domain.errors import TransferError
from npubench.domain.protocols import Backend, Session, SimulatingLater, TwinExporter
from npubench.domain.records import (
    Artifact,
    Failure,
    FailureClass,
    Figures,
    NoAccuracy,
    OnnxModel,
    Sampling,
    Skip,
    Stage,
)
from npubench.domain.specs import BenchmarkSpec, Target, declared_batch
from npubench.engine import board_benchmark
from npubench.engine.context import Context, Measured, Prepared, note
from npubench.engine.events import StageStarted
from npubench.engine.plan import Job
from npubench.measure.sampling import one_a_call, sampling_of, with_throughput
from npubench.storage import ledger
from npubench.storage.files import is_regular
from npubench.storage.workspace import writing

Kept = TypeVar("Kept", OnnxModel, Artifact)


def export_only(job: Job, context: Context) -> Prepared:
    """Only the ONNX file; needs no toolchain."""
    start = begin(job, context)
    model = _export(job, context, start.log)
    return replace(start, failure=model) if isinstance(model, Failure) else replace(start, model=model)


def prepare(job: Job, context: Context) -> Prepared:
    """Export and compile; both are taken from the workspace when they were made before."""
    start = begin(job, context)
    log = start.log
    if isinstance(job.case, BenchmarkSpec):
        files = board_benchmark.prepare(job, job.case, context, log)
        return replace(start, failure=files) if isinstance(files, Failure) else replace(start, files=files)
    tool = context.tools[job.board.name]
    if not tool.usable:
        message = f"{tool.name} cannot be used: {tool.reason}: {tool.fix}"
        return replace(start, failure=Failure(Stage.COMPILE, FailureClass.TOOL_MISSING, message))
    model = _export(job, context, log)
    if isinstance(model, Failure):
        return replace(start, failure=model)
    sampling = sampling_of(model, declared_batch(job.case))
    if isinstance(sampling, Failure):
        return replace(start, model=model, failure=sampling)
    artifact = _compile(job, model, context, log)
    if isinstance(artifact, Failure):
        return replace(start, model=model, failure=artifact)
    return replace(start, model=model, artifact=artifact, estimate=estimated(job, model, artifact, context))


def estimated(job: Job, model: OnnxModel, artifact: Artifact, context: Context) -> Figures | None:
    """The tool's simulation of an artifact, with the samples a second of `model`, the whole it is of."""
    estimate = _estimate(artifact, context.backends[job.board.name])
    return with_throughput(estimate, _sampling(job, model)) if estimate else None


def _sampling(job: Job, model: OnnxModel) -> Sampling:
    found = sampling_of(model, declared_batch(job.case))
    return one_a_call() if isinstance(found, Failure) else found


def _estimate(artifact: Artifact, backend: Backend) -> Figures | None:
    """The tool's own figures; where its simulation did not end, with the reason for what is missing."""
    estimate, why = backend.estimate(artifact), artifact.settings.get("not_simulated")
    if estimate is None or why is None or estimate.accuracy is not None or estimate.no_accuracy is not None:
        return estimate
    return replace(estimate, no_accuracy=NoAccuracy.NO_OUTPUTS, no_accuracy_why=f"not simulated: {why}")


def measure(prepared: Prepared, session: Session, context: Context) -> Measured:
    """Run the artifact on a board. Raises BoardError when the board is lost.

    A file that did not get there is the failure of this case alone: the board still answers.
    """
    before = session.facts()
    try:
        outcome = _measure(prepared, session, context)
    except TransferError as error:
        outcome = Failure(Stage.TRANSFER, FailureClass.TRANSFER_FAILED, str(error))
    return Measured(outcome, before, session.facts())


def _measure(prepared: Prepared, session: Session, context: Context) -> Figures | Failure | Skip:
    job, artifact = prepared.job, prepared.artifact
    if isinstance(job.case, BenchmarkSpec):
        return board_benchmark.measure(job.case, prepared.files, session, context, prepared.log)
    if artifact is None:
        raise ValueError(f"{job.label} has no artifact to measure")
    timing, deadline_s = context.request.timing, context.request.deadline_s
    outcome = context.backends[job.board.name].measure(artifact, session, timing, deadline_s, prepared.log)
    if isinstance(outcome, Figures) and outcome.artifact_sha256 != artifact.sha256:
        message = f"the board ran {outcome.artifact_sha256}, not the artifact {artifact.sha256} of this job"
        return Failure(Stage.MEASURE, FailureClass.WRONG_ARTIFACT, message)
    if isinstance(outcome, Figures) and prepared.model is not None:
        return with_throughput(outcome, _sampling(job, prepared.model))
    return outcome


def simulate(prepared: Prepared, context: Context) -> tuple[Prepared, Measured]:
    """The tool's own simulation in the place of a board's figures; a Skip where the tool has none."""
    if prepared.estimate is None:
        backend = context.backends[prepared.job.board.name].name
        return prepared, Measured(Skip(f"{backend} simulates nothing: run it on a board, without --simulate"))
    return replace(prepared, estimate=None), Measured(prepared.estimate)


def begin(job: Job, context: Context) -> Prepared:
    """A job of which nothing is done yet, with a log."""
    log = context.workspace.log_file(
        context.run_id, job.board.name, job.case.name, job.precision, job.key[:8]
    )
    note(log, f"# {job.label}\n")
    return Prepared(job, datetime.now(UTC), log)


def _export(job: Job, context: Context, log: Path) -> OnnxModel | Failure:
    with context.locks[job.export_key]:
        kept = context.recall(job.export_key, context.workspace.find_onnx)
        if kept is not None:
            return kept
        context.announce(StageStarted(job, Stage.EXPORT))
        with context.workspace.job_folder() as folder, writing(context.workspace.root):
            return _exported(job, context, folder, log)


def _exported(job: Job, context: Context, folder: Path, log: Path) -> OnnxModel | Failure:
    """Export, or take what another case of the same network came to."""
    exporter, root = context.exporter_of(job.case), context.workspace.root

    def export() -> OnnxModel | Failure:
        return ledger.make_noted(root, job.case, lambda: exporter.export(job.case, folder, log))

    if not isinstance(exporter, TwinExporter) or not (network := exporter.network(job.case, folder, log)):
        # Nothing else looks for the file where the exporter wrote it.
        return _kept(job.export_key, export(), context, whole=True)
    key = f"network-{network}"
    with context.locks[key]:
        made = context.recall(key, context.workspace.find_onnx)
        if made is None:
            return _kept(job.export_key, _kept(key, export(), context), context)
        twin = exporter.twin(job.case, made, folder)
        return _kept(job.export_key, ledger.make_noted(root, job.case, lambda: twin), context)


def _kept(key: str, model: OnnxModel | Failure, context: Context, whole: bool = False) -> OnnxModel | Failure:
    if isinstance(model, Failure):
        return model
    context.made.add(key)
    return context.workspace.keep_onnx(key, model, whole=whole)


def compile_target(job: Job, context: Context) -> Target:
    """What the backend is asked to compile for."""
    request, board = context.request, job.board
    return Target(board.chip, job.precision, board.backend_options, request.calibration, request.deadline_s)


def _compile(job: Job, model: OnnxModel, context: Context, log: Path) -> Artifact | Failure:
    with context.locks[job.compile_key]:
        kept = context.recall(job.compile_key, context.workspace.find_artifact)
        if kept is not None and kept.onnx.sha256 == model.sha256:
            return _simulated_later(job, kept, context, log)
        context.announce(StageStarted(job, Stage.COMPILE))
        board, target = job.board, compile_target(job, context)
        with context.workspace.job_folder() as folder:
            with writing(context.workspace.root):
                artifact = context.backends[board.name].compile(model, target, folder, log)
            if isinstance(artifact, Failure):
                return artifact
            if not all(is_regular(file) for file in (artifact.path, *artifact.parts)):
                message = f"{board.backend} left something else than a file as its artifact"
                return Failure(Stage.COMPILE, FailureClass.NO_ARTIFACT, message)
            context.made.add(job.compile_key)
            kept = context.workspace.keep_artifact(job.compile_key, artifact)
    return _simulated_later(job, kept, context, log)


def _simulated_later(job: Job, artifact: Artifact, context: Context, log: Path) -> Artifact | Failure:
    """A kept artifact with the tool's simulation of it, where that is a step of its own and is missing."""
    backend = context.backends[job.board.name]
    if not isinstance(backend, SimulatingLater) or not backend.to_simulate(artifact):
        return artifact
    with context.locks[f"simulate {job.compile_key}"], context.workspace.job_folder() as folder:
        with writing(context.workspace.root):
            simulated = backend.simulate(artifact, compile_target(job, context), folder, log)
        if isinstance(simulated, Failure):
            return simulated
        return context.workspace.keep_artifact(job.compile_key, simulated)


def lost(prepared: Prepared, error: Exception, failure_class: FailureClass, stage: Stage) -> Prepared:
    """The job when its board could not be reached or went away."""
    return replace(prepared, failure=Failure(stage, failure_class, str(error)))
