"""The architectures, layer by layer as their papers and reference codes have them; each names its source.

Every function takes the input to the logits and gives their name; MACs and parameters are held against
reports/published/graphs.csv by tests/unit/test_built.py.
"""

from collections.abc import Callable, Mapping
from functools import partial

from npubench.exporters.built.builder import Builder, Value

CLASSES = 1000
OUTPUT = "logits"
BRANCH = 0.5
"""Deviation of what a residual block adds: blocks add up and none drowns the others."""


def resnet18(graph: Builder, data: Value) -> str:
    """He, Zhang, Ren, Sun: Deep Residual Learning for Image Recognition, table 1, 18 layers."""
    data = _resnet_stem(graph, data)
    for stage, channels in enumerate((64, 128, 256, 512), 1):
        for block in range(2):
            data = _basic(
                graph, data, channels, 2 if stage > 1 and block == 0 else 1, f"layer{stage}.{block}"
            )
    return graph.classifier(data, CLASSES, OUTPUT)


def resnet50(graph: Builder, data: Value) -> str:
    """The same with 50 layers; strides in the 3 x 3 convolutions, as torchvision has them (v1.5)."""
    data = _resnet_stem(graph, data)
    for stage, (channels, blocks) in enumerate(((64, 3), (128, 4), (256, 6), (512, 3)), 1):
        for block in range(blocks):
            stride = 2 if stage > 1 and block == 0 else 1
            data = _bottleneck(graph, data, channels, stride, f"layer{stage}.{block}")
    return graph.classifier(data, CLASSES, OUTPUT)


def _resnet_stem(graph: Builder, data: Value) -> Value:
    return graph.max_pool(graph.relu(graph.conv(data, 64, 7, "conv1", stride=2)), "maxpool", pad=1)


def _basic(graph: Builder, data: Value, channels: int, stride: int, name: str) -> Value:
    inner = graph.relu(graph.conv(data, channels, 3, f"{name}.conv1", stride=stride))
    inner = graph.conv(inner, channels, 3, f"{name}.conv2", gain=BRANCH, mean=0.0)
    if stride > 1 or data.channels != channels:
        data = graph.conv(data, channels, 1, f"{name}.downsample", stride=stride)
    return graph.relu(graph.add(data, inner, f"{name}.add"))


def _bottleneck(graph: Builder, data: Value, channels: int, stride: int, name: str) -> Value:
    inner = graph.relu(graph.conv(data, channels, 1, f"{name}.conv1"))
    inner = graph.relu(graph.conv(inner, channels, 3, f"{name}.conv2", stride=stride))
    inner = graph.conv(inner, 4 * channels, 1, f"{name}.conv3", gain=BRANCH, mean=0.0)
    if stride > 1 or data.channels != 4 * channels:
        data = graph.conv(data, 4 * channels, 1, f"{name}.downsample", stride=stride)
    return graph.relu(graph.add(data, inner, f"{name}.add"))


def mobilenetv1(graph: Builder, data: Value) -> str:
    """Howard and others: MobileNets, table 1, width 1.0, with ReLU6."""
    data = graph.relu6(graph.conv(data, 32, 3, "stem", stride=2))
    wide = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1))
    for at, (channels, stride) in enumerate(wide):
        data = graph.relu6(graph.depthwise(data, 3, stride, f"block{at}.depthwise"))
        data = graph.relu6(graph.conv(data, channels, 1, f"block{at}.pointwise"))
    return graph.classifier(data, CLASSES, OUTPUT)


Stage = tuple[int, int, int, int, int]
"""Expansion, output channels, blocks, stride of the first, kernel of the depthwise convolution."""

MOBILENETV2: tuple[Stage, ...] = (
    *((1, 16, 1, 1, 3), (6, 24, 2, 2, 3), (6, 32, 3, 2, 3), (6, 64, 4, 2, 3), (6, 96, 3, 1, 3)),
    *((6, 160, 3, 2, 3), (6, 320, 1, 1, 3)),
)
"""Sandler and others: MobileNetV2, table 2."""

EFFICIENTNET_LITE0: tuple[Stage, ...] = (
    *((1, 16, 1, 1, 3), (6, 24, 2, 2, 3), (6, 40, 2, 2, 5), (6, 80, 3, 2, 3), (6, 112, 3, 1, 5)),
    *((6, 192, 4, 2, 5), (6, 320, 1, 1, 3)),
)
"""Tan and Le: EfficientNet, table 1, without squeeze-and-excitation and with ReLU6, as TensorFlow's
tpu/models/official/efficientnet/lite has it."""


def inverted_residuals(stages: tuple[Stage, ...], graph: Builder, data: Value) -> str:
    """Networks of inverted residual blocks: 32 channels at first, 1280 at last."""
    data = graph.relu6(graph.conv(data, 32, 3, "stem", stride=2))
    for at, (expansion, channels, blocks, stride, kernel) in enumerate(stages):
        for block in range(blocks):
            first = stride if block == 0 else 1
            data = _inverted(graph, data, (expansion, channels, first, kernel), f"stage{at}.{block}")
    return graph.classifier(graph.relu6(graph.conv(data, 1280, 1, "head")), CLASSES, OUTPUT)


def _inverted(graph: Builder, data: Value, sizes: tuple[int, int, int, int], name: str) -> Value:
    expansion, channels, stride, kernel = sizes
    inner = data
    if expansion > 1:
        inner = graph.relu6(graph.conv(data, data.channels * expansion, 1, f"{name}.expand"))
    inner = graph.relu6(graph.depthwise(inner, kernel, stride, f"{name}.depthwise"))
    residual = stride == 1 and data.channels == channels
    inner = graph.conv(inner, channels, 1, f"{name}.project", gain=BRANCH if residual else 1.0, mean=0.0)
    return graph.add(data, inner, f"{name}.add") if residual else inner


def squeezenet(graph: Builder, data: Value) -> str:
    """Iandola and others: SqueezeNet, in the release 1.1 of its authors."""
    data = graph.max_pool(graph.relu(graph.conv(data, 64, 3, "conv1", stride=2, pad=0)), "pool1", ceil=True)
    for at, squeezed in enumerate((16, 16, 32, 32, 48, 48, 64, 64), 2):
        data = _fire(graph, data, squeezed, 4 * squeezed, f"fire{at}")
        if at in (3, 5):
            data = graph.max_pool(data, f"pool{at}", ceil=True)
    logits = graph.relu(graph.conv(data, CLASSES, 1, "conv10", mean=0.0))
    mean = graph.node("GlobalAveragePool", [logits.name], "pool")
    return graph.node("Flatten", [mean], OUTPUT, axis=1)


def _fire(graph: Builder, data: Value, squeezed: int, expanded: int, name: str) -> Value:
    data = graph.relu(graph.conv(data, squeezed, 1, f"{name}.squeeze"))
    sides = [graph.relu(graph.conv(data, expanded, size, f"{name}.expand{size}x{size}")) for size in (1, 3)]
    return graph.concat(sides, f"{name}.concat")


def shufflenetv2(graph: Builder, data: Value) -> str:
    """Ma and others: ShuffleNet V2, table 5, width 1.0."""
    data = graph.max_pool(graph.relu(graph.conv(data, 24, 3, "conv1", stride=2)), "maxpool", pad=1)
    for stage, (channels, blocks) in enumerate(((116, 4), (232, 8), (464, 4)), 2):
        for block in range(blocks):
            name = f"stage{stage}.{block}"
            data = _shuffled(graph, data, channels, 2 if block == 0 else 1, name)
    return graph.classifier(graph.relu(graph.conv(data, 1024, 1, "conv5")), CLASSES, OUTPUT)


def _shuffled(graph: Builder, data: Value, channels: int, stride: int, name: str) -> Value:
    half = channels // 2
    if stride > 1:
        kept, inner = graph.depthwise(data, 3, stride, f"{name}.left.depthwise"), data
        kept = graph.relu(graph.conv(kept, half, 1, f"{name}.left.pointwise"))
    else:
        kept, inner = graph.halves(data, f"{name}.split")
    inner = graph.relu(graph.conv(inner, half, 1, f"{name}.right.pointwise1"))
    inner = graph.depthwise(inner, 3, stride, f"{name}.right.depthwise")
    inner = graph.relu(graph.conv(inner, half, 1, f"{name}.right.pointwise2"))
    return graph.shuffle(graph.concat([kept, inner], f"{name}.concat"), 2, f"{name}.shuffle")


NETWORKS: Mapping[str, Callable[[Builder, Value], str]] = {
    "resnet18": resnet18,
    "resnet50": resnet50,
    "mobilenetv1-1.0": mobilenetv1,
    "mobilenetv2-1.0": partial(inverted_residuals, MOBILENETV2),
    "efficientnet-lite0": partial(inverted_residuals, EFFICIENTNET_LITE0),
    "squeezenet-1.1": squeezenet,
    "shufflenetv2-x1.0": shufflenetv2,
}
"""By the name that the network has in reports/published/graphs.csv."""
