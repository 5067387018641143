"""Seeded numbers for a model's inputs: what each holds decides how they are drawn."""

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from npubench.domain.errors import UsageError
from npubench.domain.specs import Content, ContentKind, ModelInputs, Preprocessing, TensorSpec
from npubench.graph.input_contents import named_content
from npubench.graph.walk import numpy_dtype, plain

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]


def content_of(tensor: TensorSpec, inputs: ModelInputs) -> Content | None:
    """What an input holds; None of normal numbers. Where preprocessing is known, an image's pixels."""
    if channel_axis(tensor, inputs) is not None:
        return Content(ContentKind.PIXELS, 0, 255, "pixels through the model's preprocessing")
    return inputs.contents.get(tensor.name) or named_content(tensor)


def shape_text(shape: Sequence[int]) -> str:
    """`1x3x224x224`."""
    return "x".join(map(str, shape)) or "a scalar"


def content_text(tensor: TensorSpec, inputs: ModelInputs) -> str:
    """`uint8 0..255 (pixels)`, for a row to say."""
    content = content_of(tensor, inputs)
    if content is None:
        return f"{tensor.dtype} {ContentKind.NUMBERS}"
    return f"{tensor.dtype} {content.low}..{content.high} ({content.why or content.kind})"


def draw(rng: "np.random.Generator", tensor: TensorSpec, inputs: ModelInputs) -> "Array":
    """One array for an input, of its shape and type."""
    import numpy as np

    dtype = numpy_dtype(tensor.dtype)
    content = content_of(tensor, inputs)
    if content is None:
        return rng.standard_normal(tensor.shape, dtype=np.float32).astype(dtype)
    axis = channel_axis(tensor, inputs)
    if axis is not None and inputs.preprocessing is not None:
        pixels = rng.integers(0, 256, tensor.shape, dtype=np.uint8)
        made = preprocessed(pixels, inputs.preprocessing, axis)
        if dtype.kind in "iu":
            made = np.clip(np.rint(made), np.iinfo(dtype).min, np.iinfo(dtype).max)
        return made.astype(dtype)
    return _whole_numbers(rng, tensor, content).astype(dtype)


def _whole_numbers(rng: "np.random.Generator", tensor: TensorSpec, content: Content) -> "Array":
    import numpy as np

    shape = tensor.shape
    last = shape[-1] if shape else 1
    if content.kind in (ContentKind.MASK, ContentKind.PADDING):
        # At least half of it is there; a softmax over nothing would be NaN.
        counts = rng.integers((last + 1) // 2, last + 1, (*shape[:-1], 1) if shape else ())
        there = np.arange(last) < counts if shape else counts > 0
        return there if content.kind is ContentKind.MASK else ~there
    if content.kind is ContentKind.POSITIONS:
        row = np.minimum(np.arange(last) + content.low, content.high)
        return np.broadcast_to(row if shape else row[0], shape)
    drawn: Array = rng.integers(content.low, content.high, shape, endpoint=True)
    return drawn


def channel_axis(tensor: TensorSpec, inputs: ModelInputs) -> int | None:
    """Where the preprocessing of an image applies: the axis of its channels; None where it does not."""
    preprocessing, rank = inputs.preprocessing, len(tensor.shape)
    if preprocessing is None or len(inputs.tensors) != 1 or rank < 4 or tensor.dtype == "bool":
        return None
    axes = (rank - 1,) if preprocessing.layout == "nhwc" else range(1, rank - 2)
    return next((axis for axis in axes if tensor.shape[axis] == len(preprocessing.mean)), None)


def preprocessed(pixels: "Array", preprocessing: Preprocessing, axis: int) -> "Array":
    """Pixels of 0..255 less the mean over the deviation of their channel, along `axis`."""
    import numpy as np

    form = [1] * pixels.ndim
    form[axis] = -1
    mean, std = (
        np.reshape(np.asarray(one, np.float32), form) for one in (preprocessing.mean, preprocessing.std)
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        made: Array = (pixels - mean) / std
    return made


FAR_OUT = 8.0
"""How many times the greatest value of preprocessing an array may hold; raw pixels hold dozens of times."""


def fitted(samples: "Array", tensor: TensorSpec, inputs: ModelInputs, where: str) -> "Array":
    """The samples (along axis 0) in the input's type. Raises UsageError that names sample, from 1, and input.

    Whole numbers never take floats, and 8 bits no wider unsigned ones: an image of 0..1 or of 16 bits would
    be cut off. `where` is the file.
    """
    import numpy as np

    dtype = numpy_dtype(tensor.dtype)
    if not _convertible(samples.dtype, dtype):
        raise UsageError(
            f"{where}: {tensor.name!r} is {samples.dtype}, the model wants {tensor.dtype}: convert it"
        )
    with np.errstate(over="ignore"):
        made: Array = samples.astype(dtype, copy=False)
    for bad, more in _faults(samples, made, tensor, inputs):
        if bad.any():
            number = int(np.argwhere(bad.reshape(len(bad), -1).any(axis=1))[0, 0])
            value = samples[number][bad[number]].ravel()[0]
            word = f"{value}" if np.isfinite(value) else "NaN" if np.isnan(value) else "infinity"
            raise UsageError(
                f"{where}: sample {number + 1} of {tensor.name!r} holds {word}{more}: leave it out"
            )
    return made


def _convertible(given: "np.dtype[Any]", wanted: "np.dtype[Any]") -> bool:
    if wanted.kind not in "biu":
        return given.kind in "biuf" or given == wanted
    if wanted.kind in "iu" and wanted.itemsize == 1 and given.kind == "u":
        return given.itemsize == 1
    return given.kind in "biu"


def _faults(
    samples: "Array", made: "Array", tensor: TensorSpec, inputs: ModelInputs
) -> "Iterator[tuple[Array, str]]":
    """Where numbers do not fit that may not, and why; `made` are the samples in the input's type."""
    import numpy as np

    dtype, given, wanted = made.dtype, samples.dtype.kind, made.dtype.kind
    if given not in "biu":
        yield ~np.isfinite(plain(samples)), ""
    ranges = [(0, 1, "bool holds")] if given in "iu" and wanted == "b" else []
    if given in "iu" and wanted in "iu" and not np.can_cast(samples.dtype, dtype):
        ranges.append((int(np.iinfo(dtype).min), int(np.iinfo(dtype).max), f"{dtype} holds"))
    content = content_of(tensor, inputs)
    if wanted in "iu" and content and content.kind in (ContentKind.INDICES, ContentKind.POSITIONS):
        # Negative ones count from the end.
        ranges.append((-content.high - 1, content.high, content.why))
    for low, high, why in ranges:
        yield (samples < low) | (samples > high), f", {why} {low}..{high}"
    if wanted not in "biu" and samples.dtype != dtype:
        yield ~np.isfinite(plain(made)), f", beyond {tensor.dtype}"
    preprocessing = inputs.preprocessing
    if preprocessing and channel_axis(tensor, inputs) is not None and tensor.dtype[:3] not in ("int", "uin"):
        # Pixels of 0..255 where preprocessing makes small numbers of them.
        pairs = [(m, s) for m, s in zip(preprocessing.mean, preprocessing.std, strict=True) if s]
        most = max((abs(extreme - m) / abs(s) for m, s in pairs for extreme in (0, 255)), default=math.inf)
        more = f", preprocessing makes numbers up to {most:.3g}: apply it, or"
        yield np.abs(plain(samples).astype(np.float32)) > FAR_OUT * most, more
