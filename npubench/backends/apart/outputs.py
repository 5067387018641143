"""Outputs that a worker left, compared with its FP32 reference."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from npubench.backends.onnxruntime.compare import similarity, top1_agreement
from npubench.regular import open_regular
from npubench.specs import TensorSpec


def accuracy(answer: Mapping[str, Any], workdir: Path, classification: bool) -> dict[str, Any] | None:
    """The fields of `records.Accuracy` over all samples; None where there is nothing finite to compare.

    `answer` has `outputs`, `reference` and, of a model with integer outputs, `rounded` (the reference's for
    inputs rounded to 8 bits): for each sample the names of .npy files, in the model's order.
    """
    ours, theirs = _load(answer.get("outputs"), workdir), _load(answer.get("reference"), workdir)
    if not ours or [len(outputs) for outputs in ours] != [len(outputs) for outputs in theirs]:
        return None
    # Tools give a tensor back in their own rank; the numbers and their order are the model's.
    ours = [[_like(a, b) for a, b in zip(x, y, strict=True)] for x, y in zip(ours, theirs, strict=True)]
    figures = similarity(ours, theirs, _load(answer.get("rounded"), workdir))
    if figures is None:
        return None
    agreement = top1_agreement(ours, theirs) if classification else None
    return {**figures, "top1_agreement": agreement, "samples": len(theirs)}


def unlike(answer: Mapping[str, Any], outputs: Sequence[TensorSpec], workdir: Path) -> str | None:
    """Why outputs cannot be right though there is nothing to compare; None when they may be.

    NaN or infinity where FP32 has neither, or another number of elements than a fixed shape has.
    """
    ours, theirs = _load(answer.get("outputs"), workdir), _load(answer.get("reference"), workdir)
    if not ours or not theirs:
        return None
    if _finite(theirs) and not _finite(ours):
        return "its outputs hold NaN or infinity where FP32's hold none"
    for sample, expected in zip(ours, theirs, strict=True):
        for one, other, tensor in zip(sample, expected, outputs, strict=False):
            if other.shape == tensor.shape and one.size != other.size:
                return f"{tensor.name} has {one.size} elements where the model's has {other.size}"
    return None


def _finite(runs: Sequence[Sequence[Any]]) -> bool:
    import numpy as np

    # NaN is the least and the greatest of all that holds it.
    extremes = ((output.min(), output.max()) for outputs in runs for output in outputs if output.size)
    return all(np.isfinite(pair).all() for pair in extremes)


def resolution(answer: Mapping[str, Any], workdir: Path) -> dict[str, Any] | None:
    """The cosine of FP32's own outputs rounded to the steps that the tool's have: no better one is possible.

    `answer["steps"]` has the step of each output, in the model's order. None where a step is not known.
    """
    steps, runs = answer.get("steps") or (), _load(answer.get("reference"), workdir)
    if not runs or len(steps) != len(runs[0]) or not all(steps):
        return None
    rounded = [[(one / step).round() * step for one, step in zip(run, steps, strict=True)] for run in runs]
    figures = similarity(rounded, runs)
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
