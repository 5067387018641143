"""A reduced certificate of the gate's error rates; the whole one is `make gate-certificate`."""

from pathlib import Path

import pytest

from benchmarks.gate_boards import BOARDS
from benchmarks.gate_certificate import LEAST_SPARED, YARDSTICK, fixed_launches, kept, markdown, rates

REDUCED = 60
COMMITTED = Path(__file__).resolve().parents[2] / "generated" / "gate.md"


@pytest.fixture(scope="module", params=[YARDSTICK, "4 % process", "2 % process, drift of 10 % over a run"])
def found(request):
    (board,) = (one for one in BOARDS if one.name == request.param)
    return rates(board, REDUCED, seed=2)


def test_the_same_against_the_same_does_not_fail(found):
    assert found.false_suites <= 1


def test_changes_are_found_with_fewer_launches(found):
    if found.board == YARDSTICK:
        assert min(found.found, found.found_faster) >= 0.9
        assert 1 - found.launches / fixed_launches(0.02, 0.95) >= LEAST_SPARED - 0.05


def test_the_present_rule_fails_suites_that_did_not_change(found):
    assert found.present_false > 10 * max(found.false_suites, 1)


def test_a_broken_promise_is_told(found):
    from dataclasses import replace

    bad = replace(found, board=YARDSTICK, false_suites=REDUCED, found=0.5, launches=9.0)
    assert len(kept([bad])) == 3
    assert "60 of 60 suites fail falsely" in kept([bad])[0]


def test_the_committed_certificate_is_of_these_boards():
    text = COMMITTED.read_text(encoding="utf-8")
    assert all(f"| {board.name} |" in text for board in BOARDS)
    assert "## 1,000 suites" in text


def test_the_certificate_says_what_was_counted(found):
    assert f"| {found.board} | {found.false_suites} |" in markdown([found], seed=2)
