"""Doubts that relate a figure to something else, on corrupted published rows and on rows as of a run."""

from dataclasses import replace

import pytest

from benchmarks import doubts_recall
from npubench import published
from npubench.domain.records import (
    Bound,
    BoundReason,
    Bounds,
    Figures,
    Kind,
    Latency,
    SamplesFrom,
    Sampling,
    Status,
)
from npubench.domain.specs import CaseKind, Precision, TensorSpec
from npubench.reporting.data.translate import translate, use_language
from npubench.reporting.sanity import DoubtClass, Strength, doubts
from npubench.storage.details import typed
from npubench.storage.hashing import digest
from tests import sample_results
from tests.sample_results import result, state

AX620A = [row for row in published.results() if row.board == doubts_recall.BOARD and row.status is Status.OK]


def of_class(rows, doubt_class, history=()):
    return [doubt for doubt in doubts(rows, history) if doubt.doubt_class is doubt_class]


def timed(case, us, **changes):
    """A row of an AX650N with one time; `changes` are fields of Result, but for those of Figures."""
    own = {
        name: changes.pop(name)
        for name in ("details", "throughput_fps", "sampling", "bounds")
        if name in changes
    }
    figures = Figures(changes.pop("kind", Kind.MEASURED), Latency(99, us), **own)
    figures = typed(figures)
    defaults = {"board": "pi", "chip": "AX650N", "backend": "pulsar2", "verdict": None, "macs": None}
    return result(case, Precision.INT8, figures=figures, **{**defaults, **changes})


def simulated(us, **changes):
    return Figures(Kind.SIMULATED, Latency(1, us), 1e6 / us, **changes)


@pytest.mark.parametrize("corruption", doubts_recall.CORRUPTIONS, ids=lambda one: one.name)
def test_each_corruption_is_found(corruption):
    """Few draws; `make doubts-recall` has all."""
    assert doubts_recall.recall(corruption, draws=12, seed=11).found >= doubts_recall.LEAST_FOUND


def test_clean_rows_raise_hardly_any_strong_alarm():
    table = doubts_recall.clean_table()
    assert len(doubts_recall.alarms(table)) <= doubts_recall.MOST_ALARMS * len(table)


def test_the_same_without_states_and_as_rows_of_a_run():
    def own(row):
        figures, estimate = row.figures, row.estimate
        return replace(
            row,
            board="axera-pi",
            board_before=None,
            board_after=None,
            figures=figures and replace(figures, kind=Kind.MEASURED, origin=None),
            estimate=estimate
            and replace(
                estimate,
                kind=Kind.SIMULATED,
                origin=None,
                latency_us=Latency(1, 1e6 / estimate.throughput_fps),
            ),
        )

    rows = [own(row) for row in doubts_recall.clean_table() if row.estimate is not None]
    assert len(doubts_recall.alarms(rows)) <= doubts_recall.MOST_ALARMS * len(rows)
    at = next(i for i, row in enumerate(rows) if row.case == "resnet101_8xb32_in1k")
    slow = replace(rows[at].figures, latency_us=replace(rows[at].figures.latency_us, mean=2 * 29384.0))
    rows[at] = replace(rows[at], figures=slow)
    (doubt,) = [d for d in of_class(rows, DoubtClass.UNUSUAL_RATIO) if d.strength is Strength.STRONG]
    assert doubt.cases == ("resnet101_8xb32_in1k",)
    assert "slower" in doubt.reason
    assert doubt.evidence[0] == "simulated 52659 us, on the board 58768 us: 0.896 times"


def test_every_class_says_what_to_do_next_in_both_languages():
    with use_language("zh"):
        assert all(translate(one.next_step) != one.next_step for one in DoubtClass)
    assert all(doubt.next_step and doubt.evidence for doubt in doubts(published.results()))


def test_few_rows_say_nothing_of_what_is_usual():
    rows = [timed(f"net{i}", 1000.0 * (i + 1), estimate=simulated(1700.0 * (i + 1))) for i in range(3)]
    rows.append(timed("odd", 1000.0, estimate=simulated(9000.0)))
    assert of_class(rows[2:], DoubtClass.UNUSUAL_RATIO) == []


def test_a_bound_is_not_held_against_exact_times():
    rows = [timed(f"net{i}", 1000.0 + 90 * i, estimate=simulated(1700.0 + 150 * i)) for i in range(8)]
    lower = Bounds(Bound.LOWER, BoundReason.LAYERS_NOT_COUNTED, 18, 93)
    odd = timed("odd", 5000.0, estimate=simulated(800.0, bounds=lower))
    assert of_class([*rows, odd], DoubtClass.UNUSUAL_RATIO) == []
    exact = replace(odd, estimate=replace(odd.estimate, bounds=None))
    assert [d.cases for d in of_class([*rows, exact], DoubtClass.UNUSUAL_RATIO)] == [("odd",)]


@pytest.mark.parametrize(
    ("us", "found"), [(52659.29, True), (52660.0, True), (18.99, True), (18_990.0, True), (52_800.0, False)]
)
def test_a_simulation_that_stands_as_a_measurement(us, found):
    estimate = Figures(Kind.SIMULATED, throughput_fps=18.99)
    assert len(of_class([timed("net", us, estimate=estimate)], DoubtClass.SIMULATION_AS_TIME)) == found


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"throughput_fps": 100.0}, False),
        ({"throughput_fps": 200.0}, True),
        ({"throughput_fps": 50.0}, True),
        ({"throughput_fps": 800.0, "sampling": Sampling(8, SamplesFrom.SYMBOLIC_AXIS, 0)}, False),
        ({"throughput_fps": 100.0, "sampling": Sampling(8, SamplesFrom.SYMBOLIC_AXIS, 0)}, False),
        ({"throughput_fps": 800.0, "inputs": (TensorSpec("x", (8, 3, 32, 32)),)}, False),
        ({"throughput_fps": 400.0, "details": {"execution_devices": ["CPU"]}}, False),
        ({"details": {"neu_us": 20_000.0}}, True),
        ({"details": {"neu_us": 9_000.0}}, False),
    ],
)
def test_time_rate_and_part_of_one_row(changes, found):
    assert len(of_class([timed("net", 10_000.0, **changes)], DoubtClass.FIGURES_DISAGREE)) == found


def test_a_mean_outside_its_runs():
    row = sample_results.result()
    latency = row.figures.latency_us
    wrong = replace(row, figures=replace(row.figures, latency_us=replace(latency, mean=2 * latency.mean)))
    (doubt,) = of_class([wrong], DoubtClass.FIGURES_DISAGREE)
    assert doubt.evidence[0].startswith("mean ")
    assert of_class([row], DoubtClass.FIGURES_DISAGREE) == []


def test_a_utilisation_of_its_own_kind_is_no_rule():
    """Where a tool means something else by utilisation, its rows do not agree on a peak, and none is wrong."""
    rows = [
        timed(
            f"net{i}", 500.0, estimate=simulated(1000.0 + i, tool_macs=10**9, mac_utilisation=0.1 + 0.05 * i)
        )
        for i in range(6)
    ]
    assert of_class(rows, DoubtClass.FIGURES_DISAGREE) == []


def test_a_lone_row_is_held_against_the_peak_that_the_chips_facts_state():
    row = next(row for row in AX620A if row.case == "resnet18_8xb32_in1k")
    assert of_class([row], DoubtClass.FIGURES_DISAGREE) == []
    wrong = replace(row, estimate=replace(row.estimate, tool_macs=2 * row.estimate.tool_macs))
    (doubt,) = of_class([wrong], DoubtClass.FIGURES_DISAGREE)
    assert doubt.evidence == (
        "4.97 GMAC by the tool at 92.9 inferences/s are 50.07% of 922 GMAC/s, and the tool tells 25.04%",
    )


def test_more_work_than_the_chip_can_do():
    fine = timed("net", 3000.0, chip="AX650N", board="axera-pi-pro", macs=4_089_184_256)
    assert of_class([fine], DoubtClass.ABOVE_PEAK) == []
    (doubt,) = of_class(
        [replace(fine, figures=Figures(Kind.MEASURED, Latency(9, 3.0)))], DoubtClass.ABOVE_PEAK
    )
    assert doubt.strength is Strength.STRONG
    assert any(line.startswith("the peak: ") for line in doubt.evidence)


@pytest.mark.parametrize(
    ("us", "strength"), [(5600.0, None), (10_500.0, Strength.WEAK), (5.4, Strength.STRONG)]
)
def test_own_rows_beside_the_vendors_of_the_same_network(us, strength):
    inputs = {"inputs": (TensorSpec("x", (1, 3, 224, 224)),)}
    row = timed(
        "resnet18_8xb32_in1k", us, chip="AX620A", backend="pulsar", details={"npu_mode": "111"}, **inputs
    )
    found = of_class([row], DoubtClass.FAR_FROM_PUBLISHED)
    assert [doubt.strength for doubt in found] == ([] if strength is None else [strength])
    other_chip = replace(row, chip="RK3588")
    small = replace(row, case="resnet18", inputs=(TensorSpec("x", (1, 3, 64, 64)),))
    assert of_class([other_chip], DoubtClass.FAR_FROM_PUBLISHED) == []
    assert of_class([small], DoubtClass.FAR_FROM_PUBLISHED) == []


def test_one_time_of_two_networks_is_weak():
    rows = [timed("one", 12345.0), timed("other", 12345.0), timed("third", 4100.0), timed("fourth", 4100.0)]
    (doubt,) = of_class(rows, DoubtClass.EQUAL_TIMES)
    assert (doubt.cases, doubt.strength) == (("one", "other"), Strength.WEAK)
    assert doubt.evidence == ("each takes 12345 us",)
    assert (
        of_class([rows[0], replace(rows[1], onnx_sha256=rows[0].onnx_sha256)], DoubtClass.EQUAL_TIMES) == []
    )


def test_times_under_two_names_of_chips():
    one = timed("net", 12345.678)
    other = replace(one, board="pi-2", chip="WM9955")
    (doubt,) = of_class([one, other], DoubtClass.EQUAL_CHIPS)
    assert (doubt.strength, doubt.cases) == (Strength.STRONG, ("net",))
    assert doubt.evidence[0] == "AX650N on pi and WM9955 on pi-2"
    assert of_class([one, replace(other, chip="AX650N")], DoubtClass.EQUAL_CHIPS) == []
    coarse = [replace(row, figures=Figures(Kind.MEASURED, Latency(9, 4100.0))) for row in (one, other)]
    assert of_class(coarse, DoubtClass.EQUAL_CHIPS) == []
    row = next(row for row in AX620A if row.case == "conv3s2p2d2ic3oc1g1")
    (doubt,) = of_class([row, replace(row, board="mine", chip="AX630A")], DoubtClass.EQUAL_CHIPS)
    assert doubt.strength is Strength.STRONG


def at_clock(case, mhz, after=None, extra=None):
    states = (
        state(0, clocks_mhz=(mhz,), extra=extra or {}),
        state(1, clocks_mhz=(after or mhz,), extra=extra or {}),
    )
    return timed(case, 9000.0 + len(case), board_before=states[0], board_after=states[1])


def test_a_clock_below_the_usual_one():
    rows = [at_clock(f"net{'x' * i}", 1200.0 + i) for i in range(6)]
    (doubt,) = of_class([*rows, at_clock("slow", 600.0)], DoubtClass.UNUSUAL_CLOCK)
    assert (doubt.cases, doubt.strength) == (("slow",), Strength.STRONG)
    assert "-50%" in doubt.evidence[0]
    (doubt,) = of_class([*rows, at_clock("fast", 1500.0)], DoubtClass.UNUSUAL_CLOCK)
    assert doubt.strength is Strength.WEAK
    assert of_class([rows[0], at_clock("slow", 600.0)], DoubtClass.UNUSUAL_CLOCK) == []
    (doubt,) = of_class([at_clock("slow", 600.0)], DoubtClass.UNUSUAL_CLOCK, history=rows)
    assert doubt.cases == ("slow",)


def test_clocks_that_a_governor_scales_say_nothing():
    rows = [at_clock(f"net{'x' * i}", 600.0 + 250 * i) for i in range(7)]
    assert of_class(rows, DoubtClass.UNUSUAL_CLOCK) == []


def test_the_npus_clock_comes_before_the_processors():
    rows = [at_clock(f"net{'x' * i}", 600.0 + 250 * i, extra={"npu_clock": "800000000"}) for i in range(6)]
    slow = at_clock("slow", 1200.0, extra={"npu_clock": "400 MHz"})
    (doubt,) = of_class([*rows, slow], DoubtClass.UNUSUAL_CLOCK)
    assert doubt.evidence[0].startswith("NPU clock: 400, 400 MHz")


@pytest.mark.parametrize(
    ("three_us", "strength"), [(4000.0, None), (2900.0, Strength.WEAK), (1000.0, Strength.STRONG)]
)
def test_a_speed_up_above_the_cores(three_us, strength):
    rows = [
        timed("net", 10_000.0, board="one", details={"npu_mode": "NPU1"}),
        timed("net", three_us, board="all", details={"npu_mode": "NPU3"}),
    ]
    found = of_class(rows, DoubtClass.IMPOSSIBLE_SPEED_UP)
    assert [doubt.strength for doubt in found] == ([] if strength is None else [strength])


@pytest.mark.parametrize(("gain", "strength"), [(3.9, None), (5.0, Strength.WEAK), (20.0, Strength.STRONG)])
def test_int8_faster_than_bytes_and_instructions_make_it(gain, strength):
    fp32 = result("net")
    int8 = result("net", Precision.INT8, figures=sample_results.figures(14_820.0 / gain))
    found = of_class([fp32, int8], DoubtClass.IMPOSSIBLE_SPEED_UP)
    assert [doubt.strength for doubt in found] == ([] if strength is None else [strength])
    on_npu = [replace(row, chip="RK3588", board="rk3588") for row in (fp32, int8)]
    assert of_class(on_npu, DoubtClass.IMPOSSIBLE_SPEED_UP) == []


def test_fp32_that_other_programs_held_up_is_no_impossible_int8():
    latency = sample_results.latency(47_700.0)
    held_up = replace(sample_results.figures(47_700.0), latency_us=replace(latency, min=1800.0))
    rows = [
        result("net", figures=held_up),
        result("net", Precision.INT8, figures=sample_results.figures(1000.0)),
    ]
    (doubt,) = of_class(rows, DoubtClass.IMPOSSIBLE_SPEED_UP)
    assert (doubt.precision, doubt.strength) == ("fp32", Strength.WEAK)
    assert "held FP32 up" in doubt.evidence[1]


def test_few_operators_tell_no_usual_ratio():
    times = (1000.0, 1010.0, 990.0, 1005.0, 3000.0)
    rows = [
        timed(f"op{'x' * i}", us, case_kind=CaseKind.OPERATOR, estimate=simulated(1500.0 + 4000 * i))
        for i, us in enumerate(times)
    ]
    assert of_class(rows, DoubtClass.UNUSUAL_RATIO) == []


def test_medians_finer_than_what_is_printed_of_runs_are_weak():
    latency = Latency(
        300,
        1001.0,
        970.0,
        1200.0,
        1000.4,
        1020.0,
        1100.0,
        5.0,
        rounds_p50=(998.9, 1000.4, 1002.3),
        spread=0.0034,
    )
    row = result("net", figures=Figures(Kind.MEASURED, latency))
    (doubt,) = of_class([row], DoubtClass.UNLIKELY_SPREAD)
    assert doubt.strength is Strength.WEAK


def batch(size, us, **changes):
    shapes = {"inputs": (TensorSpec("x", (size, 3, 8, 8)),), "outputs": (TensorSpec("y", (size, 10)),)}
    return timed(f"net_b{size}", us, operators={"Conv": 1}, parameters=81, **shapes, **changes)


@pytest.mark.parametrize(
    ("us", "doubt_class", "strength"),
    [
        (6500.0, None, None),
        (9500.0, DoubtClass.SLOWER_BATCH, Strength.WEAK),
        (16_000.0, DoubtClass.SLOWER_BATCH, Strength.STRONG),
        (700.0, DoubtClass.IMPOSSIBLE_SPEED_UP, Strength.STRONG),
    ],
)
def test_a_batch_beside_one_sample(us, doubt_class, strength):
    rows = [batch(1, 1000.0), batch(8, us)]
    classes = (DoubtClass.SLOWER_BATCH, DoubtClass.IMPOSSIBLE_SPEED_UP)
    found = [(d.doubt_class, d.strength, d.cases) for d in doubts(rows) if d.doubt_class in classes]
    assert found == ([] if doubt_class is None else [(doubt_class, strength, ("net_b8",))])


def test_a_leading_size_that_is_no_batch_is_none():
    side = {"sampling": Sampling(1, SamplesFrom.ONE_A_CALL)}
    rows = [batch(1, 1000.0, **side), batch(8, 30_000.0, **side)]
    assert of_class(rows, DoubtClass.SLOWER_BATCH) == []


def steady(medians, step=0.001, **changes):
    middle = sorted(medians)[len(medians) // 2]
    spread = (max(medians) - min(medians)) / middle
    fields = {
        "mean": middle,
        "p50": middle,
        "min": middle - 7 * step,
        "max": middle + 90 * step,
        "std": 3 * step,
    }
    fields |= {
        "p90": middle + 11 * step,
        "p99": middle + 23 * step,
        "rounds_p50": tuple(medians),
        "spread": spread,
    }
    return timed_by(Latency(720, **{**fields, **changes}))


STEPS_OF_1_US = {"min": 17790.0, "max": 17883.0, "p90": 17804.0, "p99": 17816.0}


def timed_by(latency, samples=()):
    return result("net", figures=Figures(Kind.MEASURED, latency, samples_us=samples))


@pytest.mark.parametrize(
    ("row", "strength"),
    [
        (steady([17793.1, 17794.2, 17795.0]), None),
        (steady([17793.123] * 3), Strength.STRONG),
        (steady([17793.0] * 3, step=1.0), Strength.WEAK),
        (steady([172.0] * 3, step=1.0), None),
        (steady([120.0] * 3, step=10.0), None),
        (steady([17793.1, 17794.2, 17795.0], std=0.0), Strength.STRONG),
        (steady([17793.0, 17793.01, 17793.02], **STEPS_OF_1_US), Strength.STRONG),
        (steady([17793.123] * 2), None),
    ],
)
def test_rounds_that_agree_too_well(row, strength):
    found = of_class([row], DoubtClass.UNLIKELY_SPREAD)
    assert [doubt.strength for doubt in found] == ([] if strength is None else [strength])


def test_a_round_that_is_another_one():
    one, other = (tuple(900.0 + seed * 7 + i % 13 for i in range(64)) for seed in (1, 2))
    latency = sample_results.latency(930.0)
    assert of_class([timed_by(latency, (one, other))], DoubtClass.UNLIKELY_SPREAD) == []
    (doubt,) = of_class([timed_by(latency, (one, other, one))], DoubtClass.UNLIKELY_SPREAD)
    assert doubt.evidence == ("round 3 has the very runs of round 1",)


def spread_of(case, spread, us=1000.0):
    latency = replace(sample_results.latency(us), spread=spread)
    return result(case, figures=Figures(Kind.MEASURED, latency), key=digest(case, spread))


def test_a_board_that_is_always_wide_is_doubted_once():
    rows = [spread_of(f"net{i}", 0.05 + 0.004 * i, 1000.0 + 9 * i) for i in range(12)]
    assert of_class(rows, DoubtClass.WIDE_SPREAD) == []
    (doubt,) = of_class(rows, DoubtClass.NOISY_BOARD)
    assert (doubt.cases, doubt.strength) == ((), Strength.WEAK)
    (doubt,) = of_class([*rows, spread_of("odd", 0.6, 1500.0)], DoubtClass.WIDE_SPREAD)
    assert doubt.cases == ("odd",)
    assert "usual on this board is 7.4%, the median of 13 rows" in doubt.evidence


def test_earlier_rows_tell_what_spread_is_usual():
    earlier = [spread_of("net", 0.05 + 0.004 * i) for i in range(12)]
    now = [spread_of("net", 0.06), spread_of("steady", 0.01)]
    assert of_class(now, DoubtClass.WIDE_SPREAD, history=earlier) == []
    assert len(of_class(now, DoubtClass.WIDE_SPREAD)) == 1


def test_an_operators_macs_against_its_declaration():
    row = next(row for row in AX620A if row.case == "conv3s1p1d2ic3oc64g1")
    assert of_class([row], DoubtClass.WRONG_MACS) == []
    (doubt,) = of_class([replace(row, macs=123)], DoubtClass.WRONG_MACS)
    assert (doubt.strength, doubt.cases) == (Strength.STRONG, (row.case,))
    assert row.case_kind is CaseKind.OPERATOR


def test_published_tables_of_vendors_hold_a_speed_up_that_cannot_be():
    found = [
        d
        for d in of_class(published.results(), DoubtClass.IMPOSSIBLE_SPEED_UP)
        if d.strength is Strength.STRONG
    ]
    assert ("PPYOLOE+_s",) in {doubt.cases for doubt in found}
