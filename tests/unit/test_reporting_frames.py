import pytest

from npubench.domain.records import FailureClass
from npubench.reporting.data import frames
from tests import sample_results


@pytest.fixture(scope="module")
def results():
    return sample_results.everything()


def test_kinds_are_different_columns(results):
    frame = frames.models(results)
    row = frame[frame.emulated & (frame.case == "resnet18") & (frame.status == "ok")].iloc[0]
    assert row.simulated_mean_us == pytest.approx(0.91 * row.measured_mean_us)
    assert not {"p50_us", "mean_us"} & set(frame.columns)


def test_models_and_operators_are_apart(results):
    assert len(frames.models(results)) == 25
    assert len(frames.operators(results)) == 109
    assert frames.operators(results).emulated.sum() == 0


def test_the_speedup_stands_on_the_int8_row(results):
    frame = frames.models(results).query("case == 'resnet50' and board == 'local'").set_index("precision")
    ratio = frame.measured_p50_us["fp32"] / frame.measured_p50_us["int8"]
    assert frame.measured_speedup["int8"] == pytest.approx(ratio)
    assert frame.measured_speedup.isna()["fp32"]


def test_what_is_not_known_is_missing_and_never_zero(results):
    frame = frames.models(results)
    failed = frame[frame.status == "failed"]
    assert failed.measured_p50_us.isna().all()
    assert frame[frame.emulated].measured_p50_us.isna().all()
    assert str(frame.macs.dtype) == "Int64"


def test_failures_name_stage_class_and_operators(results):
    frame = frames.failures(results).set_index("case")
    assert frame.loc["rtmdet_tiny", "operators"] == "DeformConv NonMaxSuppression"
    assert frame.loc["swin_tiny", "class"] == FailureClass.HANG
    assert len(frame) == 5


def test_missing_operators_by_models_blocked(results):
    frame = frames.missing(results)
    assert list(frame.operator) == ["DeformConv", "NonMaxSuppression", "GridSample"]
    assert list(frame.blocked) == [2, 1, 0]
    assert list(frame.operator_cases) == [0, 0, 1]


def test_provenance_has_every_row(results):
    frame = frames.provenance(results)
    assert len(frame) == len(results)
    assert "onnxruntime 1.22.0" in frame.tools[0]
    assert frame.seeds[0] == "calibration=0, weights=0"


def test_nothing_gives_empty_frames():
    for make in (frames.models, frames.operators, frames.failures, frames.provenance, frames.missing):
        assert len(make([])) == 0
        assert "case" in make([]) or "operator" in make([])
