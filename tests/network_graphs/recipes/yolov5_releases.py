"""YOLOv5 of its several releases, made of the blocks of the package `yolov5` (7.0).

2.0: Focus, BottleneckCSP and LeakyReLU; 5.0: Focus, C3 and SiLU; from 6.0 on a 6 x 6 convolution and SPPF. Outputs are
the raw maps of the anchors, as vendors run it.
"""

from collections.abc import Iterator
from copy import deepcopy

from tests.network_graphs.recipe import Recipe, picture

ANCHORS = [[10, 13, 16, 30, 33, 23], [30, 61, 62, 45, 59, 119], [116, 90, 156, 198, 373, 326]]
FOUR = [
    [19, 27, 44, 40, 38, 94],
    [96, 68, 86, 152, 180, 137],
    [140, 301, 303, 264, 238, 542],
    [436, 615, 739, 380, 925, 792],
]
MULTIPLES = {"n": (0.33, 0.25), "s": (0.33, 0.5), "m": (0.67, 0.75), "l": (1.0, 1.0), "x": (1.33, 1.25)}


def layers(block: str, stem: list, last: list[list], end: list) -> dict:
    """Backbone and head that all releases share; `last` is what stands on the largest stride before the head."""
    repeats = 3
    backbone = [
        [-1, 1, *stem], [-1, 1, "Conv", [128, 3, 2]], [-1, 3, block, [128]], [-1, 1, "Conv", [256, 3, 2]],
        [-1, end[0], block, [256]], [-1, 1, "Conv", [512, 3, 2]], [-1, 9, block, [512]], [-1, 1, "Conv", [1024, 3, 2]],
        *last,
    ]  # fmt: skip
    top = len(backbone)
    head = [
        [-1, 1, "Conv", [512, 1, 1]], [-1, 1, "nn.Upsample", [None, 2, "nearest"]], [[-1, 6], 1, "Concat", [1]],
        [-1, repeats, block, [512, False]], [-1, 1, "Conv", [256, 1, 1]], [-1, 1, "nn.Upsample", [None, 2, "nearest"]],
        [[-1, 4], 1, "Concat", [1]], [-1, repeats, block, [256, False]], [-1, 1, "Conv", [256, 3, 2]],
        [[-1, top + 4], 1, "Concat", [1]], [-1, repeats, block, [512, False]], [-1, 1, "Conv", [512, 3, 2]],
        [[-1, top], 1, "Concat", [1]], [-1, repeats, block, [1024, False]],
        [[top + 7, top + 10, top + 13], 1, "Detect", ["nc", "anchors"]],
    ]  # fmt: skip
    return {"nc": 80, "anchors": ANCHORS, "backbone": backbone, "head": head}


FOCUS = ["Focus", [64, 3]]
SPP = [-1, 1, "SPP", [1024, [5, 9, 13]]]


def release(version: str) -> dict:
    if version == "v2":
        return layers("BottleneckCSP", FOCUS, [SPP, [-1, 3, "BottleneckCSP", [1024, False]]], [9])
    if version == "v2-wo-spp":
        return layers("BottleneckCSP", FOCUS, [[-1, 3, "BottleneckCSP", [1024, False]]], [9])
    if version == "v5":
        return layers("C3", FOCUS, [SPP, [-1, 3, "C3", [1024, False]]], [9])
    stem = ["Conv", [64, 6, 2, 2]]
    block = "C3TR" if version == "c3tr" else "C3"
    return layers("C3", stem, [[-1, 3, block, [1024]], [-1, 1, "SPPF", [1024, 5]]], [6])


def replaced(model, activation: str):
    """The model with another activation in place of SiLU."""
    from torch import nn

    other = {"relu": nn.ReLU, "leaky": lambda: nn.LeakyReLU(0.1)}[activation]
    for module in model.modules():
        for name, child in module.named_children():
            if isinstance(child, nn.SiLU):
                setattr(module, name, other())
    return model


def finished(model, activation: str, host_focus: bool = False):

    model.eval()
    if activation != "silu":
        replaced(model, activation)
    if host_focus:
        model.model[0].forward = model.model[0].conv.forward
    model.fuse()
    detect = model.model[-1]

    def raw(x):
        return [convolution(one) for convolution, one in zip(detect.m, x, strict=True)]

    def masks(x):
        return [*raw(x), detect.proto(x[0])]

    detect.forward = masks if hasattr(detect, "proto") else raw
    return model


def build(member: str, version: str, activation: str = "silu", host_focus: bool = False):
    def made(_shape):
        from yolov5.models.yolo import DetectionModel

        depth, width = MULTIPLES[member]
        table = {**deepcopy(release(version)), "depth_multiple": depth, "width_multiple": width}
        return finished(DetectionModel(table, ch=3), activation, host_focus)

    return made


def packaged(yaml: str, task: str = ""):
    def made(_shape):
        from pathlib import Path

        import yolov5.models
        from yolov5.models.yolo import DetectionModel, SegmentationModel

        kind = SegmentationModel if task == "segment" else DetectionModel
        return finished(kind(str(Path(yolov5.models.__file__).parent / task / yaml)), "silu")

    return made


def recipes() -> Iterator[Recipe]:
    for member in MULTIPLES:
        yield from picture(f"yolov5{member}-v6", [640, 416, 320], build(member, "v6"), "YOLOv5 6.0 to 7.0")
        yield from picture(f"yolov5{member}-v6-relu", 640, build(member, "v6", "relu"), "YOLOv5 6.0, ReLU")
        yield from picture(
            f"yolov5{member}-seg", 640, packaged(f"yolov5{member}-seg.yaml", "segment"), "YOLOv5 7.0"
        )
        yield from picture(
            f"yolov5{member}6-v6",
            1280,
            packaged(f"yolov5{member}6.yaml", "hub") if member != "n" else packaged("yolov5n6.yaml", "hub"),
            "YOLOv5 6.0, four strides",
        )
        if member != "n":
            yield from picture(f"yolov5{member}-v2", 640, build(member, "v2", "leaky"), "YOLOv5 2.0")
            yield from picture(
                f"yolov5{member}-v2-wo-spp",
                [640, 512],
                build(member, "v2-wo-spp", "leaky"),
                "YOLOv5 2.0 without SPP",
            )
        yield from picture(f"yolov5{member}-v5", 640, build(member, "v5"), "YOLOv5 5.0")
        yield from picture(f"yolov5{member}-v5-relu", 640, build(member, "v5", "relu"), "YOLOv5 5.0, ReLU")
        yield from picture(
            f"yolov5{member}-c3tr", 640, build(member, "c3tr"), "YOLOv5 6.0, transformer block"
        )
    yield from picture(
        "yolov3-ultralytics", [640, 416], packaged("yolov3.yaml", "hub"), "YOLOv3 of ultralytics 9.6"
    )
    yield from picture(
        "yolov3-spp-ultralytics", 640, packaged("yolov3-spp.yaml", "hub"), "YOLOv3-SPP of ultralytics 9.6"
    )
    yield from picture(
        "yolov3-tiny", [416, 640], packaged("yolov3-tiny.yaml", "hub"), "YOLOv3-tiny of ultralytics 9.6"
    )
