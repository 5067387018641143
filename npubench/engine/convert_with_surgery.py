"""Converting with surgery: as it is, then rewritten, then cut at head and tail, until the target takes it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from npubench.domain.protocols import Simulating
from npubench.domain.records import Artifact, Failure, FailureClass, Figures, Kind, OnnxModel, Stage
from npubench.domain.specs import BenchmarkSpec
from npubench.engine import cut_worker as cut_parts
from npubench.engine.cut_worker import Parts
from npubench.engine.events import StageStarted
from npubench.engine.job import Context, Prepared, compile_target, estimated, note
from npubench.engine.job import prepare as prepare_as_is
from npubench.engine.plan import Job
from npubench.graph.check import inlined
from npubench.graph.surgery.state import OutputComparison, Part, Surgery, SurgeryState, next_step
from npubench.measure.statistics import latency
from npubench.storage.files import write_atomically
from npubench.storage.hashing import digest
from npubench.storage.json import decode, encode
from npubench.storage.workspace import writing

FORMAT = 1
"""Part of every key: a change of what surgery does makes every cut anew."""

RECORD = "cut.json"
LARGEST_DIFFERENCE = 1e-3
"""Of an output of numbers, |difference| / |whole|: above it surgery changed the function."""

OWN = "the whole model's own data"
FED = "what the head makes of the whole model's data; the same samples are compared"

TIMING = {
    **{"warmup": 10, "warmup_min_s": 0.2, "warmup_max_s": 5.0},
    **{"repeat": 64, "min_duration_s": 0.6, "rounds": 3},
}


@dataclass(frozen=True, slots=True)
class _Made:
    """A body that the target takes, with its parts and how their joined outputs compare."""

    parts: Parts
    artifact: Artifact
    state: SurgeryState
    share: float | None
    comparison: dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Refused:
    """The target did not take a body: there may be another one."""

    failure: Failure


def prepare(job: Job, context: Context) -> Prepared:
    """Like `job.prepare`; what the target refuses is rewritten and cut until it takes a body.

    `Prepared.files` has head, body, tail and the record where surgery was done; the artifact is the body's.
    """
    if isinstance(job.case, BenchmarkSpec):
        return prepare_as_is(job, context)
    key = digest("cut", FORMAT, job.compile_key, context.request.calibration_digest)
    with context.locks[f"cut-{key}"]:
        fresh = context.fresh and f"cut-{key}" not in context.made
        kept = None if fresh else _recalled(job, key, context)
        if kept is not None:
            return kept
        plain = prepare_as_is(job, context)
        if plain.failure is None or plain.model is None:
            return plain
        made = _operate(plain, plain.model, plain.failure, key, context)
        if isinstance(made, Failure):
            note(plain.log, f"# no surgery helped: {made.message}\n")
            return replace(plain, failure=made)
        return _kept(plain, plain.model, plain.failure, made, key, context)


def measure_parts(prepared: Prepared, context: Context) -> Prepared:
    """Time head and tail here, one after another, with what they get when the whole runs; once a cut.

    To be called when nothing is being converted any more. A failure where ONNX Runtime fails at it.
    """
    key = digest("cut", FORMAT, prepared.job.compile_key, context.request.calibration_digest)
    record = record_of(prepared)
    parts = cut_parts.find(key, prepared.model, context) if prepared.model else None
    if (
        parts is None
        or prepared.model is None
        or all(part is None or part.figures is not None for part in (record.head, record.tail))
    ):
        return prepared
    job = {**parts.job(prepared.model, context.request.calibration), "step": "time", "timing": TIMING}
    answer = cut_parts.work(job, context.request.deadline_s, prepared.log)
    if isinstance(answer, Failure):
        return replace(prepared, failure=answer)
    head, tail = (
        replace(part, figures=_measured(answer[name])) if part else None
        for name, part in (("head", record.head), ("tail", record.tail))
    )
    _write(replace(record, head=head, tail=tail), key, context)
    return prepared


def record_of(prepared: Prepared) -> Surgery:
    """The record of a case that surgery was done on."""
    return decode(Surgery, prepared.files[RECORD].read_text(encoding="utf-8"))


def _operate(
    plain: Prepared, whole: OnnxModel, failure: Failure, key: str, context: Context
) -> _Made | Failure:
    model = _loaded(whole)
    if isinstance(model, Failure):
        return model
    state = SurgeryState(model)
    while True:
        ahead = next_step(state, failure, plain.job.board.backend)
        if ahead is None:
            return failure
        state = ahead
        done = [f"{one.name}: {one.nodes}" for one in state.rewrites]
        note(plain.log, f"# surgery: rewritten {done}, to be cut off {list(state.unsupported_ops)}\n")
        made = state.parts()
        if isinstance(made, Failure):
            return replace(made, message=f"{failure.message}; {made.message}", detail=failure.detail)
        parts = cut_parts.keep(made, whole, plain.job, key, context)
        if isinstance(parts, Failure):
            return replace(parts, message=f"{failure.message}; {parts.message}")
        tried = _attempt(plain, whole, parts, state, made.share, context)
        if not isinstance(tried, _Refused):
            return tried
        failure = tried.failure


def _loaded(whole: OnnxModel) -> "Any | Failure":
    import onnx

    return inlined(onnx.load(whole.path))


def _attempt(
    plain: Prepared,
    whole: OnnxModel,
    parts: Parts,
    state: SurgeryState,
    share: float | None,
    context: Context,
) -> _Made | _Refused | Failure:
    """Convert the body, then join the parts and compare."""
    job, log, workspace = plain.job, plain.log, context.workspace
    backend = context.backends[job.board.name]
    with workspace.job_folder() as fed, workspace.job_folder() as folder:
        calibration = cut_parts.calibration_for(parts, whole, fed, context, log)
        if isinstance(calibration, Failure):
            return calibration
        target = replace(compile_target(job, context), calibration=calibration)
        context.announce(StageStarted(job, Stage.COMPILE))
        with writing(workspace.root):
            artifact = backend.compile(parts.body, target, folder, log)
        if isinstance(artifact, Failure):
            return _Refused(artifact)
        simulated = backend.simulated(folder) if isinstance(backend, Simulating) else ()
        asked = {
            **parts.job(whole, context.request.calibration),
            "step": "join",
            "simulated": [[str(file) for file in sample] for sample in simulated],
        }
        comparison = cut_parts.work(asked, context.request.deadline_s, log)
        if isinstance(comparison, Failure):
            return comparison
        if failure := _changed(comparison["fp32"]):
            return failure
        return _Made(parts, workspace.keep_artifact(_cut_key(job, parts), artifact), state, share, comparison)


def _changed(outputs: Sequence[dict[str, Any]]) -> Failure | None:
    """Surgery must not change what a model computes: a failure where an output of numbers differs."""
    for one in outputs:
        error = one["relative_error"]
        if one["dtype"].startswith("float") and error is not None and error > LARGEST_DIFFERENCE:
            message = f"surgery changed output {one['name']!r} by {error:.2g} of its norm: nothing is kept"
            return Failure(Stage.COMPILE, FailureClass.OUTPUT_MISMATCH, message)
    return None


def _cut_key(job: Job, parts: Parts) -> str:
    return digest("cut", FORMAT, job.compile_key, parts.body.sha256)


def _kept(
    plain: Prepared, whole: OnnxModel, as_is: Failure, made: _Made, key: str, context: Context
) -> Prepared:
    """Write the record and hand everything on."""
    job, parts = plain.job, made.parts
    estimate = estimated(job, whole, made.artifact, context)
    target = made.comparison["target"]
    record = Surgery(
        case=job.case.name,
        board=job.board.name,
        backend=job.board.backend,
        precision=job.precision,
        as_is=replace(as_is, detail=""),
        rewrites=made.state.rewrites,
        lacking=made.state.unsupported_ops,
        macs_share_on_cpu=made.share,
        head=_part(parts.head, "head.onnx"),
        body=replace(_part_of(parts.body, "body.onnx"), figures=estimate),
        tail=_part(parts.tail, "tail.onnx"),
        joined_fp32=tuple(OutputComparison(**one) for one in made.comparison["fp32"]),
        joined_target=None if target is None else tuple(OutputComparison(**one) for one in target),
        calibration=FED if parts.needs_upstream_inputs else OWN,
        artifact_sha256=made.artifact.sha256,
    )
    _write(record, key, context)
    context.made.add(f"cut-{key}")
    files = _files(parts, key, context)
    return replace(plain, model=whole, artifact=made.artifact, estimate=estimate, failure=None, files=files)


def _recalled(job: Job, key: str, context: Context) -> Prepared | None:
    """What an earlier run made, if all its files are still what they were."""
    whole, path = context.workspace.find_onnx(job.export_key), _record_path(key, context)
    if whole is None or not path.is_file():
        return None
    parts = cut_parts.find(key, whole, context)
    artifact = context.workspace.find_artifact(_cut_key(job, parts)) if parts else None
    if parts is None or artifact is None:
        return None
    log = context.workspace.log_file(
        context.run_id, job.board.name, job.case.name, job.precision, job.key[:8]
    )
    estimate = estimated(job, whole, artifact, context)
    files = _files(parts, key, context)
    return Prepared(job, datetime.now(UTC), log, whole, artifact, estimate, files=files)


def _part(model: OnnxModel | None, file: str) -> Part | None:
    return _part_of(model, file) if model else None


def _part_of(model: OnnxModel, file: str) -> Part:
    return Part(file, model.sha256, model.operators, model.inputs, model.outputs, model.macs)


def _files(parts: Parts, key: str, context: Context) -> dict[str, Path]:
    models = {"head.onnx": parts.head, "body.onnx": parts.body, "tail.onnx": parts.tail}
    return {
        **{name: model.path for name, model in models.items() if model},
        RECORD: _record_path(key, context),
    }


def _record_path(key: str, context: Context) -> Path:
    return context.workspace.root / "cuts" / f"{key}.json"


def _write(record: Surgery, key: str, context: Context) -> None:
    path = _record_path(key, context)
    with writing(context.workspace.root):
        path.parent.mkdir(exist_ok=True)
        write_atomically(path, json.dumps(json.loads(encode(record)), indent=2) + "\n")


def _measured(answer: dict[str, Any]) -> Figures:
    rounds = tuple(tuple(ns / 1000 for ns in one) for one in answer["rounds_ns"])
    details = {**answer["details"], "where": "ONNX Runtime on the CPU of the machine that converted"}
    return Figures(Kind.MEASURED, latency(rounds), details=details)
