"""In which order candidates stand, and what prices and powers are compared, by hand."""

import itertools
from dataclasses import replace

import pytest

from npubench.domain.figures import Bound
from npubench.domain.specs import Fact
from npubench.reporting.select import board_checks, ranking
from npubench.reporting.select.candidate import Candidate
from npubench.reporting.select.checks import Check, Outcome
from npubench.reporting.select.chip_facts import FactSheet, FactValue
from npubench.reporting.select.ranking import place
from npubench.reporting.select.requirements import UserFacts

PASS, FAIL, UNKNOWN = Outcome.PASS, Outcome.FAIL, Outcome.UNKNOWN


def checks(*given):
    names = ("npu_time", "latency", "decode", "memory")
    return [Check(name, *one) for name, one in zip(names, given, strict=False)]


# Best first; each line: the checks, the score, and why it stands there.
LADDER = [
    (checks((PASS, 0.2), (PASS, 0.9)), 0.5),  # passes with the better score
    (checks((PASS, 0.6), (PASS, 0.9)), 0.3),  # passes with the worse one
    (checks((PASS, 0.6), (PASS, 0.9), (UNKNOWN, None)), 0.9),  # two of three known, no score helps
    (checks((PASS, 0.5), (PASS, 0.9), (UNKNOWN, None)), 0.95),  # as much known, less room
    (checks((PASS, 0.9), (UNKNOWN, None), (UNKNOWN, None)), 0.99),  # one of three known
    (checks((UNKNOWN, None), (UNKNOWN, None), (UNKNOWN, None)), None),  # nothing known
    (checks((UNKNOWN, -0.1), (PASS, 0.9), (PASS, 0.9)), 0.99),  # a negative figure, not sure
    (checks((FAIL, -0.2), (PASS, 0.9), (PASS, 0.9)), None),  # fails by a little
    (checks((FAIL, -3.0), (PASS, 0.9), (PASS, 0.9)), None),  # fails by much
]


def test_candidates_stand_by_outcome_then_by_what_is_known_then_by_how_near_it_is():
    places = [place(*one) for one in LADDER]
    assert places == sorted(places)
    assert len(set(places)) == len(places)


def test_a_likelier_unknown_stands_above_one_with_more_room():
    likely = [Check("npu_time", UNKNOWN, 0.1, confidence=0.8), Check("memory", PASS, 0.9)]
    unlikely = [Check("npu_time", UNKNOWN, 0.3, confidence=0.6), Check("memory", PASS, 0.9)]
    assert place(likely, None) < place(unlikely, None)


@pytest.mark.parametrize("name", ["price", "power", "accuracy"])
def test_price_power_and_accuracy_bind_only_where_they_alone_fail(name):
    rest = [Check("npu_time", PASS, 0.4), Check("decode", PASS, 0.1)]
    assert ranking.binding([*rest, Check(name, PASS)]).name == "decode"
    assert ranking.binding([*rest, Check(name, FAIL)]).name == name
    assert ranking.binding([Check("npu_time", FAIL, -0.4), Check(name, FAIL)]).name == "npu_time"


def candidate(**facts):
    told = tuple(Fact(name, text, "a page") for name, text in facts.items())
    return Candidate("X1", ("x1",), ("t",), (), (), FactSheet("X1", told))


def test_a_price_of_a_part_or_of_a_whole_bounds_the_one_that_is_asked():
    told = {"module": FactValue(40.0, "s", "module")}

    def outcome(limit, level):
        return board_checks.bounded("price", limit, told, level, "USD", "none").outcome

    # A board costs at least its module, and a chip at most that.
    assert [outcome(30.0, level) for level in ("chip", "module", "board")] == [UNKNOWN, FAIL, FAIL]
    assert [outcome(50.0, level) for level in ("chip", "module", "board")] == [PASS, PASS, UNKNOWN]
    assert board_checks.bounded("price", None, told, "board", "USD", "none") is None
    assert board_checks.bounded("price", 9.0, {}, "board", "USD", "none").why == "none"


def test_a_bound_decides_one_way_only_and_a_range_by_both_of_its_ends():
    most = FactValue(8.0, "s", "board", bound=Bound.UPPER)
    least = FactValue(8.0, "s", "board", bound=Bound.LOWER)
    both = FactValue(25.0, "s", "board", low=7.0)
    assert [board_checks.stays(most, limit) for limit in (10.0, 5.0)] == [PASS, UNKNOWN]
    assert [board_checks.stays(least, limit) for limit in (10.0, 5.0)] == [UNKNOWN, FAIL]
    assert [board_checks.stays(both, limit) for limit in (30.0, 15.0, 5.0)] == [PASS, UNKNOWN, FAIL]
    assert list(map(board_checks.amount_text, (most, least, both))) == ["≤ 8", "≥ 8", "7 … 25"]


def test_another_product_s_price_that_turns_the_verdict_is_named():
    told = board_checks.prices_of(candidate(price_board="59.9 USD", price="120 USD"), None, "board")
    check = board_checks.bounded("price", 100.0, told, "board", "USD", "none")
    assert check.outcome is PASS
    assert "fail by another fact: 120 USD" in check.why
    assert board_checks.bounded("price", 200.0, told, "board", "USD", "none").why == ""


def test_prices_are_told_by_level_and_the_askers_own_is_of_the_level_that_counts():
    both = candidate(price_chip="20 USD", price_board="100 USD")
    assert {level: one.value for level, one in board_checks.prices_of(both, None, "board").items()} == {
        "chip": 20.0,
        "board": 100.0,
    }
    own = board_checks.prices_of(both, UserFacts("x1", "a quote", 80.0), "board")
    assert (own["board"].value, own["chip"].value) == (80.0, 20.0)
    assert board_checks.nearest_level(own, "module").value == 80.0


def test_the_level_is_what_is_asked_else_what_most_tell():
    chip, board = {"chip": FactValue(1.0, "s")}, {"board": FactValue(2.0, "s")}
    assert board_checks.level_of("module", [chip, chip]) == "module"
    assert board_checks.level_of(None, [chip, chip, board]) == "chip"
    assert board_checks.level_of(None, [chip, board]) == "board"
    assert board_checks.level_of(None, []) == "board"


def test_no_order_of_the_weights_changes_the_score():
    own = ranking.Ranked([Check("npu_time", PASS, 0.5)], 10.0, 2.0, 0.9)
    rival = replace(own, price=5.0)
    scores = {
        round(ranking.score_of(ranking.terms_of(weights, own, [own, rival])), 12)
        for weights in itertools.permutations([("headroom", 2.0), ("price", 1.0), ("accuracy", 1.0)])
    }
    # 0.5 x 0.5 + 0.25 x 5/10 + 0.25 x 0.9
    assert scores == {0.6}
