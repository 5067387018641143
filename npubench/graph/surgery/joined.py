"""Outputs of the joined parts against those of the whole model, output by output."""

from collections.abc import Mapping, Sequence
from typing import Any


def compared(ours: Sequence[Mapping[str, Any]], theirs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The fields of `record.OutputComparison` for every output of `theirs`, over all samples."""
    return [_compared(name, [one[name] for one in ours], [one[name] for one in theirs]) for name in theirs[0]]


def _compared(name: str, ours: Sequence[Any], theirs: Sequence[Any]) -> dict[str, Any]:
    import numpy as np

    figures: dict[str, Any] = {
        **{"name": name, "dtype": str(theirs[0].dtype), "samples": len(theirs)},
        **dict.fromkeys(("cosine", "max_abs", "relative_error", "equal")),
    }
    if any(a.shape != b.shape for a, b in zip(ours, theirs, strict=True)):
        return {**figures, "note": "shapes differ: the data decide how much comes out"}
    a, b = (np.concatenate([np.ravel(one).astype(np.float64) for one in side]) for side in (ours, theirs))
    if not a.size or not (np.isfinite(a).all() and np.isfinite(b).all()):
        return {**figures, "note": "outputs hold NaN, infinity or nothing to compare"}
    figures |= {"max_abs": float(np.abs(a - b).max()), "equal": float(np.mean(a == b))}
    if theirs[0].dtype.kind in "biu":
        # Of indices and labels a direction says nothing: 7 is no better for being near 8.
        return figures
    difference, norm = float(np.linalg.norm(a - b)), float(np.linalg.norm(b))
    product = float(np.linalg.norm(a)) * norm
    return {
        **figures,
        "cosine": min(1.0, float(a @ b) / product) if product else (1.0 if difference == 0 else None),
        "relative_error": difference / norm if norm else (0.0 if difference == 0 else None),
    }
