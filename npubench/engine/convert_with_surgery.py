"""Converting with surgery: as it is, then rewritten, then cut at head and tail, until the target takes it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from npubench.domain.figures import Figures, Kind
from npubench.domain.protocols import Simulating
from npubench.domain.records import Artifact, Failure, FailureClass, OnnxModel, Stage
from npubench.domain.specs import CalibrationSpec, TensorSpec, TimingProtocol
from npubench.engine.job import JobState, begin, compile_target, estimated, note
from npubench.engine.job import prepare as prepare_as_is
from npubench.engine.plan import Job
from npubench.engine.session import RunSession, StageStarted
from npubench.graph.check import inlined
from npubench.graph.read import describe
from npubench.graph.surgery.state import OutputComparison, Part, Surgery, SurgeryState, next_step
from npubench.measure.calibration import calibration_to_json
from npubench.measure.onnx_session import answer_of
from npubench.measure.statistics import latency
from npubench.storage import ledger
from npubench.storage.files import write_atomically
from npubench.storage.hashing import digest
from npubench.storage.json import decode, encode
from npubench.storage.ledger import Conversion
from npubench.storage.workspace import writing
from npubench.tools import process

if TYPE_CHECKING:
    from npubench.graph.surgery.cut import Cut


FORMAT = 1
"""Part of every key: a change of what surgery does makes every cut anew."""

RECORD = "cut.json"
LARGEST_DIFFERENCE = 1e-3
"""Of an output of numbers, |difference| / |whole|: above it surgery changed the function."""

OWN = "the whole model's own data"
FED = "what the head makes of the whole model's data; the same samples are compared"

TIMING = TimingProtocol(warmup=10, warmup_min_s=0.2, warmup_max_s=5.0, min_duration_s=0.6)
"""Head and tail run on this CPU beside a body on a board: their times need not be finer."""


WORKER = "npubench.measure.cut_parts"
COMPARED = 4
"""Samples on which outputs are compared: as many as the toolchains simulate."""

CALIBRATION, EVALUATION = "calibration", "evaluation"
"""Folders of the samples that a body is fed with; it gets others to be compared on than calibrate it."""

LARGEST_FILE_BYTES = 2**31 - 1
"""What protobuf holds; parts are written without external data."""


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts that a cut made, each described.

    `needs_upstream_inputs`: the body takes other inputs than the whole, which what runs before it makes.
    """

    head: OnnxModel | None
    body: OnnxModel
    tail: OnnxModel | None
    needs_upstream_inputs: bool

    def job(self, whole: OnnxModel, calibration: CalibrationSpec) -> dict[str, Any]:
        """What every job of the worker says: the files, and what data the whole is run with."""
        return {
            "whole": str(whole.path),
            "head": str(self.head.path) if self.head else None,
            "body": str(self.body.path),
            "tail": str(self.tail.path) if self.tail else None,
            "body_outputs": tensors(self.body.outputs),
            "fed": encode(whole.fed),
            "calibration": calibration_to_json(calibration),
            "compared": COMPARED,
        }


def keep(cut: "Cut", whole: OnnxModel, job: Job, key: str, session: RunSession) -> Parts | Failure:
    """Write the parts, describe them and bring them under their hashes."""
    parts: dict[str, OnnxModel | None] = {}
    for name in ("head", "body", "tail"):
        part = getattr(cut, name)
        # Only the last part gives out what the whole gives out.
        last = cut.tail is None if name == "body" else name == "tail"
        kept = part and _keep_part(part, name, whole.task if last else "", job, key, session)
        if isinstance(kept, Failure):
            return kept
        parts[name] = kept
    head, body, tail = parts["head"], parts["body"], parts["tail"]
    assert body is not None
    return _parts(head, body, tail, whole)


def _parts(head: OnnxModel | None, body: OnnxModel, tail: OnnxModel | None, whole: OnnxModel) -> Parts:
    return Parts(head, body, tail, head is not None or body.fed != whole.fed)


def _keep_part(
    part: Any, name: str, task: str, job: Job, key: str, session: RunSession
) -> OnnxModel | Failure:
    import onnx

    if part.ByteSize() > LARGEST_FILE_BYTES:
        message = f"the {name} is larger than the 2 GiB that one file holds"
        return Failure(Stage.COMPILE, FailureClass.INVALID_MODEL, message)
    with session.workspace.job_folder() as folder:
        path = folder / f"{name}.onnx"
        with writing(session.workspace.root):
            onnx.save(part, path)
        described = describe(path, job.case.name, task=task)
        if isinstance(described, Failure):
            # ONNX Runtime takes what a target would not: say a tail whose shapes the data decide.
            what = f"the {name} cannot run on the CPU"
            if name == "body":
                what = "between head and tail no model is left that a target takes"
            return replace(described, stage=Stage.COMPILE, message=f"{what}: {described.message}", detail="")
        return session.workspace.keep_onnx(f"{key}-{name}", described)


def find(key: str, whole: OnnxModel, session: RunSession) -> Parts | None:
    """The parts that were kept for a key; None where the body is not there any more."""
    head, body, tail = (session.workspace.find_onnx(f"{key}-{name}") for name in ("head", "body", "tail"))
    if body is None:
        return None
    return _parts(head, body, tail, whole)


def calibration_for(
    parts: Parts, whole: OnnxModel, folder: Path, session: RunSession, log: Path
) -> CalibrationSpec | Failure:
    """Calibration data of the body: the request's own, or what the head makes of them, in `folder`."""
    asked = session.plan.request.calibration
    if not parts.needs_upstream_inputs:
        return asked
    wanted = [tensor.name for tensor in parts.body.inputs]
    folders = {name: str(folder / name) for name in (CALIBRATION, EVALUATION)}
    job = {**parts.job(whole, asked), "step": "feed", "folders": folders, "wanted": wanted}
    answer = work(job, session.plan.request.deadline_s, log)
    if isinstance(answer, Failure):
        return answer
    apart = folder / EVALUATION
    return CalibrationSpec(folder / CALIBRATION, asked.seed, int(answer["samples"]), apart)


def tensors(specs: Sequence[TensorSpec]) -> list[dict[str, Any]]:
    """Tensors as JSON."""
    return [{"name": one.name, "shape": list(one.shape), "dtype": one.dtype} for one in specs]


def work(job: Mapping[str, Any], deadline_s: float, log: Path) -> dict[str, Any] | Failure:
    """Run the worker; its answer, or the failure that its end or its answer tells of. Raises Interrupted."""
    return answer_of(WORKER, job, Stage.COMPILE, partial(process.run, timeout_s=deadline_s, log=log))


@dataclass(frozen=True, slots=True)
class _Built:
    """A body that the target takes, with its parts and how their joined outputs compare."""

    parts: Parts
    artifact: Artifact
    comparison: dict[str, Any]
    surgery: SurgeryState
    share: float | None


@dataclass(frozen=True, slots=True)
class _Refused:
    """The target did not take a body: there may be another one."""

    failure: Failure


def prepare(job: Job, session: RunSession) -> JobState:
    """Like `job.prepare`; what the target refuses is rewritten and cut until it takes a body.

    `JobState.files` has head, body, tail and the record where surgery was done; the artifact is the body's.
    What came of it is noted for `npubench coverage`.
    """
    key = _key(job, session)
    with session.locks[f"cut-{key}"]:
        fresh = session.options.fresh and f"cut-{key}" not in session.built
        cached = None if fresh else _cached(job, key, session)
        return _noted(cached or _prepare(job, key, session), session)


def _prepare(job: Job, key: str, session: RunSession) -> JobState:
    plain = prepare_as_is(job, session)
    if plain.failure is None or plain.model is None:
        return plain
    built = _operate(plain, plain.model, plain.failure, key, session)
    if isinstance(built, Failure):
        note(plain.log, f"# no surgery helped: {built.message}\n")
        return replace(plain, outcome=built)
    return _record(plain, plain.model, plain.failure, built, key, session)


def _key(job: Job, session: RunSession) -> str:
    return digest("cut", FORMAT, job.compile_key, session.plan.request.calibration_digest)


def measure_parts(state: JobState, session: RunSession) -> JobState:
    """Time head and tail here, one after another, with what they get when the whole runs; once a cut.

    To be called when nothing is being converted any more. A failure where ONNX Runtime fails at it, which is
    noted for `npubench coverage`, too.
    """
    measured = _measure_parts(state, _key(state.job, session), session)
    return _noted(measured, session) if measured is not state and measured.failure else measured


def _measure_parts(state: JobState, key: str, session: RunSession) -> JobState:
    record = record_of(state)
    parts = find(key, state.model, session) if state.model else None
    timed = all(part is None or part.figures is not None for part in (record.head, record.tail))
    if parts is None or state.model is None or timed:
        return state
    request = session.plan.request
    job = {**parts.job(state.model, request.calibration), "step": "time", "timing": asdict(TIMING)}
    answer = work(job, request.deadline_s, state.log)
    if isinstance(answer, Failure):
        return replace(state, outcome=answer)
    head, tail = (
        replace(part, figures=_measured(answer[name])) if part else None
        for name, part in (("head", record.head), ("tail", record.tail))
    )
    _write(replace(record, head=head, tail=tail), key, session)
    return state


def _noted(state: JobState, session: RunSession) -> JobState:
    """The same, noted where the toolchain had its say."""
    failure = state.failure
    if failure is None or (
        failure.stage is Stage.COMPILE and failure.failure_class is not FailureClass.TOOL_MISSING
    ):
        with writing(session.workspace.root):
            ledger.note(session.workspace.root, conversion_of(state))
    return state


def conversion_of(state: JobState) -> Conversion:
    """What became of a case, as it is and with surgery."""
    job, failure = state.job, state.failure
    asked = (job.case.name, job.board.backend, job.board.name, str(job.precision))
    if failure is not None:
        return Conversion(*asked, str(failure.failure_class), str(failure.failure_class), failure.operators)
    if not state.files:
        return Conversion(*asked, "", "")
    record = record_of(state)
    rewrites = tuple(one.name for one in record.rewrites)
    joined = (lowest_cosine(record.joined_fp32), lowest_cosine(record.joined_target or ()))
    return Conversion(*asked, str(record.as_is.failure_class), "", record.lacking, rewrites, *joined)


def lowest_cosine(outputs: Sequence[OutputComparison]) -> float | None:
    """Of the outputs that have one."""
    return min((one.cosine for one in outputs if one.cosine is not None), default=None)


def record_of(state: JobState) -> Surgery:
    """The record of a case that surgery was done on."""
    return decode(Surgery, state.files[RECORD].read_text(encoding="utf-8"))


def _operate(
    plain: JobState, whole: OnnxModel, failure: Failure, key: str, session: RunSession
) -> _Built | Failure:
    import onnx

    model = inlined(onnx.load(whole.path))
    if isinstance(model, Failure):
        return model
    surgery = SurgeryState(model)
    while True:
        ahead = next_step(surgery, failure, plain.job.board.backend)
        if ahead is None:
            return failure
        surgery = ahead
        done = [f"{one.name}: {one.nodes}" for one in surgery.rewrites]
        note(plain.log, f"# surgery: rewritten {done}, to be cut off {list(surgery.unsupported_ops)}\n")
        cut = surgery.parts()
        if isinstance(cut, Failure):
            return replace(cut, message=f"{failure.message}; {cut.message}", detail=failure.detail)
        parts = keep(cut, whole, plain.job, key, session)
        if isinstance(parts, Failure):
            return replace(parts, message=f"{failure.message}; {parts.message}")
        tried = _attempt(plain, whole, parts, session)
        if isinstance(tried, Failure):
            return tried
        if not isinstance(tried, _Refused):
            return _Built(parts, *tried, surgery, cut.share)
        failure = tried.failure


def _attempt(
    plain: JobState, whole: OnnxModel, parts: Parts, session: RunSession
) -> tuple[Artifact, dict[str, Any]] | _Refused | Failure:
    """Convert the body, then join the parts; the body's artifact and how the joined outputs compare."""
    job, log, workspace = plain.job, plain.log, session.workspace
    backend = session.plan.boards[job.board.name].backend
    with workspace.job_folder() as fed, workspace.job_folder() as folder:
        calibration = calibration_for(parts, whole, fed, session, log)
        if isinstance(calibration, Failure):
            return calibration
        target = replace(compile_target(job, session), calibration=calibration)
        session.announce(StageStarted(job, Stage.COMPILE))
        with writing(workspace.root):
            artifact = backend.compile(parts.body, target, folder, log)
        if isinstance(artifact, Failure):
            return _Refused(artifact)
        simulated = backend.simulated(folder) if isinstance(backend, Simulating) else ()
        asked = {
            **parts.job(whole, session.plan.request.calibration),
            "step": "join",
            "simulated": [[str(file) for file in sample] for sample in simulated],
        }
        comparison = work(asked, session.plan.request.deadline_s, log)
        if isinstance(comparison, Failure):
            return comparison
        if failure := _changed(comparison["fp32"]):
            return failure
        return workspace.keep_artifact(_cut_key(job, parts), artifact), comparison


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


def _record(
    plain: JobState, whole: OnnxModel, as_is: Failure, built: _Built, key: str, session: RunSession
) -> JobState:
    """Write the record and hand everything on."""
    job, parts = plain.job, built.parts
    estimate = estimated(job, whole, built.artifact, session)
    target = built.comparison["target"]
    record = Surgery(
        case=job.case.name,
        board=job.board.name,
        backend=job.board.backend,
        precision=job.precision,
        as_is=replace(as_is, detail=""),
        rewrites=built.surgery.rewrites,
        lacking=built.surgery.unsupported_ops,
        macs_share_on_cpu=built.share,
        head=_part(parts.head, "head.onnx") if parts.head else None,
        body=replace(_part(parts.body, "body.onnx"), figures=estimate),
        tail=_part(parts.tail, "tail.onnx") if parts.tail else None,
        joined_fp32=tuple(OutputComparison(**one) for one in built.comparison["fp32"]),
        joined_target=None if target is None else tuple(OutputComparison(**one) for one in target),
        calibration=FED if parts.needs_upstream_inputs else OWN,
        artifact_sha256=built.artifact.sha256,
    )
    _write(record, key, session)
    session.built.add(f"cut-{key}")
    files = _files(parts, key, session)
    return replace(plain, model=whole, artifact=built.artifact, estimate=estimate, outcome=None, files=files)


def _cached(job: Job, key: str, session: RunSession) -> JobState | None:
    """What an earlier run made, if all its files are still what they were."""
    whole, path = session.workspace.find_onnx(job.export_key), _record_path(key, session)
    if whole is None or not path.is_file():
        return None
    parts = find(key, whole, session)
    artifact = session.workspace.find_artifact(_cut_key(job, parts)) if parts else None
    if parts is None or artifact is None:
        return None
    return replace(
        begin(job, session),
        model=whole,
        artifact=artifact,
        estimate=estimated(job, whole, artifact, session),
        files=_files(parts, key, session),
    )


def _part(model: OnnxModel, file: str) -> Part:
    return Part(file, model.sha256, model.operators, model.inputs, model.outputs, model.macs)


def _files(parts: Parts, key: str, session: RunSession) -> dict[str, Path]:
    models = {"head.onnx": parts.head, "body.onnx": parts.body, "tail.onnx": parts.tail}
    made = {name: model.path for name, model in models.items() if model}
    return {**made, RECORD: _record_path(key, session)}


def _record_path(key: str, session: RunSession) -> Path:
    return session.workspace.root / "cuts" / f"{key}.json"


def _write(record: Surgery, key: str, session: RunSession) -> None:
    path = _record_path(key, session)
    with writing(session.workspace.root):
        path.parent.mkdir(exist_ok=True)
        write_atomically(path, json.dumps(json.loads(encode(record)), indent=2) + "\n")


def _measured(answer: dict[str, Any]) -> Figures:
    rounds = tuple(tuple(ns / 1000 for ns in one) for one in answer["rounds_ns"])
    details = {**answer["details"], "where": "ONNX Runtime on the CPU of the machine that converted"}
    return Figures(Kind.MEASURED, latency(rounds), details=details)
