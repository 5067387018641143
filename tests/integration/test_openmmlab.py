"""Real OpenMMLab models in the light environment, which is made at first use."""

import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from npubench.catalog import load, user_folders
from npubench.domain.records import Failure, OnnxModel
from npubench.exporters.openmmlab import exporter
from npubench.exporters.openmmlab.exporter import OpenMMLabExporter
from npubench.tools.environments import installer

pytestmark = pytest.mark.slow

CATALOG = load(user_folders(()))
MODELS = CATALOG.models

MACS_AND_PARAMETERS = {
    "resnet18_8xb32_in1k": (1.82e9, 11.69e6),
    "resnet50_8xb32_in1k": (4.12e9, 25.56e6),
    "mobilenet-v2_8xb32_in1k": (0.319e9, 3.50e6),
    "shufflenet-v2-1x_16xb64_in1k": (0.149e9, 2.28e6),
    "repvgg-A0_8xb32_in1k": (1.36e9, 8.31e6),
    "densenet121_4xb256_in1k": (2.88e9, 7.98e6),
    "mobileone-s0_8xb32_in1k": (0.274e9, 2.08e6),
    "deit-tiny_4xb256_in1k": (1.26e9, 5.72e6),
}
"""Flops and Params as mmpretrain's own metafiles give them (deploy form for RepVGG and MobileOne)."""


@pytest.fixture(scope="module")
def environment():
    return installer.install("openmmlab", print)


def export(spec, folder: Path, **more) -> OnnxModel | Failure:
    folder.mkdir(exist_ok=True)
    return OpenMMLabExporter(**more).export(spec, folder, folder / "log")


def outputs(model: OnnxModel, seeds=(0, 1)):
    session = onnxruntime.InferenceSession(str(model.path), providers=["CPUExecutionProvider"])
    shape = model.inputs[0].shape
    feeds = [np.random.default_rng(seed).standard_normal(shape, dtype=np.float32) for seed in seeds]
    return [session.run(None, {model.inputs[0].name: x})[0] for x in feeds]


@pytest.mark.parametrize("name", MACS_AND_PARAMETERS)
def test_a_classifier_is_exported_whole(environment, tmp_path, name):
    model = export(MODELS[name], tmp_path)
    assert isinstance(model, OnnxModel), model
    assert [t.shape for t in (*model.inputs, *model.outputs)] == [(1, 3, 224, 224), (1, 1000)]
    assert model.opset == MODELS[name].opset
    macs, parameters = MACS_AND_PARAMETERS[name]
    assert model.macs == pytest.approx(macs, rel=0.06)
    assert model.parameters == pytest.approx(parameters, rel=0.03)
    assert model.tools["torch"].startswith("2.13.0")
    first, second = outputs(model)
    assert np.isfinite(first).all()
    # A blind network gives one answer to everything.
    assert np.abs(first - second).max() > 0.05 * np.abs(first).max()


def test_a_name_that_is_not_its_configs_is_found(environment, tmp_path):
    model = export(CATALOG.case("mobilenet-v3-small-050_3rdparty_in1k"), tmp_path)
    assert isinstance(model, OnnxModel), model
    assert model.exported["weights"] == "seeded random numbers"
    assert model.exported["difference"].endswith("(at most 0.001)")


def test_names_that_differ_in_their_training_share_a_file(environment, tmp_path):
    names = ["resnet18_8xb16_cifar10", "resnet18_8xb32_in1k", "resnet34_8xb32_in1k"]
    exporter = OpenMMLabExporter()
    one, other = (
        "resnet50_byol-pre_8xb512-linear-coslr-90e_in1k",
        "resnet50_mocov2-pre_8xb32-linear-steplr-100e_in1k",
    )
    networks = []
    for name in [one, other, *names]:
        (folder := tmp_path / name).mkdir()
        networks.append(exporter.network(CATALOG.case(name), folder, folder / "log"))
    assert networks[0] == networks[1]
    assert all(networks)
    assert len(set(networks)) == 4
    made = export(CATALOG.case(one), tmp_path / "made")
    twin = exporter.twin(CATALOG.case(other), made, tmp_path / other)
    assert twin.case == other
    assert twin.exported == {"same network as": one, **made.exported}
    again = export(CATALOG.case(other), tmp_path / "again")
    assert again.sha256 == twin.sha256
    assert (again.task, again.preprocessing) == (twin.task, twin.preprocessing)


def test_branches_for_training_are_folded(environment, tmp_path):
    model = export(MODELS["repvgg-A0_8xb32_in1k"], tmp_path)
    # The stem and stages of 2, 4, 14 and 1 blocks (Ding et al. 2021, table 2): one convolution each.
    assert model.operators["Conv"] == 22
    assert "BatchNormalization" not in model.operators


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(environment, tmp_path):
    spec = MODELS["mobileone-s0_8xb32_in1k"]
    one, again, other = (
        export(replace(spec, seed=seed), tmp_path / folder) for seed, folder in ((0, "a"), (0, "b"), (1, "c"))
    )
    assert one.sha256 == again.sha256 != other.sha256


def make_checkpoint(environment, path: Path, model: str) -> None:
    script = f"""
import sys; sys.path.insert(0, {str(Path(exporter.__file__).parent)!r})
import torch, worker_codebases
worker_codebases.prepare("mmpretrain")
zoo = worker_codebases.CODEBASES["mmpretrain"]
torch.manual_seed(7)
torch.save({{"state_dict": zoo.build(zoo.config({model!r})).state_dict(), "meta": {{}}}}, {str(path)!r})
"""
    subprocess.run([environment.python, "-c", script], check=True, capture_output=True)


def test_a_checkpoint_gives_its_weights_and_one_of_another_model_is_refused(environment, tmp_path):
    path = tmp_path / "mobileone.pth"
    make_checkpoint(environment, path, "mobileone-s0_8xb32_in1k")
    spec = replace(MODELS["mobileone-s0_8xb32_in1k"], weights=str(path))
    model = export(spec, tmp_path / "a")
    assert isinstance(model, OnnxModel), model
    assert model.seed is None
    assert model.sha256 != export(MODELS["mobileone-s0_8xb32_in1k"], tmp_path / "b").sha256
    other = export(replace(MODELS["resnet18_8xb32_in1k"], weights=str(path)), tmp_path / "c")
    assert isinstance(other, Failure)
    assert other.failure_class == "invalid_model"
    assert "is not a checkpoint of" in other.message


class Evil:
    """A pickle that would make a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (self.path, "w"))


def test_a_checkpoint_cannot_run_code(environment, tmp_path):
    import pickle

    path, trace = tmp_path / "evil.pth", tmp_path / "trace"
    path.write_bytes(pickle.dumps({"state_dict": Evil(str(trace))}))
    outcome = export(replace(MODELS["resnet18_8xb32_in1k"], weights=str(path)), tmp_path / "a")
    assert isinstance(outcome, Failure)
    assert outcome.failure_class == "invalid_model"
    assert not trace.exists()


def test_what_cannot_be_exported_says_why(environment, tmp_path):
    unknown = export(replace(MODELS["resnet18_8xb32_in1k"], config="resnet19_8xb32_in1k"), tmp_path / "a")
    assert (unknown.failure_class, unknown.stage) == ("not_found", "export")
    assert "resnet18_8xb32_in1k" in unknown.message
    old = export(replace(MODELS["deit-tiny_4xb256_in1k"], opset=13), tmp_path / "b")
    assert old.failure_class == "unsupported_operator"
    assert old.operators == ("aten::scaled_dot_product_attention",)
    assert "opset 14" in old.message


def test_an_export_ends_at_its_deadline(environment, tmp_path):
    outcome = export(MODELS["resnet18_8xb32_in1k"], tmp_path, deadline_s=0.3)
    assert isinstance(outcome, Failure)
    assert outcome.failure_class == "hang"
