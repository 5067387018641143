import dataclasses

import pytest

from npubench.domain.records import BoardState, Figures, Kind, Latency, Verdict
from npubench.measure.reliability import assess_stability

STATE = BoardState(
    "now",
    cores=4,
    governor="performance",
    clocks_mhz=(1000.0,),
    temperature_c=50.0,
    memory_total_bytes=1000,
    memory_available_bytes=900,
    uptime_s=100.0,
)


def figures(*medians):
    spread = (max(medians) - min(medians)) / medians[0] if len(medians) > 1 else None
    return Figures(Kind.MEASURED, Latency(n=100, mean=medians[0], rounds_p50=medians, spread=spread))


def changed(**fields):
    return dataclasses.replace(STATE, **fields)


@pytest.mark.parametrize(
    ("medians", "after", "verdict"),
    [
        ((100.0, 101.0, 100.0), {}, Verdict.STABLE),
        ((100.0, 102.0, 100.0), {}, Verdict.STABLE),
        ((100.0, 102.1, 100.0), {}, Verdict.NOISY),
        ((100.0, 110.0), {}, Verdict.NOISY),
        ((100.0, 110.0), {"clocks_mhz": (800.0,)}, Verdict.THROTTLED),
        ((110.0, 100.0), {"clocks_mhz": (800.0,)}, Verdict.NOISY),
        ((100.0, 110.0, 120.0), {"clocks_mhz": (1200.0,)}, Verdict.DRIFTING),
        ((100.0, 110.0, 105.0), {}, Verdict.NOISY),
        ((100.0, 110.0, 120.0), {}, Verdict.DRIFTING),
        ((120.0, 110.0, 100.0), {}, Verdict.DRIFTING),
        ((100.0, 110.0, 120.0), {"clocks_mhz": (800.0,)}, Verdict.THROTTLED),
        ((100.0, 100.0, 100.0), {"uptime_s": 3.0}, Verdict.INVALID),
        ((100.0,), {}, None),
    ],
)
def test_verdicts(medians, after, verdict):
    assert assess_stability(STATE, changed(**after), figures(*medians))[0] is verdict


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ({}, {"governor": "powersave"}, "changed from performance to powersave"),
        ({"governor": "ondemand"}, {"governor": "ondemand"}, "set it to performance"),
        ({}, {"clocks_mhz": (700.0,)}, "clocks changed by -30%"),
        ({}, {"temperature_c": 75.0}, "25 C hotter"),
        ({"extra": {"running": "4"}}, {}, "4 other tasks"),
        ({"memory_available_bytes": 50}, {}, "5% of the memory"),
        ({}, {"uptime_s": 1.0}, "restarted"),
    ],
)
def test_a_state_that_moved_is_a_warning_with_advice(before, after, words):
    _, warnings = assess_stability(changed(**before), changed(**after), figures(1.0, 1.0, 1.0))
    assert len(warnings) == 1
    assert words in str(warnings[0])
    assert ": " in str(warnings[0])


def test_a_steady_board_gives_no_warning():
    assert assess_stability(STATE, STATE, figures(1.0, 1.0, 1.0)) == (Verdict.STABLE, ())


def test_a_wide_spread_is_told_in_per_cent():
    _, (warning,) = assess_stability(STATE, STATE, figures(100.0, 130.0, 110.0))
    assert "medians differ by 30.0%" in str(warning)


def test_a_board_that_tells_nothing_is_not_judged_by_it():
    empty = BoardState("now")
    assert assess_stability(empty, empty, figures(1.0, 1.0)) == (Verdict.STABLE, ())
    assert assess_stability(None, None, Figures(Kind.MEASURED)) == (None, ())


def test_a_spread_without_a_latency_tells_as_much():
    steady = assess_stability(None, None, Figures(Kind.MEASURED, spread=0.02))
    assert steady == (Verdict.STABLE, ())
    verdict, (reason,) = assess_stability(None, None, Figures(Kind.MEASURED, spread=0.031))
    assert (verdict, "differ by 3.1%" in str(reason)) == (Verdict.NOISY, True)
    assert assess_stability(None, None, Figures(Kind.MEASURED))[0] is None
