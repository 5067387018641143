"""Outputs of a prepared model against the reference on the same inputs."""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from npubench.calibration import rounded_to_8_bits

CHUNK = 32 * 1024
"""Elements that are compared at once: a quarter of a megabyte each, which stays in a core's cache."""


def compare(
    session: Any, reference: Any, samples: Sequence[dict[str, Any]], classification: bool
) -> tuple[dict[str, Any] | None, dict[str, str]]:
    """The fields of `records.Accuracy` over all samples and outputs, and a note where they are None."""
    ours = [session.run(None, sample) for sample in samples]
    theirs = [reference.run(None, sample) for sample in samples]
    agreement = top1_agreement(ours, theirs) if classification else None
    rounded: list[Any] = []
    if any(_is_whole(output) for output in theirs[0]):
        rounded = [reference.run(None, sample) for sample in rounded_to_8_bits(samples)]
    figures = similarity(ours, theirs, rounded)
    if figures is None:
        return None, {"accuracy": "outputs hold NaN, infinity or nothing to compare: no accuracy"}
    return {**figures, "top1_agreement": agreement, "samples": len(samples)}, {}


def similarity(
    ours: Sequence[Sequence[Any]], theirs: Sequence[Sequence[Any]], rounded: Sequence[Sequence[Any]] = ()
) -> dict[str, Any] | None:
    """Figures of `records.Accuracy` over all samples and outputs; None where there is nothing to compare.

    The type in `theirs` decides: of whole numbers the share that is equal, because 7 is no better for being
    near 8, of all others the closeness. `rounded` are `theirs` for inputs rounded to 8 bits.
    """
    if [len(outputs) for outputs in ours] != [len(outputs) for outputs in theirs]:
        return None
    count = max(map(len, theirs), default=0)
    measured = [index for index in range(count) if not any(_is_whole(outputs[index]) for outputs in theirs)]
    runs = list(zip(ours, theirs, strict=True))
    found = [_closeness((a[index], b[index]) for a, b in runs) for index in measured]
    close = [one for one in found if one is not None]
    shares = {"equal": equal_share(ours, theirs), "equal_rounded": equal_share(rounded, theirs)}
    if len(close) < len(found) or not (close or shares["equal"] is not None):
        return None
    return {**_worst(close), **shares}


def _worst(outputs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """A cosine that one output does not have is none of all: the others say nothing of that one."""
    cosines = [one["cosine"] for one in outputs]
    return {
        "cosine": min(cosines) if cosines and None not in cosines else None,
        "psnr_db": min((one["psnr_db"] for one in outputs if one["psnr_db"] is not None), default=None),
        "max_abs": max((one["max_abs"] for one in outputs), default=None),
    }


def equal_share(ours: Sequence[Sequence[Any]], theirs: Sequence[Sequence[Any]]) -> float | None:
    """Share of equal entries of whole numbers, the least output's; None where there are none.

    What one side has more of, where the data decide how much comes out, is not equal.
    """
    import numpy as np

    equal: dict[int, list[int]] = {}
    for found, expected in zip(ours, theirs, strict=False):
        for index, (a, b) in enumerate(zip(found, expected, strict=True)):
            if _is_whole(b):
                a, b = np.ravel(a), np.ravel(b)
                both = min(a.size, b.size)
                counts = equal.setdefault(index, [0, 0])
                counts[0] += int(np.count_nonzero(a[:both] == b[:both]))
                counts[1] += max(a.size, b.size)
    return min((same / total for same, total in equal.values() if total), default=None)


def _is_whole(output: Any) -> bool:
    import numpy as np

    return np.asarray(output).dtype.kind in "biu"


def _closeness(pairs: Iterable[tuple[Any, Any]]) -> dict[str, Any] | None:
    """Cosine, PSNR in dB (peak: range of the reference) and greatest difference over all pairs of arrays.

    None when one is not finite, empty, or of another size than the other.
    """
    import numpy as np

    count, greatest, low, high = 0, 0.0, math.inf, -math.inf
    product = ours = theirs = error = 0.0
    with np.errstate(over="ignore"):
        for x, y in _chunks(pairs):
            if x.size != y.size or not (np.isfinite(x).all() and np.isfinite(y).all()):
                return None
            difference = x - y
            product, error = product + float(x @ y), error + float(difference @ difference)
            ours, theirs = ours + float(x @ x), theirs + float(y @ y)
            greatest = max(greatest, float(np.abs(difference).max()))
            low, high, count = min(low, float(y.min())), max(high, float(y.max())), count + x.size
    # Squares of doubles may be beyond doubles.
    if not count or not math.isfinite(ours + theirs + error):
        return None
    norm, error, peak = math.sqrt(ours) * math.sqrt(theirs), error / count, high - low
    cosine = min(1.0, product / norm) if norm else (1.0 if error == 0 else None)
    return {
        "cosine": cosine,
        "psnr_db": 10 * math.log10(peak**2 / error) if error and peak else None,
        "max_abs": greatest,
    }


def _chunks(pairs: Iterable[tuple[Any, Any]]) -> Iterator[tuple[Any, Any]]:
    """Both arrays in double precision, some thousand elements a time: whole ones fill pages without end."""
    import numpy as np

    for ours, theirs in pairs:
        a, b = np.ravel(ours), np.ravel(theirs)
        for start in range(0, max(a.size, b.size), CHUNK):
            part = slice(start, start + CHUNK)
            yield a[part].astype(np.float64), b[part].astype(np.float64)


def top1_agreement(ours: Sequence[Sequence[Any]], theirs: Sequence[Sequence[Any]]) -> float | None:
    """Share of samples (rows of the first output, N x classes) with the same arg-max."""
    import numpy as np

    first = [(np.asarray(a[0]), np.asarray(b[0])) for a, b in zip(ours, theirs, strict=True)]
    if not first or any(a.ndim != 2 for a, _ in first):
        return None
    return float(np.mean(np.concatenate([a.argmax(axis=1) == b.argmax(axis=1) for a, b in first])))
