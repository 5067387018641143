"""Outputs of a prepared model against the reference on the same inputs."""

import math
from collections.abc import Sequence
from typing import Any


def compare(
    session: Any, reference: Any, samples: Sequence[dict[str, Any]], classification: bool
) -> tuple[dict[str, Any] | None, dict[str, str]]:
    """The fields of `records.Accuracy` over all samples and outputs, and a note where they are None."""
    ours = [session.run(None, sample) for sample in samples]
    theirs = [reference.run(None, sample) for sample in samples]
    agreement = top1_agreement(ours, theirs) if classification else None
    figures = similarity(ours, theirs)
    if figures is None:
        return None, {"accuracy": "outputs hold NaN, infinity or nothing to compare: no accuracy"}
    return {**figures, "top1_agreement": agreement, "samples": len(samples)}, {}


def similarity(ours: Sequence[Sequence[Any]], theirs: Sequence[Sequence[Any]]) -> dict[str, Any] | None:
    """Cosine, PSNR in dB (peak: range of the reference) and greatest difference; None when not finite."""
    import numpy as np

    a, b = (
        np.concatenate([np.asarray(o, dtype=np.float64).ravel() for outputs in runs for o in outputs])
        for runs in (ours, theirs)
    )
    if not a.size or a.shape != b.shape or not (np.isfinite(a).all() and np.isfinite(b).all()):
        return None
    norm = float(np.linalg.norm(a) * np.linalg.norm(b))
    error = float(np.mean((a - b) ** 2))
    peak = float(b.max() - b.min())
    cosine = min(1.0, float(a @ b) / norm) if norm else (1.0 if error == 0 else None)
    return {
        "cosine": cosine,
        "psnr_db": 10 * math.log10(peak**2 / error) if error and peak else None,
        "max_abs": float(np.abs(a - b).max()),
    }


def top1_agreement(ours: Sequence[Sequence[Any]], theirs: Sequence[Sequence[Any]]) -> float | None:
    """Share of samples (rows of the first output, N x classes) with the same arg-max."""
    import numpy as np

    first = [(np.asarray(a[0]), np.asarray(b[0])) for a, b in zip(ours, theirs, strict=True)]
    if not first or any(a.ndim != 2 for a, _ in first):
        return None
    return float(np.mean(np.concatenate([a.argmax(axis=1) == b.argmax(axis=1) for a, b in first])))
