"""What a config says of its input: shape, mean, deviation, colour order, task and clips.

Runs inside the OpenMMLab environment, imports nothing of npubench. For a model without an entry in a
manifest, and for the index of names (`make zoo`), so both agree.
"""

import re
from collections.abc import Iterator
from typing import Any

TASKS = {
    "mmpretrain": "classification",
    "mmaction2": "action recognition",
    "mmsegmentation": "segmentation",
    "mmdetection": "detection",
    "mmpose": "pose estimation",
    "mmocr": "text detection",
    "mmyolo": "detection",
    "mmagic": "super resolution",
}
DETECTION = (512, 512)
"""Pictures of 1333 x 800 that keep their ratio have no fixed shape; this one every such detector takes."""

YOLO = (640, 640)
FIXED = {"mmocr": (640, 640), "mmagic": (128, 128)}
"""Of codebases whose configs tell no size."""

_SIZE_IN_NAME = re.compile(r"(?<!\d)(\d{3,4})x(\d{3,4})(?!\d)")


def describe(codebase: str, name: str, config: Any) -> dict[str, Any]:
    """`task`, `shape` (with batch 1), `mean`, `std`, `color` and `clip`; what is not told is None."""
    clip = _clip(config) if codebase == "mmaction2" else None
    height, width = _size(codebase, name, config)
    shape = [1, 3, height, width]
    if clip:
        is_2d = "2D" in str(config.model.get("type"))
        # Segments are part of what a 2D recognizer sees at once; of a 3D one they are further views.
        clip["clips"] = clip["clips"] if is_2d else 1
        # Three, or what the backbone says of other input, such as heat maps of key points.
        channels = (config.model.get("backbone") or {}).get("in_channels")
        frames = [] if is_2d else [clip["frames"]]
        shape = [1, clip["clips"], channels if isinstance(channels, int) else 3, *frames, height, width]
    return {"task": _task(codebase, config), "shape": shape, **_colours(config), "clip": clip}


def _task(codebase: str, config: Any) -> str:
    kind = str(config.model.get("type"))
    if codebase == "mmpretrain" and "ImageClassifier" not in kind:
        return {"ImageToImageRetriever": "retrieval", "MoCo": "self-supervised"}.get(kind, kind)
    if codebase == "mmaction2" and kind not in {"Recognizer2D", "Recognizer3D"}:
        return kind
    if codebase == "mmocr" and "head" not in str(list(config.model)):
        return "text recognition"
    return TASKS[codebase]


def _colours(config: Any) -> dict[str, Any]:
    table = config.get("data_preprocessor") or config.model.get("data_preprocessor") or {}
    table = table.get("preprocessor_cfg", table) if isinstance(table, dict) else {}
    mean, std = table.get("mean"), table.get("std")
    if not isinstance(mean, (list, tuple)) or not isinstance(std, (list, tuple)) or len(mean) != len(std):
        return {"mean": None, "std": None, "color": None}
    swaps = table.get("to_rgb") or table.get("bgr_to_rgb")
    # Video decoders and CIFAR's files give RGB already; pictures are read as BGR.
    given_rgb = "Action" in str(table.get("type")) or "CIFAR" in str(config.get("dataset_type"))
    is_rgb = bool(swaps) or given_rgb
    return {"mean": list(mean), "std": list(std), "color": "rgb" if is_rgb else "bgr"}


def _size(codebase: str, name: str, config: Any) -> tuple[int, int]:
    """Height and width."""
    steps = list(_steps(config))
    if codebase == "mmpose":
        codec = config.get("codec")
        codec = codec[-1] if isinstance(codec, (list, tuple)) else codec
        width, height = (codec or {}).get("input_size", (192, 256))
        return int(height), int(width)
    if codebase == "mmsegmentation":
        return _pair(config.get("crop_size")) or _named(name) or DETECTION
    if codebase in FIXED:
        return FIXED[codebase]
    crop = next((_pair(step.get("crop_size")) for step in steps if "Crop" in str(step.get("type"))), None)
    if codebase in {"mmpretrain", "mmaction2"}:
        if crop:
            return crop
        resized = next((_square(step.get("scale")) for step in steps if "Resize" in str(step["type"])), None)
        is_cifar = "CIFAR" in str(config.get("dataset_type"))
        return resized or _windowed(config) or ((32, 32) if is_cifar else (224, 224))
    resized = next((size for step in steps if (size := _square(step.get("scale")))), None)
    return _square(config.get("img_scale")) or resized or (YOLO if codebase == "mmyolo" else DETECTION)


def _windowed(config: Any) -> tuple[int, int] | None:
    """What a backbone of windows was made for: another size may be less than a window."""
    backbone = config.model.get("backbone") or {}
    return _square(backbone.get("img_size")) if "window_size" in str(backbone) else None


def _steps(config: Any) -> Iterator[Any]:
    """Steps of the pipeline that pictures take to the network, nested ones, too."""
    for key in ("val_pipeline", "test_pipeline"):
        found = False
        for step in config.get(key) or ():
            if isinstance(step, dict) and "type" in step:
                found = True
                yield step
        if found:
            return
    loader = config.get("val_dataloader") or config.get("test_dataloader") or {}
    dataset = loader.get("dataset", {}) if isinstance(loader, dict) else {}
    yield from (step for step in dataset.get("pipeline") or () if isinstance(step, dict))


def _clip(config: Any) -> dict[str, int] | None:
    """How a clip is sampled for one view: frames, their interval, clips (segments) and crops."""
    sample = next((step for step in _steps(config) if "Sample" in str(step["type"])), None)
    if sample is None:
        return None
    return {
        "frames": int(sample.get("clip_len", 1)),
        "interval": int(sample.get("frame_interval", 1)),
        "clips": int(sample.get("num_clips", 1)),
        "crops": 1,
    }


def _pair(value: Any) -> tuple[int, int] | None:
    if isinstance(value, int):
        return value, value
    if isinstance(value, (list, tuple)) and len(value) == 2 and all(isinstance(n, int) for n in value):
        return value[0], value[1]
    return None


def _square(value: Any) -> tuple[int, int] | None:
    pair = _pair(value)
    return pair if pair and pair[0] == pair[1] else None


def _named(name: str) -> tuple[int, int] | None:
    found = _SIZE_IN_NAME.findall(name)
    return (int(found[-1][0]), int(found[-1][1])) if found else None
