"""Outputs that a worker left, compared with its FP32 reference."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from npubench.backends.onnxruntime.compare import Similarity, similarity, top1_agreement, with_samples
from npubench.domain.records import NoAccuracy
from npubench.domain.specs import TensorSpec
from npubench.storage.files import open_regular


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
    ours = [[_like(a, b) for a, b in zip(x, y, strict=True)] for x, y in zip(ours, theirs, strict=True)]
    names = [tensor.name for tensor in outputs]
    found = similarity(ours, theirs, _load(answer.get("rounded"), workdir), names)
    agreement = top1_agreement(ours, theirs) if classification else None
    return with_samples(found, agreement, len(theirs))


def in_model_order(answer: dict[str, Any], outputs: Sequence[TensorSpec]) -> None:
    """Put what stands in the tool's order of outputs into the model's, where the names tell another one."""
    told = [one.get("name") for one in (answer.get("tensors") or {}).get("outputs") or ()]
    wanted = [tensor.name for tensor in outputs]
    if told == wanted or sorted(map(str, told)) != sorted(wanted):
        return
    order = [told.index(name) for name in wanted]
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

    # Mapped, for they are read in turn by each of these functions.
    return [
        [np.load(_regular(workdir / name), mmap_mode="r", allow_pickle=False) for name in sample]
        for sample in files or ()
    ]


def _regular(path: Path) -> Path:
    """The path, of a regular file only: raises OSError for what would be waited for."""
    open_regular(path).close()
    return path


def _like(ours: Any, theirs: Any) -> Any:
    return ours.reshape(theirs.shape) if ours.size == theirs.size else ours
