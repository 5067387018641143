"""Head, body and tail of a cut model: described and kept by hash, fed, joined and timed in a worker."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from npubench.domain.records import Completed, Failure, FailureClass, OnnxModel, Stage
from npubench.domain.specs import CalibrationSpec, TensorSpec
from npubench.engine.plan import Job
from npubench.engine.session import RunSession
from npubench.graph.read import describe
from npubench.measure.calibration import calibration_to_json
from npubench.measure.onnx_session import answer_of
from npubench.storage.json import encode
from npubench.storage.workspace import writing
from npubench.tools import process

if TYPE_CHECKING:
    from npubench.graph.surgery.cut import Cut

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
        if isinstance(described, Failure) and name != "body":
            # ONNX Runtime takes what a target would not: say a tail whose shapes the data decide.
            message = f"the {name} cannot run on the CPU: {described.message}"
            return Failure(Stage.COMPILE, described.failure_class, message, described.operators)
        if isinstance(described, Failure):
            message = f"between head and tail no model is left that a target takes: {described.message}"
            return Failure(Stage.COMPILE, described.failure_class, message, described.operators)
        return session.workspace.keep_onnx(f"{key}-{name}", described)


def find(key: str, whole: OnnxModel, session: RunSession) -> Parts | None:
    """The parts that were kept for a key; None where the body is not there any more."""
    head, body, tail = (session.workspace.find_onnx(f"{key}-{name}") for name in ("head", "body", "tail"))
    if body is None:
        return None
    return Parts(head, body, tail, head is not None or body.fed != whole.fed)


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

    def start(argv: list[str]) -> Completed:
        return process.run(argv, timeout_s=deadline_s, log=log)

    return answer_of(WORKER, job, Stage.COMPILE, start)
