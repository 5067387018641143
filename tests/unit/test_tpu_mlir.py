"""Logs of the real TPU-MLIR 1.30.2."""

import importlib.util
import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npubench.backends.tpu_mlir.backend import PROCESSORS, WAITING, TpuMlirBackend, tune_samples
from npubench.backends.tpu_mlir.log import cmodel, parse_profile, similarities
from npubench.domain.errors import UsageError
from npubench.domain.records import (
    Artifact,
    Bound,
    BoundReason,
    Bounds,
    Failure,
    FailureClass,
    OnnxModel,
    Stage,
)
from npubench.domain.specs import CalibrationSpec, Precision, Target

FILES = Path(__file__).parents[1] / "data/toolchains/tpu-mlir"


def of(macs):
    return OnnxModel(*("m", Path("m"), "sha", 13, (), (), {}, macs, 0, 0, 0))


def text(name: str) -> str:
    return (FILES / name).read_text(encoding="utf-8")


def error(told: str = "model_transform.py ended with code 1", step: str = "transform"):
    return {"type": "ToolFailedError", "text": told, "traceback": "", "step": step}


@pytest.mark.parametrize(
    ("chip", "microseconds", "cycles"), [("bm1684x", 298, 297660), ("bm1688", 1247, 1122310)]
)
def test_the_time_of_resnet18_is_what_others_found(chip, microseconds, cycles):
    profile = parse_profile(text(f"resnet18.{chip}.profile.txt"))
    assert profile.latency_us == pytest.approx(microseconds, rel=0.02)
    assert profile.cycles == cycles
    assert profile.cycles_by_command["Conv2D"] > 0


def test_the_cmodel_is_equal_bit_for_bit_to_the_quantised_reference():
    said = text("resnet18.bm1684x.log")
    assert cmodel(said).identical
    (first, second) = similarities(said)
    assert first.theirs == "top.npz"
    assert first.cosine == pytest.approx(0.9998, abs=1e-4)
    assert not first.identical
    assert second == cmodel(said)


def test_a_chip_without_a_profile_has_no_time():
    assert parse_profile("") is None


@pytest.mark.parametrize(
    ("said", "expected", "operators"),
    [
        ("RuntimeError: Op not support:{'Det'}\n", FailureClass.UNSUPPORTED_OPERATOR, ("Det",)),
        ("RuntimeError: Op not support:{'MyOp', 'Det'}", FailureClass.UNSUPPORTED_OPERATOR, ("MyOp", "Det")),
        ("Only support ArgMax!\nAborted\n", FailureClass.UNSUPPORTED_OPERATOR, ("ArgMin",)),
        ("Aborted (core dumped)\n", FailureClass.CRASH, ()),
        ("std::bad_alloc\nAborted\n", FailureClass.OUT_OF_MEMORY, ()),
        ("nothing\n", FailureClass.TOOL_ERROR, ()),
    ],
)
def test_why_it_gave_up(said, expected, operators):
    failure = TpuMlirBackend().explain(error(), said)
    assert failure.failure_class is expected
    assert failure.operators == operators


@pytest.mark.parametrize(("name", "operator"), [("det.bm1684x", "Det"), ("argmin.cv181x", "ArgMin")])
def test_what_the_real_tool_says_counts_however_it_ended(name, operator):
    crash = Failure(Stage.COMPILE, FailureClass.CRASH, "tpu-mlir crashed with SIGABRT")
    for failure in (
        TpuMlirBackend().explain(error(), text(f"{name}.log")),
        TpuMlirBackend().explain_end(crash, text(f"{name}.log")),
    ):
        assert failure.failure_class is FailureClass.UNSUPPORTED_OPERATOR
        assert failure.operators == (operator,)


def test_an_artifact_that_was_not_compared_is_no_success():
    target = Target("BM1684X", Precision.INT8, {}, CalibrationSpec(), 10.0)
    refused = TpuMlirBackend().refused
    assert refused(None, target, {}, "Success").failure_class is FailureClass.UNPARSED_OUTPUT
    assert refused(None, target, {}, text("resnet18.bm1684x.log")) is None
    other = text("resnet18.bm1684x.log").replace(
        "min_similarity = (1.0, 1.0, inf)", "min_similarity = (0.2, 0.1, 3.0)"
    )
    assert refused(None, target, {}, other).failure_class is FailureClass.OUTPUT_MISMATCH


@pytest.fixture
def worker(monkeypatch, tmp_path):
    source = Path(__file__).parents[2] / "npubench/backends/tpu_mlir/worker.py"
    spec = importlib.util.spec_from_file_location("tpu_mlir_worker", source)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setattr(sys, "path", [*sys.path])
    spec.loader.exec_module(module)
    monkeypatch.chdir(tmp_path)
    yield module
    sys.modules.pop("worker_frame", None)


def test_layers_on_the_host_are_counted_one_by_one(worker, tmp_path):
    line = '%1 = "tpu.GenericCpu"(%0) {cpu_name = "onnx.TopK"} : (tensor<1xf32>) -> tensor<1xf32>\n'
    (tmp_path / "model_bm1684x_int8_final.mlir").write_text(line * 2 + line.replace("onnx.TopK", "argmin"))
    assert worker._on_cpu() == ["TopK", "TopK", "argmin"]


@pytest.mark.parametrize(
    ("answer", "bounds"),
    [
        ({"on_cpu": []}, None),
        (
            {"on_cpu": ["TopK"], "cpu_layers": ["TopK", "TopK"]},
            Bounds(Bound.LOWER, BoundReason.LAYERS_ON_CPU, 2),
        ),
        # An answer of an older worker.
        ({"on_cpu": ["TopK"]}, Bounds(Bound.LOWER, BoundReason.LAYERS_ON_CPU)),
    ],
)
def test_layers_on_the_host_make_the_compilers_time_a_lower_bound(tmp_path, answer, bounds):
    (tmp_path / "answer.json").write_text(json.dumps(answer))
    shutil.copyfile(FILES / "resnet18.bm1684x.profile.txt", tmp_path / "compiler_profile_0.txt")
    model = replace(of(0), operators={"TopK": 2, "Conv": 1})
    extras = (tmp_path / "answer.json", tmp_path / "compiler_profile_0.txt")
    made = Artifact(tmp_path / "x", "sha", 1, "tpu-mlir", {}, Precision.INT8, model, {}, extras)
    figures = TpuMlirBackend().estimate(made)
    assert figures.bounds == bounds
    units = [layer.unit for layer in figures.placed_layers if layer.unit == "CPU"]
    assert len(units) == len(answer.get("cpu_layers", ()))
    assert figures.layers.adds_up
    assert figures.placement["Conv"] == "NPU"


def test_only_the_older_cv_chips_have_a_format_of_their_own(worker):
    found = {name: worker.ending(name) for name in PROCESSORS}
    assert {name for name, ending in found.items() if ending == "cvimodel"} == {
        *("cv180x", "cv181x", "cv182x", "cv183x")
    }


def test_an_assertion_of_the_cmodel_is_a_crash_and_told():
    said = (
        "ERROR: ASSERT /workspace/tpu-latest/bm1686/cmodel/src/atomic_dma.cpp: global_dma: 1903: src_mem\n"
        "ASSERT info: cannot get valid mem by src_addr = 0x0\nObtained 8 stack frames.\n"
        "Traceback (most recent call last):\nToolFailedError: model_deploy.py ended with code 1\n"
    )
    failure = TpuMlirBackend().explain(error("model_deploy.py ended with code 1", "deploy"), said)
    assert failure.failure_class is FailureClass.CRASH
    assert failure.message == "TPU-MLIR at deploy: ASSERT info: cannot get valid mem by src_addr = 0x0"


def test_code_that_the_tool_takes_for_unreachable_is_a_crash_where_it_names_no_operator():
    said = "Can't find op name: output_H\nUNREACHABLE executed at /src/host/ModuleInterpreter.cpp:1406!\n"
    failure = TpuMlirBackend().explain(error("run_calibration.py ended with code 1", "calibrate"), said)
    assert failure.failure_class is FailureClass.CRASH
    assert "ModuleInterpreter.cpp:1406" in failure.message


def test_a_job_that_only_waited_for_others_did_not_hang():
    message = f"tpu-mlir: no end after 300 s while it was at {WAITING}: ended at the deadline"
    failure = TpuMlirBackend().explain_end(Failure(Stage.COMPILE, FailureClass.HANG, message), "")
    assert failure.failure_class is FailureClass.TOOL_ERROR
    assert "other deployments" in failure.message
    hang = Failure(Stage.COMPILE, FailureClass.HANG, "tpu-mlir: no end after 300 s while it was at calibrate")
    assert TpuMlirBackend().explain_end(hang, "").failure_class is FailureClass.HANG


def test_the_worker_says_that_it_waits(worker, monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    monkeypatch.setattr(worker.fcntl, "flock", lambda *_: said.append(Path("step.txt").read_text()))
    said = []
    with worker._alone():
        pass
    assert said == [worker.WAITING] == [WAITING]


def test_a_processor_that_there_is_not_is_told():
    target = Target("pentium", Precision.INT8, {}, CalibrationSpec(), 10.0)
    with pytest.raises(UsageError, match="not pentium"):
        TpuMlirBackend().job(of(1), target)
    asked = TpuMlirBackend({"processor": "cv181x"}).job(of(1), target)
    assert asked == {"processor": "cv181x", "tune_samples": 5}


def test_a_big_model_is_tuned_on_fewer_samples():
    # ResNet-18, YOLOX-s, something huge, and a model whose work is not known.
    counts = [tune_samples(macs) for macs in (1_814_073_344, 13_400_000_000, 300_000_000_000, None)]
    assert counts == [5, 1, 1, 5]


@given(st.text())
def test_no_text_breaks_the_parsers(anything):
    similarities(anything)
    parse_profile(anything)
    TpuMlirBackend().explain(error(anything), anything)
