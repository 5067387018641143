"""What a gate says on a terminal, in a pull request and to a CI server."""

from dataclasses import replace
from xml.etree import ElementTree

import pytest

from npubench.domain.gates import BoardRecord, GateOutcome, GateReport, GateVerdict
from npubench.reporting.compare import gate_formats

HOSTILE = '`|<img src=x onerror=alert(1)>\x1b[31m"&'


def verdict(case, outcome, **told):
    base = GateVerdict("gate", "2026-01-01T00:00:00+00:00", "desk", case, "int8", outcome, 0.05)
    return replace(base, **{"launches": 6, "ratio": 1.061, "low": 1.04, "high": 1.082, **told})


def report(*verdicts, **told):
    record = BoardRecord("desk", 42, 0.013, 31, 0, 0.092)
    return replace(GateReport("gate", "release", "latest", 0.05, verdicts, (record,)), **told)


@pytest.fixture
def mixed():
    return report(
        verdict(HOSTILE, GateOutcome.SLOWER),
        verdict("lost", GateOutcome.LOST, ratio=None, low=None, high=None, launches=0, reason="it went"),
        verdict("open", GateOutcome.UNDECIDED, more=17, ratio=1.027),
        verdict("small", GateOutcome.SMALL, ratio=1.01),
        verdict("same", GateOutcome.UNCHANGED, ratio=1.0, baseline_sha256="a", candidate_sha256="a", again=1),
        left_out=("other: only in the baseline",),
    )


def test_the_terminal_is_told_change_interval_launches_and_false_alarms(mixed):
    text = gate_formats.text(mixed)
    assert "+6.1%   +4.0% to +8.2%  6" in text
    assert "open: about 17 more launches a side would decide it: give more --launches" in text
    assert "small: surely smaller than half of 5.0%, which fails nothing" in text
    assert "same: one artifact on both sides; 1 pair measured again: the board throttled or restarted" in text
    assert (
        "noise of desk: 1.30% a launch (42 pairs of earlier gates); false alarms there: 0 of 31 cases" in text
    )
    assert "(surely below 9.2%)" in text
    assert "left out: other: only in the baseline" in text
    assert text.splitlines()[-1].endswith("is slower by 6.1%, of 5 cases, 1 undecided, 1 lost")
    assert "\x1b" not in text


def test_a_comment_leads_with_the_summary_and_no_name_breaks_out_of_it(mixed):
    text = gate_formats.markdown(mixed)
    assert text.startswith("## `release` to `latest`: regression: ")
    assert "<img" not in text.replace("\\<img", "").replace("`'¦<img", "")
    assert "<details><summary>2 without a regression</summary>" in text
    assert text.count("\n| `") == 5


def test_a_ci_server_is_told_failures_errors_and_skips(mixed):
    suite = ElementTree.fromstring(gate_formats.junit(mixed)).find("testsuite")
    assert {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped")} == {
        "tests": "5", "failures": "1", "errors": "1", "skipped": "1",
    }  # fmt: skip
    assert suite.find("testcase/failure").get("type") == "slower"
    assert suite.find("testcase/error").get("type") == "lost"
    assert "regression" in suite.find("system-out").text


@pytest.mark.parametrize(
    ("verdicts", "told", "wanted"),
    [
        ([verdict("a", GateOutcome.UNCHANGED)], {}, "no regression of 5.0% in 1 case"),
        ([verdict("a", GateOutcome.UNDECIDED)], {}, "nothing is decided, of 1 case, 1 undecided"),
        ([verdict("a", GateOutcome.BROKEN, ratio=None)], {}, "regression: a is broken, of 1 case"),
        (
            [verdict(n, GateOutcome.SLOWER) for n in "ab"],
            {},
            "regression: a is slower by 6.1% and 1 more, of 2 cases",
        ),
        ([], {"interrupted": True}, "interrupted: what was decided by then"),
    ],
)
def test_the_summary(verdicts, told, wanted):
    assert gate_formats.summary(report(*verdicts, **told)) == wanted


def test_what_no_number_of_launches_decides_is_said_so():
    told = gate_formats.why(verdict("a", GateOutcome.UNDECIDED, more=1_000))
    assert told.startswith("more than 1000 launches a side would not decide it")


def test_a_board_without_history_says_so(mixed):
    unknown = replace(mixed, boards=(BoardRecord("desk", 0, 0.02, 0, 0, 1.0),))
    told = "\n".join(gate_formats.remarks(unknown))
    assert "unknown before this gate, taken for 2.0% a launch" in told
    assert "none counted yet" in told
