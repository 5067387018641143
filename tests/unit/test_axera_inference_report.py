import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npubench.backends.axera.pulsar_figures import (
    EuCycles,
    PartReport,
    add_parts,
    parse_inference_report,
    split_reports,
)
from npubench.domain.records import Failure, FailureClass, Kind

GOLDEN = (Path(__file__).parents[1] / "data" / "axera" / "inference_report.log").read_text()
LINES = GOLDEN.splitlines(keepends=True)
CYCLES = {"conv-1core": EuCycles(9750024, 19502008), "teng": EuCycles(8000000, 19502008)}


def never_wrong(text):
    report = parse_inference_report(text)
    if isinstance(report, Failure):
        assert report.failure_class is FailureClass.UNPARSED_OUTPUT
        assert report.detail == text
        return
    assert (report.fps, report.qps) == (41.02, 41.02)
    assert report.macs in (None, 5386556160)
    assert report.mac_utilisation in (None, 0.2398)
    assert report.io_bytes in (None, 12375616)
    assert report.ddr_bandwidth_gbs in (None, 1.59)
    assert report.eu_cycles.items() <= CYCLES.items()


def test_everything_that_is_reported_is_read():
    report = parse_inference_report(GOLDEN)
    assert report == PartReport(41.02, 41.02, 5386556160, 0.2398, 12375616, 1.59, CYCLES)


def test_a_batch_multiplies_the_frames():
    report = parse_inference_report(GOLDEN.replace("batch_size = 41.02", "batch_size = 164.08"))
    assert isinstance(report, PartReport)
    assert report.qps == pytest.approx(164.08)


def test_the_time_is_of_the_cycles_and_not_of_two_decimals():
    figures = add_parts([parse_inference_report(GOLDEN)])
    assert figures.latency_us.mean == pytest.approx(19502008 / 800, rel=1e-12)
    assert figures.throughput_fps == pytest.approx(1e6 / figures.latency_us.mean)
    assert figures.details["time_from"] == "cycles"
    slow = GOLDEN.replace("19502008", "6483000000").replace("41.02", "0.12").replace("24.4 ms", "8103.8 ms")
    figures = add_parts([parse_inference_report(slow)])
    assert figures.latency_us.mean == pytest.approx(8_103_750.0)
    twice = slow.replace("batch_size = 0.12", "batch_size = 0.25")
    assert add_parts([parse_inference_report(twice)]).throughput_fps == pytest.approx(2 / 8.10375)


@pytest.mark.parametrize(
    "damage", [("19502008", "9502008"), ("tot_cyc", "tot"), ("19502008 | 41", "1x | 41")]
)
def test_cycles_that_do_not_fit_the_rate_give_no_time(damage):
    figures = add_parts([parse_inference_report(GOLDEN.replace(*damage))])
    assert figures.latency_us.mean == pytest.approx(1e6 / 41.02)
    assert figures.details["time_from"] == "printed fps"


def test_parts_add_up_and_the_last_one_is_not_the_whole():
    one = PartReport(50.0, 50.0, 1000, 0.2, 30, 1.59, {"teng": EuCycles(5, 10)})
    two = PartReport(25.0, 25.0, 4000, 0.1, 70, 1.59, {"teng": EuCycles(7, 20), "stream": EuCycles(1, 20)})
    figures = add_parts([one, two])
    assert figures.kind is Kind.SIMULATED
    assert figures.latency_us.mean == pytest.approx(60_000)
    assert figures.throughput_fps == pytest.approx(1000 / 60)
    assert figures.tool_macs == 5000
    assert figures.io_bytes == 100
    assert figures.mac_utilisation == pytest.approx((0.2 * 0.02 + 0.1 * 0.04) / 0.06)
    assert figures.details["eu_cycles"]["teng"] == {"work": 12, "total": 30}
    assert figures.details["parts"] == 2


def test_a_total_of_which_a_part_is_missing_is_unknown():
    figures = add_parts([PartReport(50.0, 50.0, 1000, 0.2, 30), PartReport(25.0, 25.0)])
    assert figures.tool_macs is None
    assert figures.io_bytes is None
    assert figures.mac_utilisation is None
    assert figures.throughput_fps == pytest.approx(1000 / 60)


def test_a_log_of_several_reports_is_cut_into_them():
    log = f"[09 07:10:33 pulsar] begin\n{GOLDEN}between\n{GOLDEN.replace('41.02', '41.00')}end\n"
    reports = [parse_inference_report(text) for text in split_reports(log)]
    assert [report.fps for report in reports] == [41.02, 41.00]
    assert all(len(report.eu_cycles) == 2 for report in reports)
    assert split_reports("nothing\n") == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("24.4 ms, 41.02 fps", "24.4 ms, 1.02 fps"),
        ("24.4 ms, 41.02 fps", "24.4 ms, 0.00 fps"),
        ("batch_size = 41.02", "batch_size = 1.02"),
        ("5386556160 MAC@int8", "5386556160"),
        ("12375616 Byte", "123"),
        ("inference:", "inf:"),
        ("batch_size = 41.02\n", "batch_size = 4\n1.02\n"),
    ],
)
def test_doubtful_reports_give_no_figure(old, new):
    assert old in GOLDEN
    assert isinstance(parse_inference_report(GOLDEN.replace(old, new)), Failure)


def test_reports_that_disagree_give_no_figure():
    other = GOLDEN.replace("5386556160", "5386556161")
    assert isinstance(parse_inference_report(GOLDEN + other), Failure)
    assert parse_inference_report(GOLDEN + GOLDEN) == parse_inference_report(GOLDEN)


@given(st.integers(0, len(GOLDEN)))
def test_any_cut(end):
    never_wrong(GOLDEN[:end])


@given(st.integers(0, 2**32))
def test_any_order_of_lines(seed):
    shuffled = LINES.copy()
    random.Random(seed).shuffle(shuffled)
    never_wrong("".join(shuffled))


@given(st.lists(st.sampled_from(LINES), max_size=60))
def test_any_repetition_and_omission_of_lines(lines):
    never_wrong("".join(lines))


@given(st.integers(0, len(GOLDEN) - 1), st.characters(exclude_categories=["Nd"], exclude_characters="."))
def test_any_garbage_in_place_of_a_character(at, garbage):
    never_wrong(GOLDEN[:at] + garbage + GOLDEN[at + 1 :])


@given(
    st.integers(0, len(GOLDEN)),
    st.text(st.characters(exclude_categories=["Nd"], exclude_characters="."), max_size=5),
)
def test_any_garbage_between_characters(at, garbage):
    never_wrong(GOLDEN[:at] + garbage + GOLDEN[at:])


@given(st.integers(0, len(GOLDEN)), st.integers(0, len(GOLDEN)))
def test_a_piece_that_is_written_twice(one, other):
    start, end = sorted((one, other))
    never_wrong(GOLDEN[:end] + GOLDEN[GOLDEN.rfind("\n", 0, start) + 1 :])


@given(st.integers(0, len(LINES) - 1), st.integers(0, 200))
def test_the_tail_of_a_line_is_lost(at, length):
    text = LINES.copy()
    text[at] = text[at].rstrip("\n")[:length] + "\n"
    never_wrong("".join(text))


@given(st.lists(st.booleans(), min_size=2 * len(LINES), max_size=2 * len(LINES)))
def test_two_reports_that_disagree_mix_to_none(turns):
    other = GOLDEN.replace("5386556160", "5386556161").replace("24.4 ms, 41.02", "24.3 ms, 41.15")
    one, two, mixed = LINES.copy(), other.splitlines(keepends=True), []
    for turn in turns:
        mixed.append((one if (turn and one) or not two else two).pop(0))
    assert isinstance(parse_inference_report("".join([*mixed, *one, *two])), Failure)


@given(st.binary(max_size=400))
def test_binary_reports_are_failures(data):
    assert isinstance(parse_inference_report(data.decode("utf-8", "replace")), Failure)


@given(st.text())
def test_any_text_is_a_failure(text):
    assert isinstance(parse_inference_report(text), Failure)
