"""All of OpenMMLab by its full environment, where that is installed (`npubench env install openmmlab --full`)."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from npubench.catalog import find_cases, load
from npubench.domain.records import Failure, FailureClass, OnnxModel
from npubench.domain.specs import ModelSpec
from npubench.exporters.openmmlab.codebases import FULL
from npubench.exporters.openmmlab.exporter import OpenMMLabExporter
from npubench.tools import environments
from tests.integration.test_openmmlab import outputs

pytestmark = [
    pytest.mark.openmmlab,
    pytest.mark.skipif(
        environments.find(FULL) is None,
        reason="the full environment is not here: npubench env install openmmlab --full",
    ),
]

CATALOG = load(())
SMALL = {
    "rtmdet_tiny_syncbn_fast_8xb32-300e_coco": [(1, 3, 640, 640)],
    "rtmpose-t_8xb256-420e_coco-256x192": [(1, 3, 256, 192)],
    "panet_resnet18_fpem-ffm_600e_ctw1500": [(1, 3, 640, 640)],
    "fast_scnn_8xb4-160k_cityscapes-512x1024": [(1, 3, 512, 1024)],
    "retinanet_r18_fpn_1x_coco": [(1, 3, 512, 512)],
    "edsr_x2c64b16_1xb16-300k_div2k": [(1, 3, 128, 128)],
    "tsn_imagenet-pretrained-r50_8xb32-1x1x3-100e_kinetics400-rgb": [(1, 3, 3, 224, 224)],
    "slowonly_r50_8xb16-4x16x1-256e_kinetics400-rgb": [(1, 1, 3, 4, 224, 224)],
}
"""One of each codebase, and a 2D and a 3D recognizer, with the shape of its input."""


def export(spec: ModelSpec, folder: Path, **more) -> OnnxModel | Failure:
    folder.mkdir(exist_ok=True)
    return OpenMMLabExporter(**more).export(spec, folder, folder / "log")


@pytest.mark.parametrize("name", SMALL)
def test_every_codebase_exports_with_finite_outputs_that_follow_the_input(tmp_path, name):
    model = export(CATALOG.models[name], tmp_path)
    assert isinstance(model, OnnxModel), model
    assert [tensor.shape for tensor in model.inputs] == SMALL[name]
    assert model.macs > 0
    assert model.parameters > 0
    assert model.activation_bytes > 0
    first, second = outputs(model)
    assert np.isfinite(first).all()
    assert np.abs(first - second).max() > 0


def test_a_detector_ends_before_nms(tmp_path):
    model = export(CATALOG.models["retinanet_r18_fpn_1x_coco"], tmp_path)
    assert not {"NonMaxSuppression", "TopK", "NonZero"} & set(model.operators)
    # Scores and boxes of five levels.
    assert len(model.outputs) == 10


def test_a_config_path_takes_shape_and_colours_from_the_config(tmp_path):
    ready = environments.find(FULL)
    (config,) = ready.path.glob(
        "lib/python*/site-packages/mmpretrain/.mim/configs/resnet/resnet18_8xb16_cifar10.py"
    )
    (case,) = find_cases(CATALOG, [str(config)], []).cases
    model = export(case, tmp_path)
    assert isinstance(model, OnnxModel), model
    assert model.inputs[0].shape == (1, 3, 32, 32)
    assert model.preprocessing.mean == (125.307, 122.961, 113.8575)
    assert model.preprocessing.color == "rgb"
    assert model.task == "classification"


def test_a_name_without_a_manifest_entry_works(tmp_path):
    (case,) = find_cases(CATALOG, ["mobilenet-v3-small_8xb128_in1k"], []).cases
    assert case.name not in CATALOG.models
    assert isinstance(export(case, tmp_path), OnnxModel)


def config_of(folder: Path, text: str) -> ModelSpec:
    path = folder / "net.py"
    path.write_text(f"default_scope = 'mmpretrain'\n{text}\n")
    (case,) = find_cases(CATALOG, [str(path)], []).cases
    return case


def test_a_config_that_needs_a_package_that_is_not_there_says_which(tmp_path):
    text = 'model = dict(type="ImageClassifier", backbone=dict(type="TIMMBackbone", model_name="resnet18"))'
    outcome = export(config_of(tmp_path, text), tmp_path)
    assert outcome.failure_class is FailureClass.MISSING_PACKAGE
    assert "timm" in outcome.message


def test_a_model_that_downloads_while_it_is_built_says_so(tmp_path):
    text = (
        'model = dict(type=__import__("urllib.request").request.urlopen("http://127.0.0.1:9/w.pth").read())'
    )
    outcome = export(config_of(tmp_path, text), tmp_path)
    assert outcome.failure_class is FailureClass.EXPORT_FAILED
    assert "wants to download" in outcome.message


def test_own_weights_that_cannot_be_fetched_say_from_where(tmp_path, monkeypatch):
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    outcome = export(replace(CATALOG.models["resnet18_8xb32_in1k"], weights="auto"), tmp_path)
    assert outcome.failure_class is FailureClass.EXPORT_FAILED
    assert "cannot be downloaded from http" in outcome.message
    assert "--checkpoint" in outcome.message


def test_a_model_larger_than_memory_is_out_of_memory(tmp_path):
    text = """
model = dict(
    type="ImageClassifier",
    backbone=dict(type="VisionTransformer", arch=dict(embed_dims=65536, num_layers=48, num_heads=16, feedforward_channels=262144)),
    neck=None,
    head=dict(type="VisionTransformerClsHead", num_classes=10, in_channels=65536),
)
"""
    outcome = export(config_of(tmp_path, text), tmp_path)
    assert isinstance(outcome, Failure)
    assert outcome.failure_class is FailureClass.OUT_OF_MEMORY


def test_a_config_without_a_model_is_told(tmp_path):
    outcome = export(config_of(tmp_path, "other = 1"), tmp_path)
    assert outcome.failure_class is FailureClass.INVALID_MODEL
