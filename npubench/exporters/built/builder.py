"""Graphs of convolutions, node by node, with seeded weights that keep the signal alive and quantisable.

Batch normalisation is folded, as a converter folds it: a convolution has a bias. In its place each filter has
a mean of zero and the variance that its input asks for (scaled weight standardisation: Brock, De, Smith:
"Characterizing signal propagation to close the performance gap in unnormalized ResNets", ICLR 2021), so that
activations neither die nor grow with depth, and outputs of different inputs differ. What a tensor is expected
to hold is followed through the graph as mean and variance of normal numbers.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from onnx import TensorProto, helper, numpy_helper

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

BIAS = 0.05
"""Deviation of biases, of an output whose own is 1."""

SHIFT = 0.8
"""Mean of what goes into a ReLU, of a deviation of 1: a fifth of it is cut off. With a mean of 0 each layer
makes a small error 1.5 times as large, and of fifty layers in INT8 little agrees with FP32."""

LEAST_IR = 8
LEAST_CENTRED = 25
"""Numbers in a filter above which it is centred: of a 3 x 3 of one channel little would be left but edges."""

Numbers = npt.NDArray[np.generic]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Value:
    """A tensor 1 x C x H x W of the graph, and the normal numbers that it is expected to hold."""

    name: str
    channels: int
    height: int
    width: int
    mean: float = 0.0
    variance: float = 1.0


class Builder:
    """Nodes and weights of one graph; layers have the names that they get."""

    def __init__(self, seed: int) -> None:
        self._random = np.random.default_rng(seed)
        self.nodes: list[NodeProto] = []
        self.weights: list[TensorProto] = []
        self._limits: tuple[str, str] | None = None

    def node(self, op: str, inputs: Sequence[str], name: str, **attributes: int | list[int]) -> str:
        """Append a node of that name, which is its output's, too."""
        self.nodes.append(_node(op, inputs, [name], name, attributes))
        return name

    def conv(
        self, data: Value, channels: int, kernel: int, name: str, *, stride: int = 1, pad: int | None = None,
        gain: float = 1.0, mean: float = SHIFT,
    ) -> Value:  # fmt: skip
        """A convolution whose outputs have the deviation `gain` and that `mean` for ReLU to cut.

        It is padded to keep the size but for `stride`.
        """
        shape = (channels, data.channels, kernel, kernel)
        weights = self._filters(shape, data, gain, mean)
        made = self._convolved(data, weights, name, stride, kernel // 2 if pad is None else pad)
        return replace(made, mean=mean, variance=gain**2)

    def depthwise(self, data: Value, kernel: int, stride: int, name: str) -> Value:
        """The same with a filter for each channel alone."""
        weights = self._filters((data.channels, 1, kernel, kernel), data, 1.0, SHIFT)
        return replace(self._convolved(data, weights, name, stride, kernel // 2), mean=SHIFT, variance=1.0)

    def _convolved(
        self, data: Value, weights: tuple[Floats, Floats], name: str, stride: int, pad: int
    ) -> Value:
        weight, bias = weights
        channels, of_group, kernel, _ = weight.shape
        inputs = [data.name, self._kept(weight, f"{name}.weight"), self._kept(bias, f"{name}.bias")]
        sizes = {"kernel_shape": [kernel] * 2, "strides": [stride] * 2, "pads": [pad] * 4}
        self.node("Conv", inputs, name, group=data.channels // of_group, **sizes)
        height, width = ((size + 2 * pad - kernel) // stride + 1 for size in (data.height, data.width))
        return Value(name, channels, height, width)

    def relu(self, data: Value) -> Value:
        """max(x, 0)."""
        return _rectified(data, self.node("Relu", [data.name], f"{data.name}/relu"))

    def relu6(self, data: Value) -> Value:
        """x between 0 and 6, which lies six deviations off."""
        if self._limits is None:
            low, high = (np.array(limit, dtype=np.float32) for limit in (0, 6))
            self._limits = self._kept(low, "relu6.min"), self._kept(high, "relu6.max")
        return _rectified(data, self.node("Clip", [data.name, *self._limits], f"{data.name}/relu6"))

    def add(self, one: Value, other: Value, name: str) -> Value:
        """The sum of a shortcut and a branch."""
        made = self.node("Add", [one.name, other.name], name)
        return replace(one, name=made, mean=one.mean + other.mean, variance=one.variance + other.variance)

    def concat(self, values: Sequence[Value], name: str) -> Value:
        """Channels one after another; the numbers are taken to be those of the first."""
        made = self.node("Concat", [value.name for value in values], name, axis=1)
        return replace(values[0], name=made, channels=sum(value.channels for value in values))

    def max_pool(self, data: Value, name: str, *, pad: int = 0, ceil: bool = False) -> Value:
        """The largest of 3 x 3, every second one."""
        sizes = {"kernel_shape": [3] * 2, "strides": [2] * 2, "pads": [pad] * 4}
        made = self.node("MaxPool", [data.name], name, ceil_mode=int(ceil), **sizes)
        height, width = ((size + 2 * pad - 3 + ceil) // 2 + 1 for size in (data.height, data.width))
        return replace(data, name=made, height=height, width=width)

    def halves(self, data: Value, name: str) -> tuple[Value, Value]:
        """The first and the second half of the channels."""
        half = data.channels // 2
        sizes = self._kept(np.array([half, half], dtype=np.int64), f"{name}.sizes")
        outputs = [f"{name}.0", f"{name}.1"]
        self.nodes.append(_node("Split", [data.name, sizes], outputs, name, {"axis": 1}))
        first, second = (replace(data, name=output, channels=half) for output in outputs)
        return first, second

    def shuffle(self, data: Value, groups: int, name: str) -> Value:
        """Channels of `groups` groups in turn, as three nodes."""
        size = data.height, data.width
        shapes = {"apart": (1, groups, data.channels // groups, *size), "together": (1, data.channels, *size)}
        apart, together = (
            self._kept(np.array(shape, dtype=np.int64), f"{name}.{word}") for word, shape in shapes.items()
        )
        parted = self.node("Reshape", [data.name, apart], f"{name}/apart")
        turned = self.node("Transpose", [parted], f"{name}/turned", perm=[0, 2, 1, 3, 4])
        return replace(data, name=self.node("Reshape", [turned, together], name))

    def pooled(self, data: Value) -> str:
        """The mean of each channel, as 1 x C."""
        mean = self.node("GlobalAveragePool", [data.name], "pool")
        return self.node("Flatten", [mean], "flatten", axis=1)

    def classifier(self, data: Value, classes: int, output: str) -> str:
        """Pooled, then one linear layer, whose outputs are as far apart as its inputs let them."""
        weight, bias = self._filters((classes, data.channels), data, 1.0, 0.0)
        kept = [self._kept(weight, "fc.weight"), self._kept(bias, "fc.bias")]
        return self.node("Gemm", [self.pooled(data), *kept], output, transB=1)

    def model(
        self, name: str, data: Value, output: tuple[str, int], opset: int, producer: str
    ) -> "ModelProto":
        """The graph from input `data` to the logits `output`, of a name and so many classes."""
        size = 1, data.channels, data.height, data.width
        inputs = [helper.make_tensor_value_info(data.name, TensorProto.FLOAT, size)]
        outputs = [helper.make_tensor_value_info(output[0], TensorProto.FLOAT, (1, output[1]))]
        graph = helper.make_graph(self.nodes, name, inputs, outputs, self.weights)
        opsets = [helper.make_opsetid("", opset)]
        ir_version = max(LEAST_IR, helper.find_min_ir_version_for(opsets))
        return helper.make_model(graph, opset_imports=opsets, ir_version=ir_version, producer_name=producer)

    def _filters(
        self, shape: tuple[int, ...], data: Value, gain: float, mean: float
    ) -> tuple[Floats, Floats]:
        """Filters for inputs like `data`, and the biases that bring their outputs to `mean`."""
        fan_in = math.prod(shape[1:])
        axes = tuple(range(1, len(shape)))
        numbers = self._random.standard_normal(shape, dtype=np.float32).astype(np.float64)
        if fan_in > LEAST_CENTRED and data.mean:
            numbers -= numbers.mean(axis=axes, keepdims=True)
        weight = numbers * (gain / math.sqrt(fan_in * data.variance))
        noise = self._random.standard_normal(shape[0]) * (BIAS * gain)
        return weight, noise + mean - data.mean * weight.sum(axis=axes)

    def _kept(self, values: Numbers, name: str) -> str:
        floats = values.dtype.kind == "f"
        self.weights.append(numpy_helper.from_array(values.astype(np.float32) if floats else values, name))
        return name


def _node(
    op: str,
    inputs: Sequence[str],
    outputs: Sequence[str],
    name: str,
    attributes: Mapping[str, int | list[int]],
) -> "NodeProto":
    made = helper.make_node(op, inputs, outputs, name=name)
    made.attribute.extend(helper.make_attribute(key, value) for key, value in attributes.items())
    return made


def _rectified(data: Value, name: str) -> Value:
    """The moments of max(x, 0) of normal numbers."""
    deviation, normal = math.sqrt(data.variance), NormalDist()
    at = data.mean / deviation
    above, density = normal.cdf(at), normal.pdf(at)
    mean = data.mean * above + deviation * density
    square = (data.mean**2 + data.variance) * above + data.mean * deviation * density
    return replace(data, name=name, mean=mean, variance=square - mean**2)
