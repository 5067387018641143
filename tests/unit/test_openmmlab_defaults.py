"""What a config says of its input, where no pipeline tells a size."""

from typing import Any

import pytest

from npubench.exporters.openmmlab import worker_defaults


class Config(dict[str, Any]):
    """Keys are attributes, too, as of mmengine's configs."""

    def __getattr__(self, key: str) -> Any:
        return self[key]


@pytest.mark.parametrize(
    ("backbone", "size"),
    [
        (
            {"type": "SwinTransformer", "img_size": 384, "stage_cfgs": {"block_cfgs": {"window_size": 12}}},
            384,
        ),
        ({"type": "ViTSAM", "img_size": 1024, "window_size": 14}, 1024),
        ({"type": "VisionTransformer", "img_size": 518}, 224),
        ({"type": "SwinTransformer", "stage_cfgs": {"block_cfgs": {"window_size": 7}}}, 224),
        ({"type": "ResNet", "depth": 18}, 224),
    ],
)
def test_a_backbone_of_windows_tells_the_size_where_no_pipeline_does(backbone, size):
    config = Config(model=Config(type="ImageClassifier", backbone=backbone))
    assert worker_defaults.describe("mmpretrain", "any", config)["shape"] == [1, 3, size, size]


def test_a_pipeline_comes_before_the_backbone():
    backbone = {"type": "SwinTransformer", "img_size": 384, "window_size": 12}
    pipeline = [{"type": "ResizeEdge", "scale": 256}, {"type": "CenterCrop", "crop_size": 224}]
    config = Config(model=Config(type="ImageClassifier", backbone=backbone), test_pipeline=pipeline)
    assert worker_defaults.describe("mmpretrain", "any", config)["shape"] == [1, 3, 224, 224]
