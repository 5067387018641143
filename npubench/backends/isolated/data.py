"""What goes to a worker as files of its job's folder, and what it leaves there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from npubench.domain.errors import UsageError
from npubench.domain.figures import Kind, NoAccuracy
from npubench.domain.records import DataUse, Failure, FailureClass, OnnxModel, Predictions, Stage
from npubench.domain.specs import CalibrationSpec, TensorSpec
from npubench.graph.walk import numpy_dtype, plain
from npubench.measure.calibration import choose, rounded_to_8_bits
from npubench.measure.outputs import Similarity, similarity, top1_agreement, with_samples
from npubench.measure.sample_files import batch_of, batched
from npubench.storage.files import is_regular, open_regular

if TYPE_CHECKING:
    import numpy as np


FOLDER = "samples"
Paths = list[dict[str, str]]
"""For every sample the file of each input, relative to the job's folder."""


@dataclass(frozen=True, slots=True)
class LaidOut:
    """Files of `calibration`, `evaluation` and `rounded` samples, and what a row says of them."""

    files: Mapping[str, Paths]
    use: DataUse


def lay_out(model: OnnxModel, spec: CalibrationSpec, evaluated: int, workdir: Path) -> LaidOut | Failure:
    """Write `calibration` samples and up to `evaluated` samples for `evaluation`, one .npy an input.

    `rounded` are the latter as 8 bits represent them, for a model with integer outputs: how many of those
    change with that alone is what the tool's are judged by.
    """
    try:
        chosen = choose(model.fed, spec)
        calibration, evaluation = chosen.calibration(), chosen.evaluation()[:evaluated]
    except UsageError as error:
        return Failure(Stage.COMPILE, FailureClass.INVALID_CALIBRATION, str(error))
    if not calibration:
        return Failure(Stage.COMPILE, FailureClass.INVALID_CALIBRATION, "there are no calibration samples")
    (workdir / FOLDER).mkdir()
    whole = any(tensor.dtype.startswith(("int", "uint", "bool")) for tensor in model.outputs)
    files = {
        "calibration": _write(calibration, "calibration", workdir),
        "evaluation": _write(evaluation, "evaluation", workdir),
        "rounded": _write(rounded_to_8_bits(evaluation), "rounded", workdir) if whole else [],
    }
    return LaidOut(files, chosen.use(evaluated))


def lay_out_dataset(
    model: OnnxModel, spec: CalibrationSpec, inputs: Path, workdir: Path
) -> LaidOut | Failure:
    """Like `lay_out`, with every sample of a data set (samples x input without batch) to evaluate on.

    Of a model with a fixed batch the last call is filled up.
    """
    import numpy as np

    laid_out = lay_out(model, spec, 0, workdir)
    if isinstance(laid_out, Failure):
        return laid_out
    (tensor,) = model.inputs
    data = np.load(inputs, mmap_mode="r", allow_pickle=False)
    samples = batched(
        model.fed, [{tensor.name: np.asarray(one, dtype=numpy_dtype(tensor.dtype))} for one in data]
    )
    files = {**laid_out.files, "evaluation": _write(samples, "evaluation", workdir)}
    return replace(laid_out, files=files)


def _write(data: "Sequence[dict[str, np.ndarray[Any, Any]]]", kind: str, workdir: Path) -> Paths:
    import numpy as np

    paths: Paths = []
    for number, sample in enumerate(data):
        # Numbered, because an input may have any name.
        files = {name: f"{FOLDER}/{kind}-{number}-{i}.npy" for i, name in enumerate(sample)}
        for name, file in files.items():
            # A file of numpy's holds no other types than its own.
            np.save(workdir / file, plain(sample[name]))
        paths.append(files)
    return paths


def compared(
    answer: Mapping[str, Any], outputs: Sequence[TensorSpec], workdir: Path, classification: bool
) -> Similarity:
    """The tool's outputs beside FP32's over all samples; `wrong` where they cannot be right at all.

    `answer` has `outputs`, `reference` and, of a model with integer outputs, `rounded` (the reference's for
    inputs rounded to 8 bits): for each sample the names of .npy files, in the model's order.
    """
    ours, theirs = _load(answer.get("outputs"), workdir), _load(answer.get("reference"), workdir)
    if not ours:
        return Similarity(None, NoAccuracy.NO_OUTPUTS, "the tool gives no outputs without a board")
    if not any(theirs):
        why = str(answer.get("no_reference") or "ONNX Runtime gives no reference for this model")
        return Similarity(None, NoAccuracy.NOT_COMPARED, why)
    if wrong := _sizes(ours, theirs, outputs):
        return Similarity(wrong=wrong)
    # Tools give a tensor back in their own rank; the numbers and their order are the model's.
    ours = [
        [a.reshape(b.shape) if a.size == b.size else a for a, b in zip(x, y, strict=True)]
        for x, y in zip(ours, theirs, strict=True)
    ]
    names = [tensor.name for tensor in outputs]
    found = similarity(ours, theirs, _load(answer.get("rounded"), workdir), names)
    agreement = top1_agreement(ours, theirs) if classification else None
    return with_samples(found, agreement, len(theirs))


def in_model_order(answer: dict[str, Any], outputs: Sequence[TensorSpec]) -> None:
    """Put what stands in the tool's order of outputs into the model's, where the names tell another one."""
    listed = [one.get("name") for one in (answer.get("tensors") or {}).get("outputs") or ()]
    wanted = [tensor.name for tensor in outputs]
    if listed == wanted or sorted(map(str, listed)) != sorted(wanted):
        return
    order = [listed.index(name) for name in wanted]
    answer["tensors"]["outputs"] = [answer["tensors"]["outputs"][at] for at in order]
    if all(len(sample) == len(order) for sample in answer.get("outputs") or ()):
        answer["outputs"] = [[sample[at] for at in order] for sample in answer.get("outputs") or ()]
    if len(answer.get("steps") or ()) == len(order):
        answer["steps"] = [answer["steps"][at] for at in order]


def _sizes(
    ours: Sequence[Sequence[Any]], theirs: Sequence[Sequence[Any]], outputs: Sequence[TensorSpec]
) -> str:
    """How outputs differ in number, or one from a fixed shape; empty where they do not."""
    for sample, expected in zip(ours, theirs, strict=True):
        if len(sample) != len(expected):
            names = ", ".join(tensor.name for tensor in outputs)
            return f"it gives {len(sample)} outputs where the model has {len(expected)} ({names})"
        for one, other, tensor in zip(sample, expected, outputs, strict=False):
            if other.shape == tensor.shape and one.size != other.size:
                return f"{tensor.name} has {one.size} elements where the model's has {other.size}"
    return ""


def resolution(answer: Mapping[str, Any], workdir: Path) -> dict[str, Any] | None:
    """The cosine of FP32's own outputs rounded to the steps that the tool's have: no better one is possible.

    `answer["steps"]` has the step of each output, in the model's order. None where a step is not known.
    """
    steps, runs = answer.get("steps") or (), _load(answer.get("reference"), workdir)
    if not runs or len(steps) != len(runs[0]) or not all(steps):
        return None
    rounded = [[(one / step).round() * step for one, step in zip(run, steps, strict=True)] for run in runs]
    figures = similarity(rounded, runs).figures
    if figures is None:
        return None
    greatest = max(float(abs(one).max()) for run in runs for one in run)
    return {"steps": list(steps), "greatest": greatest, "cosine": figures["cosine"]}


def _load(files: Sequence[Sequence[str]] | None, workdir: Path) -> list[list[Any]]:
    import numpy as np

    def load(path: Path) -> Any:
        # Raises OSError for what is no regular file, and would be waited for.
        open_regular(path).close()
        # Mapped, for they are read in turn by each of these functions.
        return np.load(path, mmap_mode="r", allow_pickle=False)

    return [[load(workdir / name) for name in sample] for sample in files or ()]


NOTE = "simulated while it was converted again with the same calibration: no artifact was run"


def unfit(model: OnnxModel) -> Failure | None:
    """Why a data set cannot be run through this model; None when it can."""
    if len(model.inputs) == 1 and model.inputs[0].shape[:1] > (0,):
        return None
    message = f"a data set is of one input with a batch: {model.case} has others"
    return Failure(Stage.MEASURE, FailureClass.INVALID_MODEL, message)


def predictions(
    tool: str, answer: Mapping[str, Any], model: OnnxModel, inputs: Path, workdir: Path
) -> Predictions | Failure:
    """The first output of every sample of `inputs`, which the worker left in `workdir`, as one file."""
    import numpy as np

    files = [sample[0] for sample in answer.get("outputs") or () if sample]
    if not files:
        message = f"{tool} has no simulator: it left no outputs"
        return Failure(Stage.MEASURE, FailureClass.TOOL_ERROR, message)
    if odd := [name for name in files if not is_regular(workdir / name)]:
        message = f"{tool} left no file {odd[0]}"[:300]
        return Failure(Stage.MEASURE, FailureClass.TOOL_ERROR, message)
    total = len(np.load(inputs, mmap_mode="r", allow_pickle=False))
    batch = batch_of(model.fed)
    calls = [np.load(workdir / name, allow_pickle=False) for name in files]
    if any(call.size % batch for call in calls):
        message = f"{tool}'s first output has no entries for each of {batch} samples a call"
        return Failure(Stage.MEASURE, FailureClass.OUTPUT_MISMATCH, message)
    # Tools give a tensor back in a rank of their own.
    outputs = np.concatenate([call.reshape(batch, -1) for call in calls])[:total]
    np.save(workdir / "outputs.npy", outputs)
    return Predictions(workdir / "outputs.npy", Kind.SIMULATED, None, note=NOTE)
