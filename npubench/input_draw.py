"""Seeded numbers for a model's inputs: what each holds decides how they are drawn."""

from typing import TYPE_CHECKING, Any

from npubench.input_contents import named_content
from npubench.specs import Content, ContentKind, ModelInputs, Preprocessing, TensorSpec

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]


def content_of(tensor: TensorSpec, inputs: ModelInputs) -> Content | None:
    """What an input holds; None of normal numbers. Where preprocessing is known, an image's pixels."""
    if channel_axis(tensor, inputs) is not None:
        return Content(ContentKind.PIXELS, 0, 255, "pixels through the model's preprocessing")
    return inputs.contents.get(tensor.name) or named_content(tensor)


def content_text(tensor: TensorSpec, inputs: ModelInputs) -> str:
    """`uint8 0..255 (pixels)`, for a row to say."""
    content = content_of(tensor, inputs)
    if content is None:
        return f"{tensor.dtype} {ContentKind.NUMBERS}"
    return f"{tensor.dtype} {content.low}..{content.high} ({content.why or content.kind})"


def draw(rng: "np.random.Generator", tensor: TensorSpec, inputs: ModelInputs) -> "Array":
    """One array for an input, of its shape and type."""
    import numpy as np

    dtype = np.dtype(tensor.dtype)
    content = content_of(tensor, inputs)
    if content is None:
        return rng.standard_normal(tensor.shape, dtype=np.float32).astype(dtype)
    axis = channel_axis(tensor, inputs)
    if axis is not None and inputs.preprocessing is not None:
        pixels = rng.integers(0, 256, tensor.shape, dtype=np.uint8)
        return _through(pixels, inputs.preprocessing, axis, dtype)
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


def _through(pixels: "Array", preprocessing: Preprocessing, axis: int, dtype: "np.dtype[Any]") -> "Array":
    import numpy as np

    form = [-1 if one == axis else 1 for one in range(pixels.ndim)]
    mean, std = (
        np.reshape(np.asarray(one, np.float32), form) for one in (preprocessing.mean, preprocessing.std)
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        made = (pixels - mean) / std
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        made = np.clip(np.rint(made), limits.min, limits.max)
    return made.astype(dtype)
