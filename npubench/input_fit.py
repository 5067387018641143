"""Whether a user's arrays fit an input: their type, their range, and that they are finite."""

from typing import TYPE_CHECKING, Any

from npubench.errors import UsageError
from npubench.input_draw import channel_axis, content_of
from npubench.specs import ContentKind, ModelInputs, TensorSpec

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

FAR_OUT = 8.0
"""How many times the greatest value of preprocessing an array may hold; raw pixels hold dozens of times."""


def fitted(samples: "Array", tensor: TensorSpec, inputs: ModelInputs, where: str) -> "Array":
    """The samples (along axis 0) in the input's type. Raises UsageError that names sample, from 1, and input.

    Whole numbers never take floats, and 8 bits no wider unsigned ones: an image of 0..1 or of 16 bits would
    be cut off. `where` is the file.
    """
    import numpy as np

    dtype = np.dtype(tensor.dtype)
    if not _convertible(samples.dtype, dtype):
        raise UsageError(
            f"{where}: {tensor.name!r} is {samples.dtype}, the model wants {tensor.dtype}: convert it"
        )
    if samples.dtype.kind not in "biu":
        _refuse_first(~np.isfinite(_as_float(samples)), samples, tensor, where, "")
    elif dtype.kind in "iu":
        limits = np.iinfo(dtype)
        if samples.dtype.kind in "iu" and not np.can_cast(samples.dtype, dtype):
            _refuse_range(samples, int(limits.min), int(limits.max), tensor, where, f"{dtype} holds")
        _refuse_index(samples, tensor, inputs, where)
    elif dtype.kind == "b" and samples.dtype.kind != "b":
        _refuse_range(samples, 0, 1, tensor, where, "bool holds")
    with np.errstate(over="ignore"):
        made: Array = samples.astype(dtype, copy=False)
    if dtype.kind not in "biu" and samples.dtype != dtype:
        _refuse_first(~np.isfinite(_as_float(made)), samples, tensor, where, f", beyond {tensor.dtype}")
    _refuse_unprocessed(samples, tensor, inputs, where)
    return made


def _convertible(given: "np.dtype[Any]", wanted: "np.dtype[Any]") -> bool:
    if wanted.kind not in "biu":
        return given.kind in "biuf" or given == wanted
    if wanted.kind in "iu" and wanted.itemsize == 1 and given.kind == "u":
        return given.itemsize == 1
    return given.kind in "biu"


def _as_float(array: "Array") -> "Array":
    """Numbers of formats that numpy has no functions for (bfloat16, float8) as float32."""
    import numpy as np

    return array if array.dtype.kind == "f" else array.astype(np.float32)


def _refuse_first(bad: "Array", samples: "Array", tensor: TensorSpec, where: str, more: str) -> None:
    import numpy as np

    if not bad.any():
        return
    number = int(np.argwhere(bad.reshape(len(bad), -1).any(axis=1))[0, 0])
    value = samples[number][bad[number]].ravel()[0]
    word = f"{value}" if np.isfinite(value) else "NaN" if np.isnan(value) else "infinity"
    raise UsageError(f"{where}: sample {number + 1} of {tensor.name!r} holds {word}{more}: leave it out")


def _refuse_range(samples: "Array", low: int, high: int, tensor: TensorSpec, where: str, why: str) -> None:
    bad = (samples < low) | (samples > high)
    _refuse_first(bad, samples, tensor, where, f", {why} {low}..{high}")


def _refuse_index(samples: "Array", tensor: TensorSpec, inputs: ModelInputs, where: str) -> None:
    content = content_of(tensor, inputs)
    if content is not None and content.kind in (ContentKind.INDICES, ContentKind.POSITIONS):
        # Negative ones count from the end.
        _refuse_range(samples, -content.high - 1, content.high, tensor, where, content.why)


def _refuse_unprocessed(samples: "Array", tensor: TensorSpec, inputs: ModelInputs, where: str) -> None:
    """Pixels of 0..255 where preprocessing makes small numbers of them."""
    import numpy as np

    preprocessing = inputs.preprocessing
    if preprocessing is None or channel_axis(tensor, inputs) is None or tensor.dtype[:3] in ("int", "uin"):
        return
    pairs = [(m, s) for m, s in zip(preprocessing.mean, preprocessing.std, strict=True) if s]
    most = max((abs(extreme - m) / abs(s) for m, s in pairs for extreme in (0, 255)), default=0.0)
    more = f", preprocessing makes numbers up to {most:.3g}: apply it, or"
    if most:
        _refuse_first(np.abs(_as_float(samples)) > FAR_OUT * most, samples, tensor, where, more)
