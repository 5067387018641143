"""What the graph and the names tell of inputs of whole numbers: pixels, indices of a table, masks, lengths.

Numbers that a model could never get say nothing of its accuracy, and an index beyond its table ends the run.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from npubench.domain.specs import Content, ContentKind, Shape, TensorSpec
from npubench.graph.index_ranges import Uses, uses_of

if TYPE_CHECKING:
    from onnx import GraphProto

LARGEST_VALUE = 127
"""Where nothing tells a range: fits every type of whole numbers."""

SAMPLE_RATE = 16000
DIFFUSION_STEPS = 1000
_CHANNELS = (1, 3, 4)
_LENGTHS = frozenset({"len", "lens", "length", "lengths", "seqlen", "seqlens"})
_POSITIONS = frozenset({"position", "positions", "pos"})
_SIZES = frozenset({"size", "sizes", "shape", "shapes", "imsize"})
_RATES = frozenset({"sr", "samplerate"})
_TYPE_RANGES = {f"uint{bits}": (0, 2**bits - 1) for bits in (2, 4, 8, 16)}
_TYPE_RANGES |= {f"int{bits}": (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) for bits in (2, 4, 8, 16)}


def contents_of(
    graph: "GraphProto", shapes: Mapping[str, Shape], inputs: Sequence[TensorSpec]
) -> dict[str, Content]:
    """The content of each input that is known to hold other than normal numbers.

    `graph` has its local functions inlined; `shapes` are those of initializers and of values that are fixed.
    """
    if not any(_whole(one) or _is_mask(one) for one in inputs):
        return {}
    uses = uses_of(graph, shapes, [one.name for one in inputs])
    return {one.name: found for one in inputs if (found := _content(one, inputs, uses[one.name]))}


def named_content(tensor: TensorSpec) -> Content | None:
    """What the type alone tells, where no graph is known; 0 and 1 are valid wherever an index is asked."""
    if tensor.dtype in _TYPE_RANGES:
        return Content(ContentKind.PIXELS, *_TYPE_RANGES[tensor.dtype], f"all that {tensor.dtype} holds")
    if tensor.dtype == "bool":
        return Content(ContentKind.FLAGS, 0, 1, "true or false")
    return Content(ContentKind.VALUES, 0, 1, "nothing is known of it") if _whole(tensor) else None


def _content(tensor: TensorSpec, inputs: Sequence[TensorSpec], uses: Uses) -> Content | None:
    # What is added to scores is none of ones and zeros, and what indexes a table is none at all.
    if _is_mask(tensor) and uses.high is None and (_whole(tensor) or not uses.added):
        return _mask(tensor)
    if not _whole(tensor):
        return None
    if tensor.dtype == "bool":
        return Content(ContentKind.FLAGS, 0, 1, "true or false")
    if uses.high is not None and uses.low == uses.high > 0:
        return Content(ContentKind.VALUES, uses.low, uses.high, uses.why)
    if (steps := uses.longest or _named_length(tensor, inputs, uses)) is not None:
        longest = min(steps, uses.high or steps)
        shortest = longest if uses.whole_length else (longest + 1) // 2
        return Content(ContentKind.LENGTHS, shortest, longest, "lengths")
    if uses.high is not None and uses.low <= uses.high:
        kind = ContentKind.POSITIONS if _words(tensor.name) & _POSITIONS else ContentKind.INDICES
        return Content(kind, uses.low, uses.high, uses.why)
    if uses.unclear:
        why = "they lead to an index by an arithmetic that is not followed"
        return Content(ContentKind.VALUES, 0, 1, why)
    return next(_by_type_and_name(tensor, inputs, uses.low))


def _by_type_and_name(tensor: TensorSpec, inputs: Sequence[TensorSpec], least: int) -> Iterator[Content]:
    words, shape = _words(tensor.name), tensor.shape
    if tensor.dtype in _TYPE_RANGES:
        low, high = _TYPE_RANGES[tensor.dtype]
        low = max(low, least) if least else low
        yield Content(ContentKind.PIXELS, low, high, f"all that {tensor.dtype} holds")
    if words & _POSITIONS:
        yield Content(ContentKind.POSITIONS, 0, max(0, (shape or (1,))[-1] - 1), "positions")
    if words & {"segment", "type"}:
        yield Content(ContentKind.VALUES, 0, 1, "the one or the other segment")
    if len(shape) == 4 and (shape[1] in _CHANNELS or shape[3] in _CHANNELS):
        yield Content(ContentKind.PIXELS, max(0, least), 255, "pixels of an image")
    if words & _RATES or {"sample", "rate"} <= words or {"sampling", "rate"} <= words:
        yield Content(ContentKind.VALUES, SAMPLE_RATE, SAMPLE_RATE, "samples a second")
    if words & {"timestep", "timesteps"} or words == {"t"}:
        yield Content(ContentKind.VALUES, 0, DIFFUSION_STEPS - 1, "steps of a diffusion")
    if words & _SIZES and shape[-1:] == (2,) and (sides := _sides(inputs)):
        yield Content(ContentKind.VALUES, min(sides), max(sides), "height and width of the image")
    yield Content(ContentKind.VALUES, max(0, least), LARGEST_VALUE, "nothing tells more")


def _mask(tensor: TensorSpec) -> Content:
    if "pad" in tensor.name.lower():
        return Content(ContentKind.PADDING, 0, 1, "a mask: 0, then 1 where there is padding")
    return Content(ContentKind.MASK, 0, 1, "a mask: 1, then 0 where there is padding")


def _named_length(tensor: TensorSpec, inputs: Sequence[TensorSpec], uses: Uses) -> int | None:
    """The time axis' size where the name says that these are lengths; None where it does not."""
    words = _words(tensor.name)
    ends = re.search(r"(?:len|length)s?$", tensor.name.lower())
    if not (words & _LENGTHS or ends) or any(size != 1 for size in tensor.shape[1:]):
        return None
    measured = _measured(tensor, inputs)
    return max(1, measured.shape[_time_axis(tensor, measured, uses)]) if measured else None


def _measured(tensor: TensorSpec, inputs: Sequence[TensorSpec]) -> TensorSpec | None:
    """The input whose lengths these are: one that shares a word, else the first with as many sequences."""
    own, count = _words(tensor.name) - _LENGTHS, (*tensor.shape, 1)[0]
    others = (one for one in inputs if one.name != tensor.name and len(one.shape) > 1 and not _is_mask(one))
    return min(others, key=lambda one: (not own & _words(one.name), count not in one.shape[:2]), default=None)


def _time_axis(tensor: TensorSpec, measured: TensorSpec, uses: Uses) -> int:
    known = uses.time_axes.get(measured.name)
    if known is not None and known < len(measured.shape):
        return known
    count = (*tensor.shape, 1)[0]
    if measured.shape[0] != count and measured.shape[1] == count:
        return 0
    # Features of a picture's form: sequences x channels x time x bands.
    return 2 if len(measured.shape) == 4 else 1


def _sides(inputs: Sequence[TensorSpec]) -> tuple[int, ...]:
    shape = next((one.shape for one in inputs if len(one.shape) == 4), ())
    last = shape and shape[3] in _CHANNELS and shape[1] not in _CHANNELS
    return shape[1:3] if last else shape[2:]


def _is_mask(tensor: TensorSpec) -> bool:
    words = _words(tensor.name)
    return bool(words & {"mask", "masks"}) or tensor.name.lower().endswith("mask")


def _whole(tensor: TensorSpec) -> bool:
    return tensor.dtype.startswith(("int", "uint", "bool"))


def _words(name: str) -> frozenset[str]:
    """`inputIds.1` -> input, ids, 1."""
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    return frozenset(re.findall(r"[a-z]+|[0-9]+", parted.lower()))
