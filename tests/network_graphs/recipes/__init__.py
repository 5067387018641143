"""The networks, by where their definitions come from."""

import importlib
from collections.abc import Iterator

from tests.network_graphs.recipe import Recipe

SOURCES = (
    "qualcomm_models",
    "own.super_resolution",
    "own.faces",
    "mediapipe_models",
    "own.detectors",
    "own.poses",
    "own.texts",
    "damo_models",
    "own.segmenters",
    "own.landmarks",
    "package_models",
    "yolov5_releases",
    "openmmlab_models",
    "torchvision_models",
    "timm_models",
    "ultralytics_models",
)


def recipes() -> Iterator[Recipe]:
    """Every recipe; one whose package is not installed is left out, and said."""
    for source in SOURCES:
        try:
            module = importlib.import_module(f"tests.network_graphs.recipes.{source}")
        except ImportError as error:
            print(f"LEFT OUT {source}: {error}", flush=True)
            continue
        yield from module.recipes()
