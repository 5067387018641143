"""Rows of an earlier definition: marked, and compared with nothing in silence."""

import json
from dataclasses import replace

import pytest

from npubench.domain.errors import ExitCode
from npubench.domain.records import CURRENT, Definition, Definitions, Kind, Result, differing, earlier
from npubench.domain.specs import Precision
from npubench.reporting.compare.change import Outcome, RegressionPolicy
from npubench.reporting.compare.comparison import compare, exit_code
from npubench.reporting.compare.pairing import Side
from npubench.reporting.data.figures import pairs, speedup
from npubench.reporting.data.rows import row_of
from npubench.reporting.data.summary import summarise
from npubench.reporting.sanity import doubts
from npubench.reporting.sanity.doubt import DoubtClass
from npubench.storage.json import decode, encode
from tests.sample_results import figures, result

EARLIEST = Definitions()


def int8(**changes):
    return result("net", Precision.INT8, **changes)


def test_a_row_that_names_no_definitions_is_of_the_earliest():
    old = json.loads(encode(int8()))
    del old["definitions"]
    read = decode(Result, json.dumps(old))
    assert read.definitions == EARLIEST
    assert earlier(read) == (Definition.QUANTISATION, Definition.THROUGHPUT)
    assert row_of(read)["earlier_definitions"] == ["quantisation", "throughput"]
    assert row_of(int8())["earlier_definitions"] == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"precision": Precision.FP32}, (Definition.THROUGHPUT,)),
        ({"backend": "rknn"}, (Definition.THROUGHPUT,)),
        ({"figures": figures(9.0, throughput_fps=None)}, (Definition.QUANTISATION,)),
        ({"figures": figures(9.0, Kind.PUBLISHED), "backend": "rknn"}, ()),
        ({"figures": None}, ()),
    ],
)
def test_only_what_figures_rest_on_makes_a_row_old(changes, expected):
    assert earlier(replace(int8(definitions=EARLIEST), **changes)) == expected


def test_what_differs_is_what_both_rest_on():
    old, new = int8(definitions=EARLIEST), int8()
    assert differing(old, new) == (Definition.QUANTISATION, Definition.THROUGHPUT)
    assert differing(old, result("net")) == (Definition.THROUGHPUT,)
    assert differing(new, new) == ()


@pytest.mark.parametrize("swapped", [False, True])
def test_two_quantisations_are_not_compared_and_no_gate_passes_on_them(swapped):
    rows = [int8(definitions=EARLIEST), int8()]
    a, b = reversed(rows) if swapped else rows
    fine = [result("other"), result("other")]
    found = compare(Side("A", (a, fine[0])), Side("B", (b, fine[1])), RegressionPolicy())
    outcomes = {change.case: change for change in found.changes}
    assert outcomes["net"].outcome is Outcome.NOT_COMPARABLE
    assert f"measure {'B' if swapped else 'A'} again" in outcomes["net"].reason
    assert outcomes["other"].outcome is Outcome.SAME
    assert any("quantised by different definitions" in warning for warning in found.warnings)
    assert exit_code(found, gated=True) is ExitCode.UNSTABLE
    assert exit_code(found, gated=False) is ExitCode.OK


def test_another_rule_for_fps_leaves_times_comparable_and_says_so():
    old = result("net", definitions=replace(CURRENT, throughput=1))
    (change,) = compare(Side("A", (old,)), Side("B", (result("net"),)), RegressionPolicy()).changes
    assert change.outcome is Outcome.SAME
    assert any("fps is defined otherwise" in note for note in change.notes)


def test_frame_rates_alone_of_two_rules_are_not_compared():
    bare = replace(figures(9.0), latency_us=None, load_us=None)
    rows = [result("net", figures=bare, definitions=one) for one in (EARLIEST, CURRENT)]
    (change,) = compare(Side("A", rows[:1]), Side("B", rows[1:]), RegressionPolicy()).changes
    assert change.outcome is Outcome.NOT_COMPARABLE
    assert "throughput" in change.reason


def test_a_speed_up_is_of_two_rows_of_one_time():
    def factor(fp32, of):
        (pair,) = pairs([replace(result("net"), definitions=fp32), int8(definitions=of)])
        return speedup(pair, Kind.MEASURED)

    assert factor(CURRENT, CURRENT)
    assert factor(EARLIEST, EARLIEST)
    assert factor(EARLIEST, CURRENT), "FP32 is quantised by no definition"
    assert factor(CURRENT, EARLIEST) is None


def test_the_summary_counts_no_old_row_beside_new_ones():
    old = [result("old", definitions=EARLIEST), result("old", Precision.INT8, definitions=EARLIEST)]
    new = [result("net"), int8()]
    assert summarise(old).gain_models == 1
    assert summarise([*old, *new]).gain_models == 1


def test_old_rows_are_one_weak_doubt_a_board():
    rows = [int8(definitions=EARLIEST), result("two", Precision.INT8, definitions=EARLIEST), result("new")]
    found = [one for one in doubts(rows) if one.doubt_class is DoubtClass.EARLIER_DEFINITION]
    assert [one.cases for one in found] == [("net", "two")]
    assert len(found[0].evidence) == 2
