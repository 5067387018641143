"""The rule of a gate, case by case."""

import json
from dataclasses import asdict, replace

import pytest

from npubench import published
from npubench.domain.errors import ExitCode
from npubench.domain.figures import npu_part
from npubench.domain.gates import GateSide, Launch
from npubench.domain.records import FailureClass, Figures, Kind, Latency, Stage, Verdict
from npubench.domain.specs import Precision
from npubench.measure.gate.fixed import launches_needed
from npubench.reporting.compare import change, formats
from npubench.reporting.compare.change import Outcome, RegressionPolicy
from npubench.reporting.compare.comparison import compare, exit_code
from npubench.reporting.compare.pairing import Side
from npubench.reporting.compare.timing import (
    LAUNCHES,
    ROUNDS,
    Noise,
    TimeRatio,
    noise_of,
    with_launches,
)
from npubench.storage.gates import note_gate
from npubench.storage.hashing import digest
from tests import sample_results
from tests.sample_results import failed, result


def rounds(*medians, **changes):
    """A row whose rounds had these medians, in us."""
    spread = (max(medians) - min(medians)) / sorted(medians)[len(medians) // 2]
    timed = Latency(300, sum(medians) / len(medians), p50=medians[0], rounds_p50=medians, spread=spread)
    return result(**{"case": "net", "figures": Figures(Kind.MEASURED, timed), **changes})


BASE = rounds(1000.0, 1004.0, 1002.0)


def sides(before, after, gate=None):
    a, b = (rows if isinstance(rows, list) else [rows] for rows in (before, after))
    return compare(Side("A", tuple(a)), Side("B", tuple(b)), gate or RegressionPolicy())


def outcome_of(before, after, gate=None):
    (change,) = sides(before, after, gate).changes
    return change.outcome


def test_the_same_is_the_same():
    found = sides(BASE, BASE)
    (change,) = found.changes
    assert (change.outcome, change.timed.ratio) == (Outcome.SAME, 1.0)
    assert exit_code(found, gated=True) is ExitCode.OK


def test_slower_beyond_share_noise_and_interval():
    found = sides(BASE, rounds(1200.0, 1205.0, 1203.0))
    (change,) = found.changes
    assert change.outcome is Outcome.SLOWER
    assert change.timed.low > 1.19
    assert "bootstrap over rounds" in change.timed.method
    assert "seen once" in change.reason
    assert exit_code(found, gated=True) is ExitCode.REGRESSION
    assert exit_code(found, gated=False) is ExitCode.OK


def test_faster_is_told_and_fails_nothing():
    found = sides(BASE, rounds(800.0, 803.0, 801.0))
    assert found.changes[0].outcome is Outcome.FASTER
    assert exit_code(found, gated=True) is ExitCode.OK


def test_a_change_below_the_share_is_none():
    slower = rounds(1040.0, 1044.0, 1042.0)
    assert outcome_of(BASE, slower) is Outcome.SAME
    assert outcome_of(BASE, slower, RegressionPolicy(0.02)) is Outcome.SLOWER


@pytest.mark.parametrize(
    ("ratio", "low", "high", "threshold", "outcome"),
    [
        (1.25, 1.2, 1.3, 0.25, Outcome.SAME),
        (1.5, 1.4, 1.6, 0.5, Outcome.UNDECIDED),
        (1.5, 1.0, 1.6, 0.25, Outcome.UNDECIDED),
        (1.5, 1.01, 1.6, 0.25, Outcome.SLOWER),
        (0.75, 0.7, 1.0, 0.25, Outcome.UNDECIDED),
        (0.75, 0.7, 0.99, 0.25, Outcome.FASTER),
        (0.8, 0.7, 0.9, 0.25, Outcome.SAME),
    ],
)
def test_what_lies_on_an_edge_counts_for_nothing(ratio, low, high, threshold, outcome):
    found = TimeRatio("measured", "mean", 1.0, ratio, ratio, low, high, "")
    assert change._outcome(found, 0.25, threshold)[0] is outcome


def test_three_times_the_noise_of_the_board_is_the_least_that_counts():
    noisy = rounds(950.0, 1000.0, 1050.0)
    found = sides(noisy, rounds(1120.0, 1130.0, 1140.0))
    (change,) = found.changes
    assert change.outcome is Outcome.UNDECIDED
    assert "3 times the noise" in change.reason
    assert exit_code(found, gated=True) is ExitCode.UNSTABLE


def test_an_interval_that_holds_one_decides_nothing():
    found = sides(rounds(1000.0, 1001.0, 1300.0), rounds(1100.0, 1101.0, 900.0))
    assert found.changes[0].outcome is Outcome.UNDECIDED
    assert found.changes[0].reason.startswith("the interval holds 1; `npubench gate`")


def test_noise_is_of_one_side_at_a_time():
    """B slower by the same share everywhere is what is asked about, not noise."""
    before = [rounds(1000.0 + i, 1001.0 + i, 1002.0 + i, case=f"net{i}") for i in range(8)]
    after = [rounds(1300.0 + i, 1301.0 + i, 1302.0 + i, case=f"net{i}") for i in range(8)]
    assert {change.outcome for change in sides(before, after).changes} == {Outcome.SLOWER}


def test_noise_of_the_same_artifact_measured_again():
    first = [rounds(1000.0, 1000.0, case=f"net{i}") for i in range(6)]
    again = [rounds(1030.0, 1030.0, case=f"net{i}") for i in range(6)]
    noise = noise_of([*first, *again])["local"]
    assert noise.method == "the same artifact measured again"
    assert noise.share == pytest.approx(1.03**1.4826 - 1)


def test_a_repeat_confirms_or_clears():
    slow, fine = rounds(1200.0, 1205.0, 1203.0), rounds(1001.0, 1003.0, 1002.0)
    confirmed = sides(BASE, [slow, slow])
    assert (confirmed.changes[0].outcome, confirmed.changes[0].seen) == (Outcome.SLOWER, 2)
    cleared = sides(BASE, [fine, slow])
    assert cleared.changes[0].outcome is Outcome.UNDECIDED
    assert "another measurement of B does not show it" in cleared.changes[0].reason
    assert outcome_of(BASE, [slow, fine]) is Outcome.SAME
    assert outcome_of(BASE, slow, RegressionPolicy(require_repeat=True)) is Outcome.UNDECIDED
    assert outcome_of(BASE, [slow, slow], RegressionPolicy(require_repeat=True)) is Outcome.SLOWER
    rebuilt = replace(fine, artifact_sha256=digest("of another build"))
    assert outcome_of(BASE, [rebuilt, slow]) is Outcome.SLOWER
    of_older_tools = replace(fine, tools={"onnxruntime": "1.20.0"})
    assert outcome_of(BASE, [of_older_tools, slow]) is Outcome.SLOWER


def test_unstable_rows_have_to_be_measured_again():
    slow = rounds(1200.0, 1205.0, 1203.0, verdict=Verdict.NOISY)
    found = sides(BASE, slow)
    assert found.changes[0].outcome is Outcome.UNDECIDED
    assert exit_code(found, gated=True) is ExitCode.UNSTABLE
    assert outcome_of(BASE, [slow, slow]) is Outcome.SLOWER


def test_rows_of_one_round_are_judged_by_their_runs():
    one = result("net", figures=Figures(Kind.MEASURED, Latency(100, 1000.0, std=20.0)))
    other = result("net", figures=Figures(Kind.MEASURED, Latency(100, 1200.0, std=20.0)))
    (change,) = sides(one, other).changes
    assert change.outcome is Outcome.SLOWER
    assert change.timed.method.startswith("normal approximation")
    # The 95 % interval by the delta method: sqrt(0.02^2 / 100 + (20 / 1200)^2 / 100) = 0.0026.
    assert change.timed.low == pytest.approx(1.2 * 2.718281828 ** (-1.96 * 0.0026034), rel=1e-4)


def test_a_mean_alone_decides_nothing():
    one = result("net", figures=Figures(Kind.MEASURED, Latency(99, 1000.0)))
    other = result("net", figures=Figures(Kind.MEASURED, Latency(99, 1200.0)))
    (change,) = sides(one, other).changes
    assert change.outcome is Outcome.UNDECIDED
    assert change.reason.startswith("no interval")


def test_means_of_calls_are_rounds():
    def row(*means):
        figures = Figures(Kind.MEASURED, Latency(198, means[0]), call_means_us=tuple(means))
        return result("net", Precision.INT8, figures=figures, backend="pulsar")

    (change,) = sides(row(5400.0, 5410.0), row(6948.0, 6950.0)).changes
    assert (change.outcome, change.timed.statistic) == (Outcome.SLOWER, "median of the means of calls")


def simulated(fps, **changes):
    told = Figures(Kind.SIMULATED, Latency(1, 1e6 / fps), throughput_fps=fps)
    return result("net", Precision.INT8, **{"figures": None, "verdict": None, "estimate": told, **changes})


def test_simulations_are_exact_and_compared_with_simulations():
    (change,) = sides(simulated(92.9), simulated(80.0)).changes
    assert (change.timed.kind, change.outcome) == ("simulated", Outcome.SLOWER)
    assert change.timed.method.startswith("exact")


def test_kinds_are_never_compared_with_each_other():
    measured = rounds(1000.0, 1001.0, precision=Precision.INT8)
    found = sides(measured, simulated(900.0))
    (change,) = found.changes
    assert change.outcome is Outcome.NOT_COMPARABLE
    assert change.reason == "measured in A, simulated in B: kinds are never compared"
    assert exit_code(found, gated=False) is ExitCode.NOTHING_MEASURED
    both = replace(measured, estimate=simulated(900.0).estimate)
    assert [change.timed.kind for change in sides(both, both).changes] == ["measured", "simulated"]


def test_a_published_simulation_is_no_published_time():
    rows = {row.case: row for row in published.results() if row.board == "published-ax620a"}
    timed = replace(rows["resnet18_8xb32_in1k"], estimate=None)
    told = replace(rows["resnet18_8xb16_cifar10"], case=timed.case)
    (change,) = sides(timed, told).changes
    assert change.reason == "published (measured) in A, published (simulated) in B: kinds are never compared"


def test_two_simulators_carry_their_warning():
    found = sides(
        simulated(90.0, backend="rknn", board="rk3588"), simulated(80.0, backend="vela", board="u65")
    )
    assert found.warnings == ("simulated by rknn and by vela: two vendors' assumptions, not two chips",)


def test_emulated_rows_are_compared_with_nothing():
    found = sides(BASE, replace(rounds(9000.0, 9001.0), emulated=True))
    assert (found.changes, found.emulated_b) == ((), 1)
    assert exit_code(found, gated=True) is ExitCode.NOTHING_MEASURED


@pytest.mark.parametrize(
    ("failure_class", "outcome", "code"),
    [
        (FailureClass.UNSUPPORTED_OPERATOR, Outcome.BROKEN, ExitCode.REGRESSION),
        (FailureClass.CRASH, Outcome.BROKEN, ExitCode.REGRESSION),
        (FailureClass.BOARD_LOST, Outcome.ERRORED, ExitCode.BOARD),
        (FailureClass.TOOL_MISSING, Outcome.ERRORED, ExitCode.TOOLCHAIN),
    ],
)
def test_a_case_that_fails_now(failure_class, outcome, code):
    found = sides(BASE, failed("net", failure_class, Stage.COMPILE))
    assert found.changes[0].outcome is outcome
    assert exit_code(found, gated=True) is code


def test_a_case_that_failed_before():
    broken = failed("net")
    assert outcome_of(broken, BASE) is Outcome.FIXED
    assert outcome_of(broken, broken) is Outcome.FAILS


def test_an_invalid_row_is_compared_with_nothing():
    assert outcome_of(BASE, replace(BASE, verdict=Verdict.INVALID)) is Outcome.NOT_COMPARABLE


def test_one_board_a_side_is_a_comparison_of_boards():
    found = sides(BASE, rounds(2000.0, 2001.0, board="other", backend="elsewhere"))
    (change,) = found.changes
    assert (change.board_a, change.board_b, change.timed.ratio) == (
        "local",
        "other",
        pytest.approx(2000.5 / 1002),
    )


def test_several_boards_are_compared_each_with_itself():
    others = [replace(BASE, board=name) for name in ("x", "y")]
    found = sides([*others, BASE], others)
    assert {(c.board_a, c.board_b) for c in found.changes} == {("x", "x"), ("y", "y")}
    assert found.only_a == ("net local onnxruntime fp32",) or found.only_a == ("net local fp32",)


def test_precisions_are_compared_only_when_named_on_both_sides():
    int8 = rounds(500.0, 501.0, precision=Precision.INT8)
    assert sides(BASE, int8).changes == ()
    fixed = frozenset({"precision"})
    (change,) = compare(Side("A", (BASE,), fixed), Side("B", (int8,), fixed), RegressionPolicy()).changes
    assert change.precision == "fp32 / int8"


def test_cases_of_one_side_only_are_told():
    found = sides([BASE, rounds(10.0, 10.0, case="gone")], [BASE, rounds(10.0, 10.0, case="new")])
    assert len(found.only_a) == len(found.only_b) == 1
    assert found.only_a[0].startswith("gone")
    assert exit_code(found, gated=True) is ExitCode.OK
    assert exit_code(found, gated=True, require_all=True) is ExitCode.NOTHING_MEASURED


def test_what_makes_a_comparison_lame_is_noted():
    half = Figures(Kind.MEASURED, BASE.figures.latency_us, npu=npu_part("111"))
    whole = replace(half, npu=npu_part("0"))
    (change,) = sides(
        replace(BASE, figures=half), replace(BASE, figures=whole, onnx_sha256=digest("x"))
    ).changes
    assert change.notes == (
        "the ONNX files differ: one name, two models",
        "NPU mode 111 against 0: not the same share of the chip",
    )


def test_everything_compares_with_itself_and_is_json():
    rows = [*sample_results.everything(), *sample_results.hostile()]
    found = sides(rows, rows)
    bad = {Outcome.SLOWER, Outcome.FASTER, Outcome.UNDECIDED, Outcome.BROKEN, Outcome.FIXED}
    assert not bad & {change.outcome for change in found.changes}
    assert json.loads(json.dumps(asdict(found), allow_nan=False))["label_a"] == "A"


def launched(share, count=12):
    """Launches of a gate in which the candidate is now slower, now faster by this share."""
    for pair in range(1, count + 1):
        for side, us in (
            (GateSide.BASELINE, 1000.0),
            (GateSide.CANDIDATE, 1000.0 * (1 + share * (-1) ** pair)),
        ):
            yield Launch("gate", "2026-01-01T00:00:00+00:00", "local", "one", "int8", side, "a", pair, us)


def test_launches_of_a_gate_count_as_noise_where_rounds_agree():
    noise = {"local": Noise("local", 0.003, 9, ROUNDS)}
    found = with_launches(noise, [*launched(0.03)])["local"]
    assert (found.method, found.pairs) == (LAUNCHES, 11)
    assert found.share == pytest.approx(0.031, abs=0.002)
    assert with_launches(noise, [*launched(0.0001)]) == noise
    assert with_launches(noise, [*launched(0.03, 3)]) == noise
    assert with_launches({}, [*launched(0.03)])["local"] == found


def test_what_stays_undecided_says_how_many_launches_would_decide_it(tmp_path):
    for launch in launched(0.03):
        note_gate(tmp_path, launch)
    before, after = ([rounds(us, us * 1.001, us * 0.999)] for us in (1000.0, 1060.0))
    sides = Side("a", tuple(before), folder=tmp_path), Side("b", tuple(after), folder=tmp_path)
    (change,) = compare(*sides, RegressionPolicy()).changes
    assert change.outcome is Outcome.UNDECIDED
    assert change.launches == launches_needed(0.0318 / 2**0.5, 0.05, 0.0005, 0.95) == 12
    assert "about 12 launches a side would decide it: `npubench gate`" in change.reason
    told = formats.text(compare(*sides, RegressionPolicy()))
    assert "noise of local: 3.18% (launches of earlier gates, 11 pairs)" in told
