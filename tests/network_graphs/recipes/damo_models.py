"""DAMO-YOLO (Xu et al., 2022): backbones found by search, as lists of stages; layers as modelscope has them."""

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from tests.network_graphs.recipe import Recipe, picture

FOUND = importlib.util.find_spec("modelscope")
if FOUND is None:
    raise ImportError("modelscope")
ROOT = "modelscope.models.cv.tinynas_detection.damo.base_models"

# Kind of a member's blocks; channels of the stem; of each stage its blocks, inner and outer channels, stride.
MEMBERS = {
    "t": ("K1KX", 24, ((2, 24, 64, 2), (2, 64, 96, 2), (2, 96, 192, 2), (2, 152, 192, 1), (1, 192, 384, 2))),
    "s": (
        "K1KX",
        32,
        ((1, 24, 128, 2), (5, 88, 128, 2), (3, 128, 256, 2), (2, 120, 256, 1), (1, 144, 512, 2)),
    ),
    "m": (
        "KXKX",
        32,
        ((2, 64, 128, 2), (4, 64, 128, 2), (4, 256, 256, 2), (4, 256, 256, 1), (3, 256, 512, 2)),
    ),
}
BACKBONES = {
    "t": ("tinynas_res", (2, 4, 5), "relu"),
    "s": ("tinynas_res", (2, 4, 5), "relu"),
    "m": ("tinynas_csp", (2, 3, 4), "silu"),
}
NECKS = {
    "t": (1.0, 1.0, [96, 192, 384], [64, 128, 256]),
    "s": (1.0, 0.75, [128, 256, 512], [128, 256, 512]),
    "m": (1.5, 1.0, [128, 256, 512], [128, 256, 512]),
}


def module(name: str):
    """A module of the package, of which nothing else is run: its own imports ask for all of modelscope."""
    root = Path(next(iter(FOUND.submodule_search_locations)))
    parts = [*ROOT.split("."), "backbones"]
    for n in range(1, len(parts)):
        name_of = ".".join(parts[:n])
        if name_of not in sys.modules:
            sys.modules[name_of] = ModuleType(name_of)
            sys.modules[name_of].__path__ = [str(root.joinpath(*parts[1:n]))]
    for part in ("backbones", "necks", "core"):
        name_of = f"{ROOT}.{part}"
        sys.modules[name_of] = ModuleType(name_of)
        sys.modules[name_of].__path__ = [str(root.joinpath(*parts[1:-1], part))]
    files = ModuleType("modelscope.utils.file_utils")
    files.read_file = None
    sys.modules["modelscope.utils"] = ModuleType("modelscope.utils")
    sys.modules[files.__name__] = files
    return importlib.import_module(f"{ROOT}.{name}")


def build(member: str):
    def made(_shape):
        from torch import nn

        kind, stem, stages = MEMBERS[member]
        layers = [{"class": "ConvKXBNRELU", "in": 3, "k": 3, "out": stem, "s": 1}]
        inner = stem
        for count, middle, outer, stride in stages:
            layers.append(
                {
                    "class": f"SuperResConv{kind}",
                    "inner_class": f"ResConv{kind}",
                    "L": count,
                    "btn": middle,
                    "in": inner,
                    "out": outer,
                    "k": 3,
                    "s": stride,
                }
            )
            inner = outer
        file, outs, act = BACKBONES[member]
        depth, ratio, inputs, outputs = NECKS[member]
        backbone = module(f"backbones.{file}").TinyNAS(
            structure_info=layers, out_indices=outs, with_spp=True, use_focus=True, act=act, reparam=True
        )
        neck = module("necks.giraffe_fpn_btn").GiraffeNeckV2(
            depth=depth,
            hidden_ratio=ratio,
            in_channels=inputs,
            out_channels=outputs,
            act=act,
            spp=False,
            block_name="BasicBlock_3x3_Reverse",
        )

        class Whole(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.backbone, self.neck = backbone, neck
                self.scores = nn.ModuleList(nn.Conv2d(c, 80, 3, padding=1) for c in outputs)
                self.boxes = nn.ModuleList(nn.Conv2d(c, 68, 3, padding=1) for c in outputs)

            def forward(self, x):
                maps = self.neck(self.backbone(x))
                return [
                    (s(one).sigmoid(), b(one))
                    for s, b, one in zip(self.scores, self.boxes, maps, strict=True)
                ]

        model = Whole().eval()
        for part in list(model.modules()):
            if hasattr(part, "switch_to_deploy"):
                part.switch_to_deploy()
        return model

    return made


def recipes() -> Iterator[Recipe]:
    for member in MEMBERS:
        yield from picture(
            f"damoyolo-{member}", 640, build(member), "Xu et al., DAMO-YOLO, 2022; modelscope's layers"
        )
