import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npubench.backends.axera.pulsar2_log import DEVICE_TIME, measured
from npubench.backends.axera.pulsar2_run import AxRunModel, parse_ax_run_model, wrong_repeat
from npubench.domain.records import Failure, FailureClass

DATA = Path(__file__).parents[1] / "data" / "axera"
CARD = (DATA / "axcl_run_model.txt").read_text()
OLDER_CARD = (DATA / "axcl_run_model_older.txt").read_text()
GOLDEN = (Path(__file__).parents[1] / "data" / "axera" / "ax_run_model.txt").read_text()
LINES = GOLDEN.splitlines(keepends=True)


def never_wrong(text):
    call = parse_ax_run_model(text)
    if isinstance(call, Failure):
        assert call.failure_class is FailureClass.UNPARSED_OUTPUT
        assert call.detail == text
        return
    assert (call.min_us, call.mean_us, call.max_us) == (719.0, 721.0, 726.0)
    assert call.repeat in (1, 10)
    assert call.warmup in (None, 3)
    assert call.cmm_bytes in (None, 4428624)


def test_everything_that_is_printed_is_read():
    call = parse_ax_run_model(GOLDEN)
    assert isinstance(call, AxRunModel)
    assert (call.min_us, call.mean_us, call.max_us) == (719.0, 721.0, 726.0)
    assert (call.repeat, call.warmup, call.cmm_bytes) == (10, 3, 4428624)
    assert call.texts["type"] == "NPU1"
    assert call.texts["pulsar2_version"] == "1.2-patch2 7e6b2b5f"


def test_head_lines_may_come_in_any_order_and_indent():
    lines = [line.strip() + "\n" for line in LINES]
    lines[5], lines[6] = lines[6], lines[5]
    assert parse_ax_run_model("".join(lines)) == parse_ax_run_model(GOLDEN)


def test_wide_times_and_other_blanks():
    wide = GOLDEN.replace("=   0.7", "=1000.7").replace(" ms   ", " ms\t")
    call = parse_ax_run_model(wide)
    assert isinstance(call, AxRunModel)
    assert (call.min_us, call.mean_us, call.max_us) == (1_000_719.0, 1_000_721.0, 1_000_726.0)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("avg =   0.721 ms", "avg =   0.921 ms"),
        ("min =   0.719 ms", "min =   0.000 ms"),
        ("avg =   0.721 ms", "avg =   0.7"),
        ("repeat: 10\n", "repeat: 1\n0\n"),
        ("repeat: 10\n", "repeat: x10\n"),
        ("min =", "mn ="),
    ],
)
def test_doubtful_output_is_no_measurement(old, new):
    assert old in GOLDEN
    assert isinstance(parse_ax_run_model(GOLDEN.replace(old, new)), Failure)


@given(st.integers(0, len(GOLDEN)))
def test_any_cut(end):
    never_wrong(GOLDEN[:end])


@given(st.integers(0, 2**32))
def test_any_order_of_lines(seed):
    shuffled = LINES.copy()
    random.Random(seed).shuffle(shuffled)
    never_wrong("".join(shuffled))


@given(st.lists(st.sampled_from(LINES), max_size=40))
def test_any_repetition_and_omission_of_lines(lines):
    never_wrong("".join(lines))


@given(st.integers(0, len(GOLDEN) - 1), st.text(st.characters(exclude_categories=["Nd"]), max_size=5))
def test_any_garbage_in_place_of_a_character(at, garbage):
    never_wrong(GOLDEN[:at] + garbage + GOLDEN[at + 1 :] if garbage else GOLDEN[:at])


PERCENTILES_US = {5: 4048.0, 50: 4449.0, 90: 4648.0, 95: 4672.0, 99: 4741.0}


def test_a_card_tells_its_median_and_percentiles():
    call = parse_ax_run_model(CARD)
    assert (call.min_us, call.mean_us, call.max_us) == (3815.0, 4406.0, 4759.0)
    assert dict(call.percentiles_us) == PERCENTILES_US
    assert (call.repeat, call.warmup, call.cmm_bytes) == (800, 10, 11857538)
    assert (call.texts["type"], call.texts["axclrt_version"]) == ("3 Core", "1.0.0")
    assert "affinity" not in call.texts
    assert call.by_card


def test_an_older_cards_runner_tells_neither():
    call = parse_ax_run_model(OLDER_CARD)
    assert (call.min_us, call.mean_us, call.max_us, call.repeat) == (1391.0, 1402.0, 1414.0, 10)
    assert call.percentiles_us == {}
    assert call.by_card
    assert not parse_ax_run_model(GOLDEN).by_card


def test_other_versions_of_the_head():
    text = GOLDEN.replace("affinity: 0b001", "affinity: 0b01").replace("{ auto: 1 }", "{ auto: 0 }")
    text = text.replace("2.3.0a", "V1.13.0 Apr 26 2023 16:48:53 1.1.0").replace("type: NPU1", "type: Half")
    call = parse_ax_run_model(text.replace("-" * 75, "-" * 54))
    assert call.texts["engine_version"] == "V1.13.0 Apr 26 2023 16:48:53 1.1.0"
    assert (call.texts["affinity"], call.texts["batch"], call.texts["type"]) == (
        "0b01",
        "{ auto: 0 }",
        "Half",
    )


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("median =   4.449 ms", "median =   4.949 ms"),
        ("median =   4.449 ms", "median =   4.749 ms"),
        ("median =   4.449 ms", "median =   4.44"),
        ("90% =   4.648 ms", "90% =   4.748 ms"),
        ("90% =   4.648 ms   95% =   4.672 ms", "95% =   4.672 ms   90% =   4.648 ms"),
        ("99% =   4.741 ms", "99% =   4.941 ms"),
        ("99% =   4.741 ms", "99% =   -4.741 ms"),
        ("5% =   4.048 ms", "5% =   3.048 ms"),
        ("5% =   4.048 ms", "x% =   4.048 ms"),
        ("min =   3.815 ms", "min =   4.815 ms"),
        ("max =   4.759 ms", "max =   4.359 ms"),
        ("repeat: 800", "repeat: 1"),
        ("repeat: 800", "repeat: 0"),
    ],
)
def test_doubtful_output_of_a_card_is_no_measurement(old, new):
    assert old in CARD
    found = parse_ax_run_model(CARD.replace(old, new))
    assert isinstance(found, Failure)
    assert found.failure_class is FailureClass.UNPARSED_OUTPUT


@given(st.integers(0, len(CARD)))
def test_a_cut_card_log_never_has_another_figure(end):
    call = parse_ax_run_model(CARD[:end])
    if isinstance(call, Failure):
        return
    assert (call.min_us, call.mean_us, call.max_us) == (3815.0, 4406.0, 4759.0)
    assert call.percentiles_us.items() <= PERCENTILES_US.items()
    assert call.repeat == 800


def test_another_count_of_runs_is_another_call():
    call = parse_ax_run_model(CARD)
    assert wrong_repeat(call, 800) is None
    found = wrong_repeat(call, 100)
    assert found.failure_class is FailureClass.UNPARSED_OUTPUT
    assert "800 run(s), where 100 were asked for" in found.message


def test_percentiles_of_a_card_are_figures_only_with_enough_runs():
    call = parse_ax_run_model(CARD)
    figures = measured([call], "NPU3", None)
    latency = figures.latency_us
    assert (latency.p50, latency.p90, latency.p99) == (4449.0, 4648.0, 4741.0)
    assert latency.rounds_p50 == (4449.0,)
    assert figures.details["latency_covers"] == DEVICE_TIME
    few = measured([parse_ax_run_model(CARD.replace("repeat: 800", "repeat: 100"))], "NPU3", None)
    assert (few.latency_us.p90, few.latency_us.p99) == (4648.0, None)
    assert few.details["printed_percentiles"][0]["p99_us"] == 4741.0
    assert "p50, p90: the middle one of the calls'" in few.statistic
    own = measured([parse_ax_run_model(GOLDEN)], "NPU1", None)
    assert own.latency_us.p50 is None
    assert "no percentile" in own.statistic


def test_the_spread_of_calls_with_a_median_is_that_of_their_medians():
    other = CARD.replace("median =   4.449", "median =   4.549").replace("avg =   4.406", "avg =   4.606")
    figures = measured([parse_ax_run_model(CARD), parse_ax_run_model(other)], "NPU3", None)
    assert figures.latency_us.rounds_p50 == (4449.0, 4549.0)
    assert figures.latency_us.p50 == 4499.0
    assert figures.latency_us.spread == pytest.approx(100 / 4499)
    mixed = measured([parse_ax_run_model(CARD), parse_ax_run_model(OLDER_CARD)], "NPU3", None)
    assert mixed.latency_us.p50 is None


@given(st.text())
def test_any_text_is_a_failure(text):
    assert isinstance(parse_ax_run_model(text), Failure)
