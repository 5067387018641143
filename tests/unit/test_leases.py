"""A board that another run holds is waited for, told about, and given up in time."""

from types import SimpleNamespace

import pytest

from npubench.domain.errors import BoardBusyError, Interrupted
from npubench.domain.leases import Claim, Held, own_claim, read_claim
from npubench.engine import lanes as holding
from npubench.engine.lanes import hold
from npubench.tools import process
from tests.fakes import FakeSession, board

THEIRS = Held(Claim("ann@desk process 7", "theirs", "2026-01-01T00:00:00+00:00"), 50.0)


class Leased:
    """A session that gets its board at the end of `others`."""

    def __init__(self, *others) -> None:
        self.others = list(others)

    def take(self, claim, force=False):
        return self.others.pop(0) if self.others else None

    def holder(self):
        return None


@pytest.fixture
def context(monkeypatch):
    said = []
    context = SimpleNamespace(
        run_id="mine",
        options=SimpleNamespace(wait_s=None),
        announce=lambda note: said.append(note.text),
        said=said,
    )
    clock = SimpleNamespace(now=0.0)

    def pause(seconds):
        clock.now += seconds

    monkeypatch.setattr(holding.time, "monotonic", lambda: clock.now)
    monkeypatch.setattr(process, "pause", pause)
    context.clock = clock
    return context


def test_it_waits_without_end_and_says_so_each_minute(context):
    hold(Leased(*[THEIRS] * 95), board("desk"), context)
    assert context.clock.now == 190
    assert len(context.said) == 4
    assert context.said[0] == f"desk is in use by {THEIRS}: waiting for it"
    assert str(THEIRS) == "ann@desk process 7 (run theirs) since 2026-01-01T00:00:00+00:00"
    assert "waited for 180 s so far" in context.said[3]


def test_it_waits_as_long_as_it_was_told(context):
    context.options.wait_s = 5.0
    with pytest.raises(BoardBusyError, match="waited for 5 s"):
        hold(Leased(*[THEIRS] * 95), board("desk"), context)
    assert context.clock.now == 5.0


def test_zero_is_not_at_all(context):
    context.options.wait_s = 0.0
    with pytest.raises(BoardBusyError, match="not to be waited for"):
        hold(Leased(THEIRS), board("desk"), context)
    assert (context.clock.now, context.said) == (0.0, [])


def test_another_of_this_runs_boards_is_waited_for_whatever_was_told(context):
    context.options.wait_s = 0.0
    ours = Held(own_claim("mine"), 50.0)
    hold(Leased(ours, ours), board("desk"), context)
    assert "the same machine" in context.said[0]


def test_a_session_without_leases_is_let_be(context):
    hold(FakeSession(), board("desk"), context)


def test_a_stop_ends_the_waiting(monkeypatch):
    context = SimpleNamespace(
        run_id="mine", options=SimpleNamespace(wait_s=None), announce=lambda _: process.stop()
    )
    try:
        with pytest.raises(Interrupted):
            hold(Leased(*[THEIRS] * 95), board("desk"), context)
    finally:
        process.reset()


def test_a_claim_reads_as_it_was_written_and_garbage_as_somebodys():
    claim = own_claim("run")
    assert read_claim(claim.line()) == claim
    assert "\n" not in Claim("a\nb", "", "").line()
    assert read_claim("").who == "somebody"
    assert read_claim("[1]").who == "[1]"
