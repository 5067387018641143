"""torchvision's own networks."""

from collections.abc import Iterator

import torchvision.models as tv
from torch import nn

from tests.network_graphs.recipe import Recipe, picture

CLASSIFIERS = {
    **{f"resnet{depth}": f"resnet{depth}" for depth in (18, 34, 50, 101, 152)},
    "resnext50-32x4d": "resnext50_32x4d",
    "resnext101-32x8d": "resnext101_32x8d",
    "resnext101-64x4d": "resnext101_64x4d",
    "wide-resnet50-2": "wide_resnet50_2",
    "wide-resnet101-2": "wide_resnet101_2",
    "mobilenetv2-1.0": "mobilenet_v2",
    "mobilenetv3-small": "mobilenet_v3_small",
    "mobilenetv3-large": "mobilenet_v3_large",
    "squeezenet-1.0": "squeezenet1_0",
    "squeezenet-1.1": "squeezenet1_1",
    **{f"densenet{depth}": f"densenet{depth}" for depth in (121, 161, 169, 201)},
    **{f"vgg{depth}": f"vgg{depth}" for depth in (11, 13, 16, 19)},
    **{f"vgg{depth}-bn": f"vgg{depth}_bn" for depth in (11, 13, 16, 19)},
    "alexnet": "alexnet",
    "googlenet": "googlenet",
    "inceptionv3": "inception_v3",
    **{f"mnasnet{width}": f"mnasnet{width.replace('.', '_')}" for width in ("0.5", "0.75", "1.0", "1.3")},
    **{f"shufflenetv2-x{width}": f"shufflenet_v2_x{width.replace('.', '_')}" for width in ("0.5", "1.0", "1.5", "2.0")},
    **{f"efficientnet-b{member}": f"efficientnet_b{member}" for member in range(8)},
    **{f"efficientnetv2-{member}": f"efficientnet_v2_{member}" for member in "sml"},
    **{f"convnext-{member}": f"convnext_{member}" for member in ("tiny", "small", "base", "large")},
    **{f"regnet{kind}-{size}": f"regnet_{kind}_{size.replace('.', '_')}"
       for kind in "xy" for size in ("400mf", "800mf", "1.6gf", "3.2gf", "8gf", "16gf", "32gf")},
    **{f"swin-{member}": f"swin_{member[0]}" for member in ("tiny", "small", "base")},
    **{f"swinv2-{member}": f"swin_v2_{member[0]}" for member in ("tiny", "small", "base")},
    "vit-base-p16": "vit_b_16",
    "vit-base-p32": "vit_b_32",
    "vit-large-p16": "vit_l_16",
    "vit-large-p32": "vit_l_32",
    "maxvit-tiny": "maxvit_t",
}  # fmt: skip
SIZES = {
    "inceptionv3": [299, 224],
    **{"efficientnet-b1": [224, 240], "efficientnet-b2": [224, 260, 288], "efficientnet-b3": [224, 300]},
    **{
        "efficientnet-b4": [380, 224],
        "efficientnet-b5": [456],
        "efficientnet-b6": [528],
        "efficientnet-b7": [600],
    },
    **{"efficientnetv2-s": [384, 224], "efficientnetv2-m": [480, 224], "efficientnetv2-l": [480]},
    **{f"swinv2-{member}": [256] for member in ("tiny", "small", "base")},
    **{"alexnet": [224, 227], "squeezenet-1.0": [224, 227], "squeezenet-1.1": [224, 227]},
}
VIDEO = {"r3d-18": "r3d_18", "mc3-18": "mc3_18", "r2plus1d-18": "r2plus1d_18"}


class Whole(nn.Module):
    """The logits of a segmenter, at the size of the picture."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x):
        return self.model(x)["out"]


def segmenter(name):
    def build(_shape):
        return Whole(getattr(tv.segmentation, name)(weights=None, weights_backbone=None, aux_loss=False))

    return build


def classifier(name):
    more = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    return lambda _shape: getattr(tv, name)(weights=None, **more)


def video(name):
    return lambda _shape: getattr(tv.video, name)(weights=None)


def recipes() -> Iterator[Recipe]:
    for name, member in CLASSIFIERS.items():
        yield from picture(name, SIZES.get(name, 224), classifier(member), f"torchvision {member}")
    for backbone in ("resnet50", "resnet101"):
        yield from picture(
            f"fcn-{backbone}-torchvision", 520, segmenter(f"fcn_{backbone}"), f"torchvision fcn_{backbone}"
        )
        yield from picture(
            f"deeplabv3-{backbone}-torchvision",
            520,
            segmenter(f"deeplabv3_{backbone}"),
            f"torchvision deeplabv3_{backbone}",
        )
    for head in ("lraspp", "deeplabv3"):
        member = f"{head}_mobilenet_v3_large"
        yield from picture(f"{head}-mobilenetv3-large", 520, segmenter(member), f"torchvision {member}")
    for name, member in VIDEO.items():
        yield Recipe(name, (1, 3, 16, 112, 112), video(member), f"torchvision {member}")
