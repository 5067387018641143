"""One job from spec to row, straight: export, compile, measure, write down."""

import json
import threading
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from npubench import __version__
from npubench.engine import board_benchmark
from npubench.engine.events import StageStarted
from npubench.errors import TransferError
from npubench.identity import sha256_of_file
from npubench.plan import Job, Request
from npubench.protocols import Backend, BoardBenchmark, Exporter, Session
from npubench.records import (
    Artifact,
    BoardState,
    Failure,
    FailureClass,
    Figures,
    OnnxModel,
    Result,
    Skip,
    Stage,
    Status,
    ToolInfo,
)
from npubench.specs import BenchmarkSpec, CaseSpec, InvalidCase, OperatorSpec, Target, case_kind
from npubench.verdict import judge
from npubench.workspace import Workspace, writing

Kept = TypeVar("Kept", OnnxModel, Artifact)


@dataclass(frozen=True)
class Context:
    """What every job of a run shares; backends and the state of their tools by the board's name."""

    run_id: str
    workspace: Workspace
    request: Request
    exporter_of: Callable[[CaseSpec], Exporter]
    backends: Mapping[str, Backend]
    tools: Mapping[str, ToolInfo]
    command: tuple[str, ...]
    announce: Callable[[Any], None]
    fresh: bool = False
    benchmarks: Mapping[str, BoardBenchmark] = field(default_factory=dict)
    made: set[str] = field(default_factory=set)
    locks: defaultdict[str, threading.Lock] = field(default_factory=lambda: defaultdict(threading.Lock))

    def recall(self, key: str, find: Callable[[str], Kept | None]) -> Kept | None:
        """What the workspace keeps for `key`; a fresh run takes only what it made itself."""
        return None if self.fresh and key not in self.made else find(key)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A job on its way: what came of export and compile, and since when."""

    job: Job
    started_at: datetime
    log: Path
    model: OnnxModel | None = None
    artifact: Artifact | None = None
    estimate: Figures | None = None
    failure: Failure | None = None
    files: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Measured:
    """What a board gave for a job, with its state before and after."""

    outcome: Figures | Failure | Skip
    before: BoardState | None = None
    after: BoardState | None = None


def export_only(job: Job, context: Context) -> Prepared:
    """Only the ONNX file; needs no toolchain."""
    start = _start(job, context)
    if start.failure:
        return start
    model = _export(job, context, start.log)
    return replace(start, failure=model) if isinstance(model, Failure) else replace(start, model=model)


def prepare(job: Job, context: Context) -> Prepared:
    """Export and compile; both are taken from the workspace when they were made before."""
    start = _start(job, context)
    if start.failure:
        return start
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
    artifact = _compile(job, model, context, log)
    if isinstance(artifact, Failure):
        return replace(start, model=model, failure=artifact)
    estimate = context.backends[job.board.name].estimate(artifact)
    return replace(start, model=model, artifact=artifact, estimate=estimate)


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
    return outcome


def row(prepared: Prepared, measured: Measured | None, context: Context) -> Result:
    """The row of a job; keeps its log and samples."""
    outcome = prepared.failure or (measured.outcome if measured else None)
    base = _provenance(prepared, context)
    if isinstance(prepared.job.case, BenchmarkSpec):
        base = board_benchmark.provenance(base, prepared.job.case, outcome, context)
    if measured:
        base = replace(base, board_before=measured.before, board_after=measured.after)
    if isinstance(outcome, Failure):
        _note(
            prepared.log,
            f"# {outcome.stage} failed: {outcome.failure_class}: {outcome.message}\n{outcome.detail}\n",
        )
        base = replace(base, status=Status.FAILED, failure=replace(outcome, detail=""))
    elif isinstance(outcome, Skip):
        base = replace(base, status=Status.SKIPPED, skip_reason=outcome.reason)
    elif isinstance(outcome, Figures) and measured:
        base = _with_figures(base, outcome, measured, prepared, context)
    return replace(base, log_sha256=sha256_of_file(prepared.log))


def _start(job: Job, context: Context) -> Prepared:
    log = context.workspace.log_file(
        context.run_id, job.board.name, job.case.name, job.precision, job.key[:8]
    )
    start = Prepared(job, datetime.now(UTC), log)
    _note(log, f"# {job.label}\n")
    if isinstance(job.case, InvalidCase):
        failure_class = FailureClass(job.case.failure_class)
        return replace(start, failure=Failure(Stage.FIND, failure_class, job.case.message))
    return start


def _export(job: Job, context: Context, log: Path) -> OnnxModel | Failure:
    with context.locks[job.export_key]:
        kept = context.recall(job.export_key, context.workspace.find_onnx)
        if kept is not None:
            return kept
        context.announce(StageStarted(job, Stage.EXPORT))
        with context.workspace.job_folder() as folder:
            with writing(context.workspace.root):
                model = context.exporter_of(job.case).export(job.case, folder, log)
            if isinstance(model, Failure):
                return model
            context.made.add(job.export_key)
            return context.workspace.keep_onnx(job.export_key, model)


def _compile(job: Job, model: OnnxModel, context: Context, log: Path) -> Artifact | Failure:
    with context.locks[job.compile_key]:
        kept = context.recall(job.compile_key, context.workspace.find_artifact)
        if kept is not None and kept.onnx.sha256 == model.sha256:
            return kept
        context.announce(StageStarted(job, Stage.COMPILE))
        request, board = context.request, job.board
        target = Target(
            board.chip, job.precision, board.backend_options, request.calibration, request.deadline_s
        )
        with context.workspace.job_folder() as folder:
            with writing(context.workspace.root):
                artifact = context.backends[board.name].compile(model, target, folder, log)
            if isinstance(artifact, Failure):
                return artifact
            context.made.add(job.compile_key)
            return context.workspace.keep_artifact(job.compile_key, artifact)


def _provenance(prepared: Prepared, context: Context) -> Result:
    job, model, artifact = prepared.job, prepared.model, prepared.artifact
    tools = {**(model.tools if model else {}), **context.tools[job.board.name].versions}
    seeds = {"calibration": context.request.calibration.seed}
    if model and model.seed is not None:
        seeds["weights"] = model.seed
    return Result(
        key=job.key,
        run_id=context.run_id,
        started_at=prepared.started_at.isoformat(timespec="milliseconds"),
        duration_s=(datetime.now(UTC) - prepared.started_at).total_seconds(),
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
        op=job.case.op if isinstance(job.case, OperatorSpec) else "",
        estimate=prepared.estimate,
        emulated=job.board.emulated,
        protocol=_protocol(context, artifact),
        seeds=seeds,
        command=context.command,
        log_path=context.workspace.relative(prepared.log),
        npubench_version=__version__,
    )


def _protocol(context: Context, artifact: Artifact | None) -> dict[str, Any]:
    timing = context.request.timing
    return {
        "warmup": timing.warmup,
        "repeat": timing.repeat,
        "min_duration_s": timing.min_duration_s,
        "rounds": timing.rounds,
        "deadline_s": context.request.deadline_s,
        "calibration_sha256": context.request.calibration_digest,
        **(artifact.settings if artifact else {}),
    }


def _with_figures(
    base: Result, figures: Figures, measured: Measured, prepared: Prepared, context: Context
) -> Result:
    verdict, warnings = judge(measured.before, measured.after, figures)
    job = prepared.job
    samples = None
    if figures.samples_us:
        samples = context.workspace.samples_file(
            context.run_id, job.board.name, job.case.name, job.precision, job.key[:8]
        )
        with writing(context.workspace.root):
            samples.write_text(
                json.dumps({"unit": "us", "rounds": figures.samples_us}, separators=(",", ":"))
            )
    return replace(
        base,
        figures=replace(figures, samples_us=()),
        verdict=verdict,
        warnings=warnings,
        samples_path=context.workspace.relative(samples) if samples else None,
        samples_sha256=sha256_of_file(samples) if samples else None,
    )


def _note(log: Path, text: str) -> None:
    with writing(log.parent), log.open("a", encoding="utf-8", errors="backslashreplace") as stream:
        stream.write(text)


def lost(prepared: Prepared, error: Exception, failure_class: FailureClass, stage: Stage) -> Prepared:
    """The job when its board could not be reached or went away."""
    return replace(prepared, failure=Failure(stage, failure_class, str(error)))
