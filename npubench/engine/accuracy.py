"""A classifier on a data set: FP32 in ONNX Runtime, then what each board's toolchain made of it."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from npubench.domain.errors import BoardError, ToolchainError, UsageError
from npubench.domain.protocols import Predicting, Session
from npubench.domain.records import Artifact, Failure, FailureClass, OnnxModel, Predictions, Stage
from npubench.domain.specs import BoardSpec, CalibrationSpec, Precision
from npubench.engine import plugins
from npubench.engine.assemble import plan_again, plan_run
from npubench.engine.job import JobState, compile_target, export_only, prepare
from npubench.engine.lanes import hold
from npubench.engine.plan import Job, Plan, RunOptions
from npubench.engine.session import Listener, RunSession, SessionStage, unheard
from npubench.measure.accuracy import DataFacts, Score, at_chance, class_scores, problem, scored, worst
from npubench.measure.datasets import Dataset, check_place, facts, load, split, without
from npubench.storage.files import write_atomically

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

REFERENCE = "fp32 reference"
SHOWN_LOSSES = 5


@dataclass(frozen=True, slots=True)
class AccuracyOptions:
    """What `accuracy` is asked."""

    run: RunOptions
    """Cases, boards and precisions; its calibration without a path: so many samples of the data set."""
    dataset: Path  # labelled samples
    limit: int | None = None  # most samples to evaluate on, drawn; None: all


@dataclass(frozen=True, slots=True)
class Scores:
    """The scores of every case, the reference of each first."""

    scores: tuple[Score, ...]


@dataclass(frozen=True, slots=True)
class _Evaluation:
    """What a case is evaluated on."""

    data: Dataset
    samples: Path  # the file that holds the inputs of `data`
    facts: DataFacts

    def unknown(self, case: str, board: str, backend: str, precision: str, emulated: bool = False) -> Score:
        """A score of a case before anything is known of it."""
        return Score(case, board, backend, precision, None, emulated, len(self.data), data=self.facts)


def plan_accuracy(options: AccuracyOptions, announce: Listener = unheard) -> Plan:
    """Every case, board and precision; what to calibrate with is known once a case is exported."""
    check_place(options.dataset)  # before an export that takes minutes
    seeded = CalibrationSpec(seed=options.run.selection.seed)
    return plan_run(replace(options.run, calibration=seeded), announce)


def accuracy_stages(options: AccuracyOptions) -> tuple[SessionStage, ...]:
    """Evaluate, then write accuracy.json."""

    def evaluate(session: RunSession) -> Scores:
        by_case: dict[str, list[Job]] = {}
        for job in session.plan.jobs:
            by_case.setdefault(job.export_key, []).append(job)
        return Scores(tuple(one for jobs in by_case.values() for one in _scores(jobs, options, session)))

    return SessionStage(evaluate, gives=Scores), SessionStage(_write, gives=Path, needs=(Scores,))


def _write(session: RunSession, found: Scores) -> Path:
    path = session.workspace.root / "accuracy.json"
    text = json.dumps([asdict(one) for one in found.scores], indent=1, allow_nan=False)
    write_atomically(path, f"{text}\n")
    return path


def _scores(jobs: Sequence[Job], options: AccuracyOptions, session: RunSession) -> Iterator[Score]:
    """The reference of a case, then its score on every board in every precision."""
    import numpy as np

    exported = export_only(jobs[0], session)
    model = exported.model
    if model is None:
        name = jobs[0].case.name
        yield Score(name, REFERENCE, "onnxruntime", "fp32", None, False, 0, failure=exported.failure)
        return
    calibration, data, data_facts = _data(model, options)
    with session.workspace.job_folder() as folder:
        samples, calibrating = folder / "samples.npy", folder / "calibration.npy"
        np.save(samples, data.inputs)
        np.save(calibrating, calibration)
        evaluation = _Evaluation(data, samples, data_facts)
        reference, outputs = _reference_score(exported, model, evaluation, session, folder)
        yield reference
        if outputs is None:
            return
        spec = CalibrationSpec(
            calibrating, options.run.calibration.seed, len(calibration), evaluation=samples
        )
        plan = plan_again(session.plan, jobs, spec)
        for job in plan.jobs:
            yield _board_score(job, evaluation, outputs, replace(session, plan=plan))


def _reference_score(
    exported: JobState, model: OnnxModel, evaluation: _Evaluation, session: RunSession, folder: Path
) -> "tuple[Score, Array | None]":
    """FP32 of the exported graph itself on this machine, and its outputs for others to be compared with."""
    artifact = Artifact(
        model.path, model.sha256, model.size_bytes, "onnxruntime", {}, Precision.FP32, model,
        extras=model.external,
    )  # fmt: skip
    target = replace(compile_target(exported.job, session), precision=Precision.FP32)
    base = evaluation.unknown(model.case, REFERENCE, "onnxruntime", "fp32")
    backend, local = plugins.backend("onnxruntime"), plugins.transport("local")
    if not isinstance(backend, Predicting):
        raise ToolchainError("the backend onnxruntime is not npubench's: it cannot run a data set")
    predicted = backend.predict(
        artifact, target, evaluation.samples, lambda: local.connect(exported.job.board), folder, exported.log
    )
    score, outputs = _score(base, predicted, evaluation, None)
    if outputs is not None and (doubt := at_chance(outputs, evaluation.data.labels)):
        score = replace(score, notes=(*score.notes, doubt))
    return score, outputs


def _board_score(job: Job, evaluation: _Evaluation, reference: "Array", session: RunSession) -> Score:
    """What fails is a score with its failure."""
    board = job.board
    base = evaluation.unknown(job.case.name, board.name, job.backend, job.precision.value, board.emulated)
    state = prepare(job, session)
    if state.failure is not None or state.artifact is None:
        return replace(base, failure=state.failure)
    backend = session.plan.boards[board.name].backend
    if not isinstance(backend, Predicting):
        message = f"{job.backend} gives no outputs for a data set"
        return replace(base, failure=Failure(Stage.MEASURE, FailureClass.TOOL_ERROR, message))
    with session.workspace.job_folder() as folder:
        target, connect = compile_target(job, session), _connect_to(board, session)
        try:
            predicted = backend.predict(
                state.artifact, target, evaluation.samples, connect, folder, state.log
            )
        except BoardError as error:
            predicted = Failure(Stage.MEASURE, FailureClass.BOARD_UNREACHABLE, str(error))
        ran = predicted.artifact_sha256 if isinstance(predicted, Predictions) else None
        if ran not in (None, state.artifact.sha256):
            message = f"{ran} was run, not the artifact {state.artifact.sha256} of this job"
            predicted = Failure(Stage.MEASURE, FailureClass.WRONG_ARTIFACT, message)
        return _score(base, predicted, evaluation, reference)[0]


def _connect_to(board: BoardSpec, session: RunSession) -> Callable[[], Session]:
    """Opens a connection that holds its board: another run may be timing there."""

    def connect() -> Session:
        connection = session.transport_of(board).connect(board)
        try:
            hold(connection, board, session)
        except BaseException:
            connection.close()
            raise
        return connection

    return connect


def _score(
    base: Score, predicted: Predictions | Failure, evaluation: _Evaluation, reference: "Array | None"
) -> "tuple[Score, Array | None]":
    import numpy as np

    if isinstance(predicted, Failure):
        return replace(base, failure=predicted), None
    outputs = class_scores(np.load(predicted.path, allow_pickle=False))
    wrong = problem(outputs, evaluation.data.labels)
    if not wrong and reference is not None and outputs.shape != reference.shape:
        wrong = f"{outputs.shape[1]} classes, the FP32 graph has {reference.shape[1]}"
    if wrong:
        return replace(base, failure=Failure(Stage.MEASURE, FailureClass.OUTPUT_MISMATCH, wrong)), None
    notes = (predicted.note,) if predicted.note else ()
    known = replace(base, kind=predicted.kind, losses=worst(predicted.losses, SHOWN_LOSSES), notes=notes)
    return scored(known, outputs, evaluation.data.labels, reference), outputs


def _data(model: OnnxModel, options: AccuracyOptions) -> "tuple[Array, Dataset, DataFacts]":
    """Inputs to calibrate with, samples to evaluate on, none of which is among them, and what to say."""
    path, wanted = options.dataset, options.run.calibration
    if len(model.inputs) != 1 or len(model.inputs[0].shape) < 2:
        names = ", ".join(tensor.name for tensor in model.inputs)
        raise UsageError(f"{model.case} takes {names}: a data set is of one input with a batch")
    data = load(path, model.fed)
    if wanted.path is not None:
        calibration, rest = _own_calibration(model, wanted, wanted.path), data
    else:
        if len(data) <= wanted.samples:
            raise UsageError(
                f"{path} holds {len(data)} samples and {wanted.samples} are for calibration:"
                " give --calibration-samples"
            )
        drawn, rest = split(data, wanted.samples, wanted.seed)
        calibration = drawn.inputs
    rest, told = _unseen(rest, calibration)
    if options.limit is not None and options.limit < len(rest):
        rest, _ = split(rest, options.limit, wanted.seed + 1)
    notes = "; ".join(one for one in (data.note, told) if one)
    return calibration, rest, facts(replace(data, note=notes), len(calibration), len(rest))


def _own_calibration(model: OnnxModel, spec: CalibrationSpec, path: Path) -> "Array":
    import numpy as np

    from npubench.measure.calibration import every_sample

    samples = every_sample(model.fed, path, spec.samples, spec.seed)
    return np.concatenate([one[model.inputs[0].name] for one in samples])


def _unseen(rest: Dataset, calibration: "Array") -> tuple[Dataset, str]:
    """The samples that did not calibrate; all where there are no others, which is told."""
    left, equal = without(rest, calibration)
    if not equal:
        return rest, ""
    if not len(left):
        return rest, "every sample is equal to one that calibrates: evaluated on these, give others"
    return left, f"{equal} samples are equal to one that calibrates: not evaluated on"
