"""Cases of this machine in turn, a round each: what a case's end, failure or loss means for the others."""

import os
import signal
import threading
from collections import defaultdict

import pytest

from npubench.domain.errors import BoardError, WorkspaceError
from npubench.domain.protocols import Alternating
from npubench.domain.records import Failure, FailureClass, Stage, Status
from npubench.domain.specs import TimingProtocol
from npubench.engine import lanes
from npubench.engine.plan import CaseOptions, RunOptions
from npubench.engine.run import run_plan
from npubench.storage.store import Store
from npubench.tools import process
from tests.fakes import FakeBackend, FakeSession, board, figures
from tests.integration.test_engine import Bench

ROUNDS = 3
DESK = board(shares_host=True)


class Desk(FakeSession):
    """This machine."""

    def in_turn(self, pass_on):
        return DeskInTurn(pass_on)


class DeskInTurn(FakeSession):
    alternates = True

    def __init__(self, pass_on):
        super().__init__()
        self.pass_on = pass_on


class Rounds(FakeBackend):
    """Notes each round of each case; `troubles` are what happens to a case in a round."""

    interleaves = True

    def __init__(self):
        super().__init__()
        self.order, self.stored, self.troubles = [], [], {}
        self.attempts = defaultdict(int)

    def measure(self, artifact, session, timing, deadline_s, log):
        name = artifact.onnx.case
        self.attempts[name] += 1
        for number in range(ROUNDS):
            self.order.append(name)
            trouble = self.troubles.get((name, number))
            if trouble and (found := trouble()) is not None:
                return found
            if number < ROUNDS - 1 and isinstance(session, Alternating) and session.alternates:
                session._session.pass_on()
        return figures(artifact)


@pytest.fixture
def bench(tmp_path):
    bench = Bench(tmp_path / "out")
    bench.backend = Rounds()
    bench.transports["desk"].session = Desk()
    yield bench
    bench.store.close()


def run(bench, *names):
    return bench.run(*names, boards=[DESK], workers=1)


def order_of(bench):
    return "".join(bench.backend.order)


def rows(bench):
    return {row.case: row for row in bench.store.latest()}


def test_rounds_lie_between_those_of_other_cases(bench):
    run(bench, "a", "b", "c")
    assert order_of(bench) == "abc" * ROUNDS
    assert {row.status for row in rows(bench).values()} == {Status.OK}


def test_no_more_than_some_are_loaded_at_once_and_the_next_begins_when_one_ends(bench, monkeypatch):
    monkeypatch.setattr(lanes, "ABREAST", 2)
    run(bench, "a", "b", "c")
    assert sorted(order_of(bench)) == sorted("abc" * ROUNDS)
    assert order_of(bench).startswith("ababab"[:5])
    assert order_of(bench)[:4] == "abab"


@pytest.mark.parametrize("names", [("a",), ("a", "b")])
def test_what_does_not_interleave_is_measured_one_after_the_other(bench, names, monkeypatch):
    if len(names) > 1:
        monkeypatch.setattr(lanes, "ABREAST_BYTES", 0)
    run(bench, *names)
    assert order_of(bench) == "".join(name * ROUNDS for name in names)


def test_a_case_that_fails_in_a_round_costs_its_own_row_alone(bench):
    failure = Failure(Stage.MEASURE, FailureClass.CRASH, "ended by SIGSEGV")
    bench.backend.troubles["b", 1] = lambda: failure
    run(bench, "a", "b", "c")
    assert order_of(bench) == "abcabcac"
    assert {name: row.status for name, row in rows(bench).items()} == {
        "a": Status.OK,
        "b": Status.FAILED,
        "c": Status.OK,
    }
    assert rows(bench)["b"].failure.failure_class is FailureClass.CRASH


def test_a_case_is_stored_when_its_last_round_ends(bench):
    """The others still have rounds to come."""
    seen = []
    bench.backend.troubles["c", 2] = lambda: seen.append(sorted(rows(bench)))
    bench.backend.troubles["b", 0] = lambda: Failure(Stage.MEASURE, FailureClass.HANG, "hangs")
    run(bench, "a", "b", "c")
    assert seen == [["a", "b"]]


def test_a_machine_that_is_lost_in_a_round_is_tried_once_more(bench):
    def lose():
        if bench.backend.attempts["b"] == 1:
            raise BoardError("the disk went away")

    bench.backend.troubles["b", 1] = lose
    run(bench, "a", "b", "c")
    assert {row.status for row in rows(bench).values()} == {Status.OK}
    assert bench.backend.attempts == {"a": 1, "b": 2, "c": 1}


def test_an_interrupt_keeps_what_was_finished_and_the_next_run_does_the_rest(bench):
    failure = Failure(Stage.MEASURE, FailureClass.CRASH, "ended by SIGSEGV")
    entered = threading.Event()

    def hang():
        entered.set()
        process.run(["sleep", "600"], timeout_s=600, log=bench.workspace.root / "sleep.log")

    bench.backend.troubles = {("a", 0): lambda: failure, ("b", 1): hang}

    def interrupt():
        entered.wait(600)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    assert run(bench, "a", "b", "c").interrupted
    assert sorted(rows(bench)) == ["a"]
    bench.backend.troubles = {}
    run(bench, "a", "b", "c")
    assert sorted(rows(bench)) == ["a", "b", "c"]
    assert bench.backend.attempts["a"] == 1, "its row is final"


def test_a_workspace_that_cannot_be_written_ends_all_cases(bench, monkeypatch):
    def full(_row):
        raise WorkspaceError("no space left")

    monkeypatch.setattr(bench.store, "append", full)
    with pytest.raises(WorkspaceError, match="no space left"):
        run(bench, "a", "b", "c")


def test_onnx_runtime_passes_its_turn_on_between_rounds(tmp_path):
    """Real workers of three operators: rounds as asked, of one thread, and watched."""
    out = tmp_path / "out"
    timing = TimingProtocol(warmup=1, warmup_min_s=0, warmup_max_s=0, repeat=3, min_duration_s=0, rounds=4)
    names = ("residual_add_256x56x56", "maxpool_3x3s2_64x112x112", "gemm_2048x1000")
    options = RunOptions(
        CaseOptions(names), out=out, boards=("local-1",), precisions=("fp32",), timing=timing
    )
    outcome = run_plan(options)
    with Store.read(out / "results.db") as store:
        found = store.latest()
    assert [row.status for row in found] == [Status.OK] * 3
    for row in outcome.results:
        assert row.figures.details["threads"] == 1
        assert 0 <= row.figures.interrupted_share <= 1
        assert row.protocol["rounds"] == 4
        assert len(row.figures.latency_us.rounds_p50) <= 4
        assert row.figures.latency_us.n >= 3
