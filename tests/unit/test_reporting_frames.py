from dataclasses import replace

import pandas as pd
import pytest

from npubench.domain.records import Accuracy, FailureClass, Sampling, WorstSlice
from npubench.domain.specs import Precision, SamplesFrom
from npubench.reporting.data import frames
from tests import sample_results


@pytest.fixture(scope="module")
def results():
    return sample_results.everything()


@pytest.fixture(scope="module")
def frame(results):
    return frames.frame(results)


def test_kinds_are_different_columns(frame):
    row = frame[frame.emulated & (frame.case == "resnet18") & (frame.status == "ok")].iloc[0]
    assert row.simulated_mean_us == pytest.approx(0.91 * row.measured_mean_us)
    assert not set(frames.FIGURES) & set(frame.columns)


def test_every_result_is_a_row_and_kinds_of_cases_are_told_apart(results, frame):
    assert len(frame) == len(results)
    assert (frame.case_kind == "model").sum() == 25
    assert (frame.case_kind == "operator").sum() == 109
    assert frame[frame.case_kind == "operator"].emulated.sum() == 0


def test_the_speedup_stands_on_the_int8_row(frame):
    pair = frame.query("case == 'resnet50' and board == 'local'").set_index("precision")
    ratio = pair.measured_p50_us["fp32"] / pair.measured_p50_us["int8"]
    assert pair.measured_speedup["int8"] == pytest.approx(ratio)
    assert frame.measured_speedup.isna().any()
    assert pd.isna(pair.measured_speedup["fp32"])


def test_what_is_not_known_is_missing_and_never_zero(frame):
    assert frame[frame.status == "failed"].measured_p50_us.isna().all()
    assert frame[frame.emulated].measured_p50_us.isna().all()
    assert str(frame.macs.dtype) == "Int64"


def test_failures_name_stage_class_and_operators(frame):
    failed = frame[frame.status == "failed"].set_index("case")
    assert failed.loc["rtmdet_tiny", "failure_operators"] == "DeformConv NonMaxSuppression"
    assert failed.loc["swin_tiny", "failure_class"] == FailureClass.HANG
    assert len(failed) == 5
    assert frame[frame.status == "ok"].failure_class.isna().all()


def test_every_row_says_where_it_comes_from(frame):
    assert "onnxruntime 1.22.0" in frame.tools[0]
    assert frame.seeds[0] == "calibration=0, weights=0"
    assert frame.log_path.notna().any()


def test_every_column_is_filled_where_a_row_has_the_figure():
    """A misspelt field would be <NA> for ever."""
    whole = {"tool_macs": 7, "io_bytes": 8, "memory_bytes": 9, "load_us": 1.0, "host_overhead_us": 2.0}
    accuracy = Accuracy(0.9, 30.0, 0.5, 1.0, relative_error=0.1, equal=0.5, dead_slices=3)
    accuracy = replace(accuracy, worst_slice=WorstSlice("y", 1, 2, 0.25))
    sampling = Sampling(4, SamplesFrom.OPTION)
    figures = sample_results.figures(
        100.0, accuracy=accuracy, sampling=sampling, mac_utilisation=0.5, **whole
    )
    pair = [sample_results.result(figures=figures, precision=one) for one in (Precision.FP32, Precision.INT8)]
    row = frames.frame(pair).iloc[1]
    assert [name for name in frames.FIGURES if pd.isna(row[f"measured_{name}"])] == []
    assert (row.measured_tool_macs, row.measured_dead_slices, row.measured_worst_slice) == (7, 3, 0.25)
    assert row.measured_p50_us == figures.latency_us.p50


def test_nothing_gives_an_empty_frame():
    empty = frames.frame([])
    assert len(empty) == 0
    assert list(empty) == [*frames.WHO, *frames.PROVENANCE]
