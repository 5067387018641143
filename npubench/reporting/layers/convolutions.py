"""What shapes and counts tell of a layer: whether it multiplies, is depthwise, or reads an image."""

import math
import re

from npubench.domain.layers import Layer
from npubench.domain.specs import Shape
from npubench.reporting.layers.view import LayerRow, LayerView

MOST_IMAGE_CHANNELS = 4
"""An image has 1 to 4 channels: grey, two of a sensor, colours, colours with alpha."""

_KERNELS = frozenset({9, 25, 49})
"""MACs an output element of a depthwise convolution by 3 x 3, 5 x 5 and 7 x 7."""

_CONVOLUTION = re.compile(r"conv", re.IGNORECASE)
_PRODUCT = re.compile(r"conv|gemm|matmul|fullyconnected|inner_?product|linear$|dense", re.IGNORECASE)


def words_of(layer: Layer) -> tuple[str, ...]:
    """Operator types and the tool's own word."""
    return (*layer.operators, layer.tool_type)


def convolves(layer: Layer) -> bool:
    """Whether it holds a convolution."""
    return any(_CONVOLUTION.search(word) for word in words_of(layer))


def multiplies(row: LayerRow) -> bool:
    """Whether it holds a convolution or a matrix product, by its MACs or, without any, by its words."""
    return bool(row.macs) if row.macs is not None else any(map(_PRODUCT.search, words_of(row.layer)))


def is_depthwise(row: LayerRow) -> bool:
    """Whether each channel is convolved by itself.

    By the tool's word; by a weight of C x 1 x k x k beside a convolution; else by as many MACs an output
    element as one channel's kernel has, which a convolution over channels exceeds.
    """
    layer = row.layer
    if not convolves(layer):
        return False
    if any("depthwise" in word.lower() for word in words_of(layer)):
        return True
    weights = [shape for shape in layer.input_shapes[1:] if len(shape) == 4]
    if weights:
        return any(shape[0] > MOST_IMAGE_CHANNELS and shape[1] == 1 and shape[2] > 1 for shape in weights)
    elements = sum(math.prod(shape) for shape in layer.output_shapes[:1])
    if not row.macs or not elements or row.macs % elements:
        return False
    return row.macs // elements in _KERNELS


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
