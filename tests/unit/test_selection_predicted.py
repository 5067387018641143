"""Predictions in a selection: turned into times, and their bands carried to the verdict, by hand."""

import math
from dataclasses import replace
from statistics import NormalDist

import pytest

from npubench.domain.figures import Kind
from npubench.predict.answer import Basis, Prediction, Refusal, RefusalKind
from npubench.published.networks import Network
from npubench.reporting.select.answer import summary_of
from npubench.reporting.select.atlas_times import atlas
from npubench.reporting.select.bands import Z90
from npubench.reporting.select.checks import Outcome
from npubench.reporting.select.choosing import Beyond
from npubench.reporting.select.decide import decide
from npubench.reporting.select.predicted_times import Wanted, column_of, time_of_answer
from npubench.reporting.select.select import far_off
from npubench.reporting.select.terminal import to_text
from npubench.reporting.select.times import Missing, ModelTime
from tests.unit.test_selection import requirements
from tests.unit.test_selection_atlas import JOB

NETWORK = Network("yolov8s", task="detection", height=640, width=640)


def rate(low, value, high):
    return Prediction(value, low, high, "fps", "throughput", Basis.KNOWN_NETWORK, ("18 other chips",))


def test_a_predicted_rate_is_a_time_whose_band_is_turned_round():
    column = column_of("RK3588", "int8")
    assert (column.mode, column.metric) == ("single core", "throughput")
    time = time_of_answer(rate(40.0, 50.0, 62.5), Wanted("RK3588", NETWORK), column)
    # 1 / 50 fps = 20 ms; 62.5 fps are 16 ms, 40 fps 25 ms: as wide to either side.
    assert (time.kind, time.time_us, time.share) == (Kind.PREDICTED, 20_000.0, pytest.approx(1 / 3))
    assert time.uncertain.band == pytest.approx((16_000.0, 25_000.0))
    assert time.latency is None
    assert time.source == "known network; 18 other chips"


def test_a_refusal_is_a_reason():
    refusal = Refusal(RefusalKind.GRAPH, "no graph of it is known")
    found = time_of_answer(refusal, Wanted("RK3588", NETWORK), column_of("RK3588"))
    assert isinstance(found, Missing)
    assert "no graph of it is known" in found.why


def test_a_column_of_the_precision_that_is_asked_and_none_of_a_chip_without_a_table():
    assert column_of("BM1684X").precision == "int8"
    assert column_of("BM1684X", "fp16").precision == "fp16"
    assert column_of("nothing of the kind") is None


def predicted(median_us, factor):
    """A time whose 90 % band is a factor to either side."""
    return ModelTime(
        *("yolov8s@640x640", "npubench", Kind.PREDICTED, median_us), sigma=math.log(factor) / Z90
    )


def judged(folder, time, text=JOB):
    asked = requirements(folder, text.replace("latency_ms = 100", ""))
    beyond = Beyond(atlas=atlas(), predict=lambda chip, network, precision: time)
    decision = decide(asked, [], [], [], beyond, ["RK3588"])
    (found,) = decision.verdicts
    return found, {check.name: check for check in found.checks}, decision


def test_a_band_is_carried_to_the_verdict(tmp_path):
    # 20/s x 40 ms = 80 % of a second; 1.25 times that is the limit, where the band of a factor 1.3 ends at 104 %:
    # ln 1.25 / (ln 1.3 / 1.6449) = 1.399 sigma, Phi(1.399) = 0.919.
    found, checks, decision = judged(tmp_path, predicted(40_000.0, 1.3))
    sure = NormalDist().cdf(math.log(1.25) / (math.log(1.3) / 1.644854))
    assert sure == pytest.approx(0.919, abs=1e-3)
    assert checks["npu_time"].outcome is Outcome.PASS
    assert found.confidence == pytest.approx(sure, abs=1e-6)
    assert found.kind is Kind.PREDICTED
    assert checks["npu_time"].headroom == pytest.approx(0.2)
    assert "92 %" in to_text(decision)
    # Nobody tried whether it converts there: that is no pass of the operators, and no failure.
    assert "operators" not in checks
    assert any(one.startswith("not tried on this chip") and one.endswith("detector") for one in found.caveats)
    said = "RK3588 is predicted to do the job for 59.9 USD (board) with 20 % of its NPU free (92 % sure)."
    assert summary_of(decision) == said


def test_a_band_that_spans_the_limit_is_unknown_and_one_beyond_it_fails(tmp_path):
    # 90 % of a second with a band of a factor 1.3: the chance to stay below it is 74.6 %, no pass at 90 %.
    _, checks, _ = judged(tmp_path, predicted(45_000.0, 1.3))
    assert checks["npu_time"].outcome is Outcome.UNKNOWN
    chance = NormalDist().cdf(math.log(1 / 0.9) / (math.log(1.3) / 1.644854))
    assert checks["npu_time"].confidence == pytest.approx(chance, abs=1e-6)
    assert checks["npu_time"].steps
    # 130 %: 5 % below the limit is left, so that it fails with 95 %.
    found, checks, _ = judged(tmp_path, predicted(65_000.0, 1.3))
    assert checks["npu_time"].outcome is Outcome.FAIL
    assert found.confidence == pytest.approx(0.95, abs=1e-6)


def test_a_measured_or_published_figure_is_not_predicted_anew(tmp_path):
    asked = requirements(tmp_path, JOB)

    def never(chip, network, precision):
        raise AssertionError

    (found,) = decide(asked, [], [], [], Beyond(atlas=atlas(), predict=never), ["BM1684X"]).verdicts
    assert found.kind is Kind.PUBLISHED


def test_what_can_be_asked_of_every_chip_of_the_atlas():
    assert all(column_of(chip) for chip in atlas().by_chip)


def test_an_input_far_from_all_that_were_published_is_not_predicted():
    shipped = atlas()
    # yolov8s is published at 640 x 640: a quarter and four times its pixels are near enough, 12 x 12 is not.
    assert [
        far_off(replace(NETWORK, height=side, width=side), shipped) == "" for side in (12, 320, 640, 1280)
    ] == [
        False,
        True,
        True,
        True,
    ]
    assert "far from the inputs" in far_off(replace(NETWORK, height=12, width=12), shipped)


def test_a_band_askew_is_as_wide_as_its_wider_side_and_one_too_wide_decides_nothing():
    column = column_of("RK3588", "int8")
    time = time_of_answer(rate(40.0, 50.0, 55.0), Wanted("RK3588", NETWORK), column)
    # 25 ms lie a factor 1.25 above 20 ms, 18.2 ms a factor 1.1 below.
    assert time.uncertain.band == pytest.approx((16_000.0, 25_000.0))
    assert time.ends == pytest.approx((1e6 / 55, 25_000.0))
    wide = time_of_answer(rate(5.0, 50.0, 101.0), Wanted("RK3588", NETWORK), column)
    assert isinstance(wide, Missing)
    assert "too wide" in wide.why
