"""The real TPU-MLIR on a real model; its environment is installed first where it is missing."""

import pytest

from npubench import environments, plugins
from npubench.catalog import find_board, load
from npubench.onnx_model import describe
from npubench.records import Artifact
from npubench.specs import CalibrationSpec, Precision, Target
from tests.resnet18 import write_resnet18

pytestmark = pytest.mark.tpu_mlir


@pytest.mark.parametrize(("processor", "milliseconds"), [("bm1684x", 0.298), ("bm1688", 1.247)])
def test_resnet18_by_sophgo(tmp_path, processor, milliseconds):
    spec = find_board(load([]), processor)
    backend = plugins.backend_of(spec, lambda host: None)
    environments.install("tpu-mlir", print)
    model = describe(write_resnet18(tmp_path / "resnet18.onnx"), "resnet18")
    (tmp_path / "job").mkdir()
    target = Target(spec.chip, Precision.INT8, spec.backend_options, CalibrationSpec(), 1200.0)
    artifact = backend.compile(model, target, tmp_path / "job", tmp_path / "log")
    assert isinstance(artifact, Artifact), artifact
    figures = backend.estimate(artifact)
    assert figures.accuracy.cosine >= 0.999
    assert figures.details["cmodel_bit_equal"]
    assert figures.latency_us.mean == pytest.approx(milliseconds * 1000, rel=0.02)
