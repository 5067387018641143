"""The arithmetic of the selection, rule by rule."""

from dataclasses import replace

import pytest

from npubench.domain.records import Accuracy, Figures, Kind
from npubench.domain.specs import Precision
from npubench.reporting.data.accuracy import WRONG
from npubench.reporting.select import npu_checks, ranking, times
from npubench.reporting.select.checks import Check, Job, Outcome
from npubench.reporting.select.ranking import Ranked
from npubench.reporting.select.requirements import ModelNeed, StreamNeed
from npubench.reporting.select.times import Found, ModelTime, accuracy_value
from tests import gateway, sample_results


def job(value, minimum, metric="cosine"):
    need = ModelNeed(("net",), "detector", 5.0, minimum=minimum, metric=metric)
    stream = StreamNeed("cameras", 4, 1920, 1080, 25.0, "h264", (need,))
    figures = replace(sample_results.figures(1000.0), accuracy=accuracy(**{metric: value}))
    row = sample_results.result("net", Precision.INT8, figures=figures)
    time = ModelTime("net", "local", Kind.MEASURED, 10_000.0, precision="int8", result=row)
    return Job(stream, need, Found(time))


def accuracy(**values):
    return replace(Accuracy(None, None, None), **values)


def test_the_load_is_streams_times_rate_times_time():
    assert job(1.0, None).load == pytest.approx(4 * 5 * 0.010)


@pytest.mark.parametrize(
    ("value", "outcome"), [(0.95, Outcome.PASS), (0.9499, Outcome.FAIL), (0.96, Outcome.PASS)]
)
def test_an_accuracy_that_just_reaches_its_minimum_passes(value, outcome):
    check = npu_checks.accuracy([job(value, 0.95)])
    assert (check.outcome, check.headroom) == (outcome, None)
    assert npu_checks.accuracy_room([job(value, 0.95)]) == pytest.approx(1 - (1 - value) / 0.05)


def test_an_fp32_row_is_its_own_reference_unless_its_outputs_are_wrong():
    row = sample_results.result("net", Precision.FP32)
    assert {metric: accuracy_value(row, metric) for metric in ("cosine", "top1_agreement", "psnr_db")} == {
        "cosine": 1.0,
        "top1_agreement": 1.0,
        "psnr_db": None,
    }
    assert accuracy_value(replace(row, precision=Precision.INT8), "cosine") is None
    for reason in WRONG:
        wrong = replace(row, figures=replace(row.figures, no_accuracy=reason))
        assert accuracy_value(wrong, "cosine") == accuracy_value(wrong, "top1_agreement") == 0.0


def test_the_time_of_one_inference_is_the_inverse_of_the_throughput_else_the_mean():
    assert times.time_of(Figures(Kind.MEASURED, throughput_fps=200.0)) == 5000.0
    figures = sample_results.figures(1000.0)
    assert times.time_of(replace(figures, throughput_fps=None)) == figures.latency_us.mean


def terms(own, *others, **room):
    checks = [Check(name, Outcome.PASS, value) for name, value in room.items()]
    weights = (("headroom", 3.0), ("price", 1.0), ("power", 1.0))
    own = replace(own, checks=checks)
    found = ranking.terms_of(weights, own, [own, *others])
    return {one.name: one for one in found}


def test_the_score_takes_shares_of_weights_of_the_least_room_and_of_the_cheapest_price():
    found = terms(Ranked((), 80.0, 2.0), Ranked((), 20.0, 1.0), npu_time=0.5, latency=0.2)
    assert {name: one.value for name, one in found.items()} == {"headroom": 0.2, "price": 0.25, "power": 0.5}
    assert [one.weight for one in found.values()] == [0.6, 0.2, 0.2]
    assert ranking.score_of([*found.values()]) == pytest.approx(0.6 * 0.2 + 0.2 * 0.25 + 0.2 * 0.5)
    assert terms(Ranked(()), Ranked((), 20.0))["price"].value is None


def test_candidates_of_one_outcome_stand_by_their_score_and_the_cheapest_that_runs_has_the_whole_price_term(
    tmp_path,
):
    verdicts = [one for one in gateway.decision(tmp_path, gateway.rows()).verdicts if one.score is not None]
    scores = [one.score for one in verdicts if one.outcome is Outcome.PASS]
    assert scores == sorted(scores, reverse=True)
    assert len({one.score for one in verdicts}) > 2
    prices = [one.price_usd for one in verdicts if one.price_usd]
    assert len(set(prices)) > 1
    for one in verdicts:
        (price,) = [term for term in one.terms if term.name == "price"]
        assert price.value == (min(prices) / one.price_usd if one.price_usd else None)
