"""A classifier on a data set: FP32 in ONNX Runtime, then what each board's toolchain made of it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from npubench.domain.errors import BoardError
from npubench.domain.predictions import Predictions
from npubench.domain.protocols import Connect, Predicting, Session
from npubench.domain.records import Artifact, Failure, FailureClass, OnnxModel, Stage
from npubench.domain.specs import BoardSpec, Precision, Target
from npubench.engine.job import Context, compile_target, prepare
from npubench.engine.plan import Job
from npubench.measure.accuracy import DataFacts, Score, at_chance, class_scores, problem, scored, worst
from npubench.measure.datasets import Dataset

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

REFERENCE = "fp32 reference"
SHOWN_LOSSES = 5


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What to evaluate on; `samples` is the file that holds the inputs. `connect` opens a board's session."""

    data: Dataset
    samples: Path
    connect: Callable[[BoardSpec], Session]
    facts: DataFacts | None = None


def reference_score(
    model: OnnxModel,
    backend: Predicting,
    connect: Connect,
    of: Evaluation,
    target: Target,
    folder: Path,
    log: Path,
) -> "tuple[Score, Array | None]":
    """FP32 of the exported graph itself on this machine, and its outputs for others to be compared with."""
    artifact = Artifact(
        model.path, model.sha256, model.size_bytes, "onnxruntime", {}, Precision.FP32, model,
        extras=model.external,
    )  # fmt: skip
    base = Score(model.case, REFERENCE, "onnxruntime", "fp32", None, False, len(of.data), data=of.facts)
    made = backend.predict(artifact, target, of.samples, connect, folder, log)
    score, outputs = _score(base, made, of, None)
    if outputs is not None and (doubt := at_chance(outputs, of.data.labels)):
        score = replace(score, notes=(*score.notes, doubt))
    return score, outputs


def board_scores(
    jobs: Sequence[Job], context: Context, of: Evaluation, reference: "Array"
) -> Iterator[Score]:
    """One score per job, in their order; what fails is a score with its failure."""
    for job in jobs:
        base = Score(
            job.case.name,
            job.board.name,
            job.backend,
            job.precision.value,
            None,
            job.board.emulated,
            len(of.data),
            data=of.facts,
        )
        prepared = prepare(job, context)
        if prepared.failure is not None or prepared.artifact is None:
            yield replace(base, failure=prepared.failure)
            continue
        backend = context.backends[job.board.name]
        if not isinstance(backend, Predicting):
            message = f"{job.backend} gives no outputs for a data set"
            yield replace(base, failure=Failure(Stage.MEASURE, FailureClass.TOOL_ERROR, message))
            continue
        with context.workspace.job_folder() as folder:
            target = compile_target(job, context)
            made = _predict(backend, prepared.artifact, target, job.board, of, folder, prepared.log)
            yield _score(base, made, of, reference)[0]


def _predict(
    backend: Predicting,
    artifact: Artifact,
    target: Target,
    board: BoardSpec,
    of: Evaluation,
    folder: Path,
    log: Path,
) -> Predictions | Failure:
    try:
        made = backend.predict(artifact, target, of.samples, lambda: of.connect(board), folder, log)
    except BoardError as error:
        return Failure(Stage.MEASURE, FailureClass.BOARD_UNREACHABLE, str(error))
    if isinstance(made, Predictions) and made.artifact_sha256 not in (None, artifact.sha256):
        message = f"{made.artifact_sha256} was run, not the artifact {artifact.sha256} of this job"
        return Failure(Stage.MEASURE, FailureClass.WRONG_ARTIFACT, message)
    return made


def _score(
    base: Score, made: Predictions | Failure, of: Evaluation, reference: "Array | None"
) -> "tuple[Score, Array | None]":
    import numpy as np

    if isinstance(made, Failure):
        return replace(base, failure=made), None
    outputs = class_scores(np.load(made.path, allow_pickle=False))
    wrong = problem(outputs, of.data.labels)
    if not wrong and reference is not None and outputs.shape != reference.shape:
        wrong = f"{outputs.shape[1]} classes, the FP32 graph has {reference.shape[1]}"
    if wrong:
        return replace(base, failure=Failure(Stage.MEASURE, FailureClass.OUTPUT_MISMATCH, wrong)), None
    notes = (made.note,) if made.note else ()
    known = replace(base, kind=made.kind, losses=worst(made.losses, SHOWN_LOSSES), notes=notes)
    return scored(known, outputs, of.data.labels, reference), outputs
