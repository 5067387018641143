"""Qualcomm's own networks, whose layers stand in its package `qai-hub-models`; nothing else of it is run."""

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from unittest.mock import MagicMock

from tests.network_graphs.recipe import Recipe

FOLDER = importlib.util.find_spec("qai_hub_models")
if FOLDER is None:
    raise ImportError("qai-hub-models")

MODELS = {
    "qualcomm-face-det-lite": ("face_det_lite", "FaceDetLite", (1, 1, 480, 640)),
    "qualcomm-foot-track": ("foot_track_net", "FootTrackNet", (1, 3, 480, 640)),
    "qualcomm-gear-guard": ("gear_guard_net", "GearGuardNet", (1, 3, 320, 192)),
    "qualcomm-face-attrib": ("face_attrib_net", "FaceAttribNet", (1, 3, 128, 128)),
    "qualcomm-facemap-3dmm": ("facemap_3dmm", "FaceMap_3DMM", (1, 3, 128, 128)),
}
REAL = ("model", "layers", "resnet_score_rgb")
"""Modules of a model that hold layers; all others of the package are empty stand-ins."""


class StandIn(ModuleType):
    def __getattr__(self, name: str):
        from torch import nn

        if name.startswith("__"):
            raise AttributeError(name)
        return nn.Module if name == "BaseModel" else MagicMock()


def class_of(folder: str, name: str):
    from torch import nn

    root = Path(next(iter(FOLDER.submodule_search_locations)))
    places = {"qai_hub_models": root, "qai_hub_models.models": root / "models"}
    places[f"qai_hub_models.models.{folder}"] = root / "models" / folder
    for module, place in places.items():
        stand_in = StandIn(module)
        stand_in.__path__ = [str(place)]
        sys.modules[module] = stand_in
    source = (root / "models" / folder / "model.py").read_text()
    for line in source.splitlines():
        if line.startswith("from qai_hub_models"):
            module = line.split()[1]
            if module not in places and module.rpartition(".")[2] not in REAL:
                sys.modules[module] = StandIn(module)
    whole = importlib.import_module(f"qai_hub_models.models.{folder}.model")
    whole.detect_postprocess = lambda boxes: boxes
    model = getattr(importlib.import_module(f"qai_hub_models.models.{folder}.model"), name)
    model.load_weights = model.load_state_dict = lambda *_words, **_keywords: None
    return model, nn


def build(folder: str, name: str):
    def made(_shape):
        model, nn = class_of(folder, name)
        before = nn.Module.load_state_dict
        nn.Module.load_state_dict = lambda *_words, **_keywords: None
        try:
            return model.from_pretrained()
        finally:
            nn.Module.load_state_dict = before

    return made


def recipes() -> Iterator[Recipe]:
    for name, (folder, model, shape) in MODELS.items():
        yield Recipe(name, shape, build(folder, model), f"qai-hub-models 0.65.0 {folder}")
