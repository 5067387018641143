"""A data set through a backend with a worker: real processes, a toy for a tool."""

from dataclasses import replace

import numpy as np
import pytest

from npubench.domain.protocols import Predicting
from npubench.domain.records import Failure, FailureClass, Kind
from npubench.domain.specs import CalibrationSpec, NodeSpec, OperatorSpec, Precision, Target, TensorSpec
from npubench.exporters.operators import OperatorExporter
from tests.integration.test_apart_backends import GOOD, ToyBackend, compiled, relu  # noqa: F401

TARGET = Target("chip", Precision.INT8, {}, CalibrationSpec(None, 0, 2), 60.0)


def no_board():
    raise AssertionError("a simulator connects to no board")


@pytest.fixture
def predicted(compiled, tmp_path):  # noqa: F811
    def run(samples, worker=GOOD, target=TARGET, **changes):
        artifact = compiled(worker)
        assert not isinstance(artifact, Failure)
        np.save(tmp_path / "inputs.npy", samples)
        workdir = tmp_path / "predict"
        workdir.mkdir()
        model = replace(artifact.onnx, **changes)
        return ToyBackend().predict(
            replace(artifact, onnx=model),
            target,
            tmp_path / "inputs.npy",
            no_board,
            workdir,
            tmp_path / "log",
        )

    return run


def test_outputs_of_every_sample_in_order(predicted):
    samples = np.random.default_rng(0).normal(size=(5, 3, 4, 4)).astype(np.float32)
    found = predicted(samples)
    assert isinstance(ToyBackend(), Predicting)
    assert (found.kind, found.artifact_sha256) == (Kind.SIMULATED, None)
    assert "converted again" in found.note
    expected = np.maximum(samples, 0).reshape(5, -1) + 0.5
    np.testing.assert_allclose(np.load(found.path), expected, rtol=1e-6)


def test_a_tool_without_a_simulator_says_so(predicted):
    samples = np.zeros((1, 3, 4, 4), np.float32)
    worker = GOOD.replace('"outputs": keep("o", [[o + 0.5 for o in one] for one in expected]),', "")
    found = predicted(samples, worker)
    assert found.failure_class is FailureClass.TOOL_ERROR
    assert "has no simulator" in found.message


def test_a_tool_that_breaks_on_the_data_is_a_failure(predicted):
    worker = GOOD.replace(
        'data = samples(job["evaluation"])',
        'data = samples(job["evaluation"])\n    if len(data) > 2: raise NotSupportedError("too much", ("Relu",))',
    )
    found = predicted(np.zeros((9, 3, 4, 4), np.float32), worker)
    assert found.failure_class is FailureClass.UNSUPPORTED_OPERATOR


def test_a_fixed_batch_is_filled_up_and_its_surplus_cut(compiled, tmp_path):  # noqa: F811
    """Five samples in calls of two: three calls, and five rows of outputs."""
    (tmp_path / "batch").mkdir()
    x = TensorSpec("x", (2, 3, 4, 4))
    spec = OperatorSpec("pair", "Relu", 13, (x,), (), (NodeSpec("Relu", ("x",), ("y",)),), ("y",))
    model = OperatorExporter().export(spec, tmp_path / "batch", tmp_path / "export.log")
    artifact = compiled(GOOD, model=model)
    samples = np.random.default_rng(0).normal(size=(5, 3, 4, 4)).astype(np.float32)
    np.save(tmp_path / "inputs.npy", samples)
    (tmp_path / "predict").mkdir()
    target = replace(TARGET, calibration=CalibrationSpec(None, 0, 2))
    found = ToyBackend().predict(
        artifact, target, tmp_path / "inputs.npy", no_board, tmp_path / "predict", tmp_path / "log"
    )
    np.testing.assert_allclose(np.load(found.path), np.maximum(samples, 0).reshape(5, -1) + 0.5, rtol=1e-6)


def test_more_inputs_than_one_are_told(predicted):
    found = predicted(
        np.zeros((2, 3, 4, 4), np.float32), inputs=(TensorSpec("x", (1, 3)), TensorSpec("y", (1,)))
    )
    assert found.failure_class is FailureClass.INVALID_MODEL
