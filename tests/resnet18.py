"""ResNet-18 with seeded random weights, as PyTorch's exporter writes it: batch normalisation folded.

He, Zhang, Ren, Sun: Deep Residual Learning for Image Recognition, table 1 (18 layers).
"""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 13
INPUT_SHAPE = (1, 3, 224, 224)
STAGES = ((64, 1), (128, 2), (256, 2), (512, 2))


class _Graph:
    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def add(self, op: str, inputs: list[str], **attributes: object) -> str:
        name = f"{op.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [name], name=name, **attributes))
        return name

    def weight(self, shape: tuple[int, ...], scale: float) -> str:
        name = f"weight_{len(self.weights)}"
        values = (self.random.standard_normal(shape) * scale).astype(np.float32)
        self.weights.append(numpy_helper.from_array(values, name))
        return name

    def conv(self, data: str, channels_in: int, channels: int, kernel: int, stride: int = 1) -> str:
        fan_in = channels_in * kernel * kernel
        weight = self.weight((channels, channels_in, kernel, kernel), (2 / fan_in) ** 0.5)
        bias = self.weight((channels,), 0.01)
        pad = kernel // 2
        return self.add(
            "Conv", [data, weight, bias], kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=[pad] * 4
        )

    def block(self, data: str, channels_in: int, channels: int, stride: int) -> str:
        inner = self.add("Relu", [self.conv(data, channels_in, channels, 3, stride)])
        inner = self.conv(inner, channels, channels, 3)
        if stride != 1 or channels_in != channels:
            data = self.conv(data, channels_in, channels, 1, stride)
        return self.add("Relu", [self.add("Add", [inner, data])])


def write_resnet18(path: Path, seed: int = 0) -> Path:
    """The model at `path`; input 1x3x224x224, output 1x1000."""
    graph = _Graph(seed)
    data = graph.add("Relu", [graph.conv("input", 3, 64, 7, 2)])
    data = graph.add("MaxPool", [data], kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    channels_in = 64
    for channels, stride in STAGES:
        data = graph.block(data, channels_in, channels, stride)
        data = graph.block(data, channels, channels, 1)
        channels_in = channels
    data = graph.add("Flatten", [graph.add("GlobalAveragePool", [data])], axis=1)
    weight, bias = graph.weight((1000, 512), 512**-0.5), graph.weight((1000,), 0.01)
    graph.nodes.append(helper.make_node("Gemm", [data, weight, bias], ["logits"], name="gemm", transB=1))
    made = helper.make_graph(
        graph.nodes,
        "resnet18",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, INPUT_SHAPE)],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, (1, 1000))],
        graph.weights,
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    onnx.checker.check_model(onnx.shape_inference.infer_shapes(model, strict_mode=True))
    onnx.save(model, path)
    return path
