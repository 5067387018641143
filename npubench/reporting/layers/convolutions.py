"""What words, shapes and counts tell of a layer: whether it multiplies, is depthwise, or only orders data."""

import math
import re
from collections.abc import Sequence

from npubench.domain.layers import DMA, Join, Layer
from npubench.domain.specs import Shape
from npubench.reporting.layers.view import LayerRow, LayerView, quotient

SLOW = 0.5
"""Of the rate of the other layers that multiply: a layer below is slow for its work."""

MOST_IMAGE_CHANNELS = 4
"""An image has 1 to 4 channels: grey, two of a sensor, colours, colours with alpha."""

_KERNELS = frozenset({9, 25, 49})
"""MACs an output element of a depthwise convolution by 3 x 3, 5 x 5 and 7 x 7."""

_CONVOLUTION = re.compile(r"conv(?!ert)", re.IGNORECASE)
_POOLING = re.compile(r"pool", re.IGNORECASE)
_PRODUCT = re.compile(r"conv(?!ert)|gemm|matmul|fullyconnected|inner_?product|linear$|dense", re.IGNORECASE)

_LAYOUT = re.compile(
    r"^(?:transpose|permute|reorder\w*|\w*layout\w*|.*convert.*|n(?:chw|hwc)_?(?:to_?)?n(?:chw|hwc)|memcpy\w*|.*copy)$",
    re.IGNORECASE,
)
_TO_INTEGER = re.compile(r"^(?:quantize\w*|quant)$", re.IGNORECASE)
_TO_FLOAT = re.compile(r"^(?:dequantize\w*|dequant|cast)$", re.IGNORECASE)


def words_of(layer: Layer) -> tuple[str, ...]:
    """Operator types and the tool's own word."""
    return (*layer.operators, layer.tool_type)


def convolves(layer: Layer) -> bool:
    """Whether it holds a convolution."""
    return any(_CONVOLUTION.search(word) for word in words_of(layer))


def multiplies(row: LayerRow) -> bool:
    """Whether it holds a convolution or a matrix product, by its words or, where they tell none, by its MACs.

    Tools count MACs for pools and for copies that they put in, too.
    """
    if any(map(_PRODUCT.search, words_of(row.layer))):
        return row.macs != 0
    return bool(row.macs) and row.layer.join is not Join.ADDED and not pools(row)


def may_convolve(view: LayerView) -> bool:
    """Whether the model may have a convolution: one is told, or a layer of which nothing is."""
    return any(convolves(row.layer) or _is_unknown(row) for row in view.rows)


def may_multiply(view: LayerView) -> bool:
    """Whether any layer may hold a convolution or a matrix product."""
    return any(multiplies(row) or _is_unknown(row) for row in view.rows)


def _is_unknown(row: LayerRow) -> bool:
    return not row.is_end and row.layer.join is not Join.ADDED and not any(words_of(row.layer))


def pools(row: LayerRow) -> bool:
    """Whether it only pools, for which some tools count MACs, too."""
    words = words_of(row.layer)
    return any(map(_POOLING.search, words)) and not any(map(_PRODUCT.search, words))


def is_depthwise(row: LayerRow) -> bool:
    """Whether each channel is convolved by itself.

    By the tool's word; by a weight of C x 1 x k x k or, as RKNN turns it, 1 x C x k x k; else by as
    many MACs an output element as one channel's kernel has, which a convolution over channels exceeds.
    """
    layer = row.layer
    if not convolves(layer):
        return False
    if any("depthwise" in word.lower() for word in words_of(layer)):
        return True
    weights = [shape for shape in layer.input_shapes[1:] if len(shape) == 4]
    if any(_is_channel_wise(shape, layer) for shape in weights):
        return True
    if any(channels_of(shape) is not None for shape in layer.input_shapes[:1]):
        return False
    elements = sum(math.prod(shape) for shape in layer.output_shapes[:1])
    if not row.macs or not elements or row.macs % elements:
        return False
    return row.macs // elements in _KERNELS


def _is_channel_wise(weight: Shape, layer: Layer) -> bool:
    first, second, height, _ = weight
    if height < 2 or max(first, second) <= MOST_IMAGE_CHANNELS:
        return False
    made = layer.output_shapes[0] if layer.output_shapes else ()
    # A convolution to a single channel has the same weight: what it makes tells them apart.
    return second == 1 or (first == 1 and len(made) == 4 and made[1] == second)


def first_convolution(view: LayerView) -> LayerRow | None:
    """The layer that convolves the model's image input of 1 to 4 channels; None where nothing tells of one.

    It is the first of the table that holds a convolution; where the tool lists what that reads, it has to
    be an image, too, or the model has done something else to it before.
    """
    image = next((channels for one in view.result.inputs if (channels := channels_of(one.shape))), None)
    row = next((one for one in view.rows if convolves(one.layer)), None)
    if image is None or row is None:
        return None
    read = [shape for shape in row.layer.input_shapes[:1] if len(shape) == 4]
    return None if read and channels_of(read[0]) is None else row


def channels_of(shape: Shape) -> int | None:
    """Channels of an image by its shape, N x C x H x W or N x H x W x C; None of what is no image."""
    if len(shape) != 4:
        return None
    _, first, height, last = shape
    if 1 <= first <= MOST_IMAGE_CHANNELS < min(height, last):
        return first
    if 1 <= last <= MOST_IMAGE_CHANNELS < min(first, height):
        return last
    return None


def widths_of(layer: Layer) -> tuple[int, int] | None:
    """Channels that a convolution reads and makes, by its weight of M x C x k x k; None: not told."""
    weight = next((shape for shape in layer.input_shapes[1:] if len(shape) == 4), None)
    made = layer.output_shapes[0] if layer.output_shapes else ()
    if weight is None or not convolves(layer) or (len(made) == 4 and made[1] != weight[0]):
        return None  # some tools list weights in an order of their own
    return weight[1], weight[0]


def rate_of(rows: Sequence[LayerRow]) -> float | None:
    """MACs a microsecond, or a cycle, of all of them that multiply, in all; None where none tells both."""
    known = [row for row in rows if row.macs and row.amount and multiplies(row)]
    return quotient(sum(row.macs or 0 for row in known), sum(row.amount or 0.0 for row in known))


def makes_integer(row: LayerRow) -> bool:
    """Whether it quantises."""
    return _is(_TO_INTEGER, row)


def makes_float(row: LayerRow) -> bool:
    """Whether it makes numbers float again."""
    return _is(_TO_FLOAT, row)


def orders_data(row: LayerRow) -> bool:
    """Whether it computes nothing and only brings data into order: the tool's own, or a transpose."""
    if row.layer.unit == DMA or multiplies(row) or makes_integer(row) or makes_float(row):
        return False
    return row.layer.join is Join.ADDED or _is(_LAYOUT, row)


def _is(pattern: re.Pattern[str], row: LayerRow) -> bool:
    return any(pattern.match(word) for word in words_of(row.layer) if word)
