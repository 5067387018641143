"""A gate on a board that is played: what is launched, when it ends, and what is said of what goes wrong."""

import math
from dataclasses import replace
from itertools import count, cycle

import pytest

from npubench.domain.errors import ExitCode
from npubench.domain.gates import GateOutcome, GateReport, GateSide
from npubench.domain.records import (
    BoardState,
    Failure,
    FailureClass,
    Figures,
    Kind,
    Latency,
    Stage,
    Status,
    ToolInfo,
)
from npubench.domain.specs import Precision, Target
from npubench.engine.gate import AGAIN, GateRequest, exit_code, gate_session, timing_of
from npubench.engine.gate_cases import sorted_out
from npubench.engine.plan import Plan, PlannedBoard, Request, RunOptions
from npubench.engine.session import RunSession
from npubench.storage.gates import read_launches, read_verdicts
from npubench.storage.workspace import Workspace
from tests import sample_results
from tests.fakes import FakeBackend, FakeSession, FakeTransport, board, model

STEPS = (0.99, 1.0, 1.01)
"""Of one launch to the next: three that come round, so that no test hangs on luck."""


class Desk:
    """Two workspaces with an artifact a case each, and a board on which they run."""

    def __init__(self, root) -> None:
        self.root = root
        self.times = {}
        self.launched = []
        self.transport = FakeTransport()
        self.backend = FakeBackend(outcome=self._run)
        self.tool = ToolInfo("fake", True)
        self._noise = cycle(STEPS)
        self._ids = count(1)

    def row(self, side, name, us, **changes):
        """A row of a case with its artifact, which takes so many microseconds on the board."""
        workspace = Workspace(self.root / side)
        workspace.create()
        with workspace.job_folder() as folder:
            file = folder / "model.onnx"
            file.write_text(f"{name} {us}")
            target = Target("chip", Precision.FP32, {}, None, 1.0)
            (folder / "made").mkdir()
            made = self.backend.compile(model(file, name), target, folder / "made", folder / "log")
            kept = workspace.keep_artifact(f"{name}-{us}", made)
        self.times[kept.sha256] = us
        row = sample_results.result(name, board="desk", precision=Precision.FP32)
        return replace(row, artifact_sha256=kept.sha256, **changes)

    def _run(self, artifact):
        self.launched.append(artifact.sha256)
        us = self.times[artifact.sha256]
        if callable(us):
            us = us()
        if isinstance(us, Failure):
            return us
        us *= next(self._noise)
        latency = Latency(n=9, mean=us, p50=us, min=us, max=us, rounds_p50=(us,))
        return Figures(Kind.MEASURED, latency, artifact_sha256=artifact.sha256)

    def gate(self, *pairs, most=40, skip_same=False) -> GateReport:
        found = sorted_out(pairs, 0.05, skip_same)
        request = GateRequest(
            ("a", "b"),
            (self.root / "old", self.root / "new"),
            found.launched,
            found.told,
            found.left_out,
            most_launches=most,
        )
        workspace = Workspace(self.root / "out")
        workspace.create()
        planned = PlannedBoard(board(), self.backend, self.tool)
        session = RunSession(
            workspace,
            RunOptions(),
            Plan((), Request(), {"desk": planned}),
            run_id=f"gate-{next(self._ids)}",
            transport_of=lambda _board: self.transport,
        )
        return gate_session(request, session)


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path)


def outcomes(report):
    return {one.case: one.outcome for one in report.verdicts}


def test_clear_cases_take_few_launches_and_the_unclear_the_rest(desk):
    report = desk.gate(
        *((desk.row("old", name, 1000.0), desk.row("new", name, us))
          for name, us in (("slow", 1100.0), ("fast", 900.0), ("same", 1001.0), ("near", 1033.0))),
        most=8,
    )  # fmt: skip
    assert outcomes(report) == {
        "slow": GateOutcome.SLOWER,
        "fast": GateOutcome.FASTER,
        "same": GateOutcome.UNCHANGED,
        "near": GateOutcome.UNDECIDED,
    }
    launches = {one.case: one.launches for one in report.verdicts}
    assert launches["near"] == 8
    assert max(launches[name] for name in ("slow", "fast", "same")) < 8
    assert report.verdicts[0].case == "slow"
    assert report.verdicts[0].low < 1.1 < report.verdicts[0].high
    assert exit_code(report) is ExitCode.REGRESSION


def test_each_side_is_launched_as_often_and_first_as_it_is_drawn(desk):
    before, after = desk.row("old", "near", 1000.0), desk.row("new", "near", 1027.0)
    desk.gate((before, after), most=20)
    pairs = [tuple(desk.launched[at : at + 2]) for at in range(0, len(desk.launched), 2)]
    sides = {before.artifact_sha256, after.artifact_sha256}
    assert all(set(pair) == sides for pair in pairs)
    assert len(set(pairs)) == 2
    launches = read_launches(desk.root / "out")
    assert [one.artifact_sha256 for one in launches] == desk.launched
    assert {one.side for one in launches} == set(GateSide)


def test_undecided_fails_no_job_unless_it_is_asked_to(desk):
    report = desk.gate((desk.row("old", "near", 1000.0), desk.row("new", "near", 1027.0)), most=5)
    assert outcomes(report) == {"near": GateOutcome.UNDECIDED}
    assert report.verdicts[0].more > 0
    assert exit_code(report) is ExitCode.OK
    assert exit_code(report, strict=True) is ExitCode.UNSTABLE


def test_the_next_gate_learns_the_noise_of_this_one(desk):
    pair = desk.row("old", "same", 1000.0), desk.row("new", "same", 1001.0)
    first, second = desk.gate(pair), desk.gate(pair)
    assert first.boards[0].pairs == 0
    assert second.boards[0].pairs == first.verdicts[0].launches - 1
    assert second.boards[0].noise < first.boards[0].noise
    assert [one.gate for one in read_verdicts(desk.root / "out")] == [first.gate, second.gate]


def test_one_artifact_on_both_sides_counts_the_boards_false_alarms(desk):
    desk.row("old", "same", 1000.0)
    row = desk.row("new", "same", 1000.0)
    report = desk.gate((row, row))
    assert report.verdicts[0].same
    assert (report.boards[0].same_cases, report.boards[0].same_alarms) == (1, 0)
    assert report.boards[0].most_alarms == pytest.approx(0.95)
    skipped = desk.gate((row, row), skip_same=True)
    assert skipped.verdicts == ()
    assert "one artifact on both sides" in skipped.left_out[0]
    assert exit_code(skipped) is ExitCode.NOTHING_MEASURED


def crash():
    return Failure(Stage.MEASURE, FailureClass.CRASH, "it died")


@pytest.mark.parametrize(
    ("old", "new", "outcome", "code"),
    [
        (1000.0, crash, GateOutcome.BROKEN, ExitCode.REGRESSION),
        (crash, 1000.0, GateOutcome.LOST, ExitCode.BOARD),
    ],
)
def test_a_side_that_fails_is_told_apart_from_a_slower_one(desk, old, new, outcome, code):
    before, after = desk.row("old", "one", 1.0), desk.row("new", "one", 2.0)
    desk.times.update({before.artifact_sha256: old, after.artifact_sha256: new})
    report = desk.gate((before, after))
    assert outcomes(report) == {"one": outcome}
    assert "it died" in report.verdicts[0].reason
    assert exit_code(report) is code


def test_a_launch_that_fails_once_is_tried_again(desk):
    before, after = desk.row("old", "one", 1000.0), desk.row("new", "one", 2.0)
    answers = iter([crash()])
    desk.times[after.artifact_sha256] = lambda: next(answers, 1000.0)
    assert outcomes(desk.gate((before, after))) == {"one": GateOutcome.UNCHANGED}


def test_a_board_that_is_gone_is_asked_for_one_case_alone(desk):
    desk.transport = FakeTransport(refuses=True)
    pairs = [(desk.row("old", name, 1000.0), desk.row("new", name, 1001.0)) for name in "abc"]
    report = desk.gate(*pairs)
    assert set(outcomes(report).values()) == {GateOutcome.LOST}
    assert desk.transport.connects == 2
    assert exit_code(report) is ExitCode.BOARD


def test_a_board_that_comes_back_loses_nothing(desk):
    lost = iter([False, True])
    desk.transport = FakeTransport(FakeSession(lost=lambda: next(lost, False)))
    pair = desk.row("old", "one", 1000.0), desk.row("new", "one", 1001.0)
    assert outcomes(desk.gate(pair)) == {"one": GateOutcome.UNCHANGED}
    assert desk.transport.connects == 2


def test_a_tool_that_is_missing_is_no_regression(desk):
    desk.tool = ToolInfo("fake", False, reason="not installed", fix="install it")
    report = desk.gate((desk.row("old", "one", 1000.0), desk.row("new", "one", 1001.0)))
    assert "not installed" in report.verdicts[0].reason
    assert desk.launched == []
    assert exit_code(report) is ExitCode.TOOLCHAIN


class Telling(FakeSession):
    """A board whose state changes from launch to launch."""

    def __init__(self, **told) -> None:
        super().__init__()
        self._told = {name: iter(values) for name, values in told.items()}

    def facts(self):
        changes = {name: next(values, None) for name, values in self._told.items()}
        known = {name: value for name, value in changes.items() if value is not None}
        return replace(BoardState("2026-01-01T00:00:00Z", governor="performance"), **known)


@pytest.mark.parametrize(
    "told",
    [
        {"clocks_mhz": [(800.0,), (600.0,), *[(600.0,)] * 99]},
        {"temperature_c": [40.0, 70.0, *[70.0] * 99]},
        {"uptime_s": [500.0, 3.0, *range(10, 200)]},
    ],
)
def test_a_pair_within_which_the_board_throttled_or_restarted_is_measured_again(desk, told):
    desk.transport = FakeTransport(Telling(**told))
    report = desk.gate((desk.row("old", "one", 1000.0), desk.row("new", "one", 1001.0)))
    (verdict,) = report.verdicts
    assert (verdict.outcome, verdict.again) == (GateOutcome.UNCHANGED, 1)
    launches = read_launches(desk.root / "out")
    assert [one.kept for one in launches] == [False, False] + [True] * (len(launches) - 2)
    assert len(launches) == 2 * (verdict.launches + 1)


def test_clocks_that_follow_the_load_spoil_nothing(desk):
    told = {"clocks_mhz": cycle([(800.0,), (600.0,)]), "governor": cycle(["schedutil"])}
    desk.transport = FakeTransport(Telling(**told))
    report = desk.gate((desk.row("old", "one", 1000.0), desk.row("new", "one", 1001.0)))
    assert report.verdicts[0].again == 0


def test_a_board_that_throttles_all_the_time_is_measured_as_it_is(desk):
    desk.transport = FakeTransport(Telling(clocks_mhz=cycle([(800.0,), (600.0,)])))
    (verdict,) = desk.gate((desk.row("old", "one", 1000.0), desk.row("new", "one", 1001.0))).verdicts
    assert verdict.again == AGAIN * verdict.launches


def test_an_artifact_that_is_gone_is_lost_and_says_what_to_do(desk):
    before, after = desk.row("old", "one", 1000.0), desk.row("new", "one", 1001.0)
    (desk.root / "old" / "artifacts" / before.artifact_sha256 / "model.bin").write_bytes(b"other")
    report = desk.gate((before, after))
    assert "the artifact of the baseline is no longer kept" in report.verdicts[0].reason
    assert exit_code(report) is ExitCode.NOTHING_MEASURED


def test_an_artifact_is_found_by_what_it_is_when_its_case_was_built_anew(desk):
    before = desk.row("old", "one", 1000.0)
    workspace = Workspace(desk.root / "old")
    for name in (workspace.root / "index").glob("artifact-*"):
        name.unlink()
    assert set(workspace.find_built([before.artifact_sha256, "", "f" * 64])) == {before.artifact_sha256}


def test_an_artifact_of_an_earlier_version_is_found_by_what_was_asked(desk):
    before = desk.row("old", "one", 1000.0)
    workspace = Workspace(desk.root / "old")
    for name in (workspace.root / "index").glob("built-*"):
        name.unlink()
    assert set(workspace.find_built([before.artifact_sha256])) == {before.artifact_sha256}


def test_an_interrupted_gate_says_what_was_decided(desk):
    def stop():
        raise KeyboardInterrupt

    before, after = desk.row("old", "b", 1000.0), desk.row("new", "b", 2.0)
    first = desk.row("old", "a", 1000.0), desk.row("new", "a", 1500.0)
    calls = count()
    desk.times[after.artifact_sha256] = lambda: stop() if next(calls) > 5 else 1027.0
    report = desk.gate(first, (before, after))
    assert report.interrupted
    assert outcomes(report) == {"a": GateOutcome.SLOWER, "b": GateOutcome.UNDECIDED}
    assert exit_code(report) is ExitCode.INTERRUPTED


def test_rows_say_by_themselves_what_is_broken_lost_or_no_case_for_a_gate(desk):
    good = desk.row("old", "one", 1000.0)
    crashed, unreachable = (
        replace(good, status=Status.FAILED, figures=None, failure=Failure(Stage.COMPILE, why, "no"))
        for why in (FailureClass.CRASH, FailureClass.TOOL_MISSING)
    )
    simulated = replace(good, figures=replace(good.figures, kind=Kind.SIMULATED))
    skipped = replace(good, status=Status.SKIPPED, skip_reason="not here", figures=None)
    found = sorted_out(
        [(good, crashed), (good, unreachable), (crashed, good), (simulated, simulated), (good, skipped),
         (good, replace(good, board="other")), (replace(good, artifact_sha256=None), good)],
        0.05,
    )  # fmt: skip
    assert found.launched == ()
    assert [one.outcome for one in found.told] == [GateOutcome.BROKEN, GateOutcome.LOST]
    assert found.told[1].lost_to == ExitCode.TOOLCHAIN
    assert len(found.left_out) == 5


def test_a_launch_runs_as_long_as_it_is_given():
    timing = timing_of(0.5)
    assert timing.warmup_max_s + timing.min_duration_s == pytest.approx(0.5)
    assert timing.rounds == 1


def test_the_wrong_artifact_is_never_taken_for_a_launch(desk):
    before, after = desk.row("old", "one", 1000.0), desk.row("new", "one", 1001.0)
    honest = desk.backend.outcome

    def other(artifact):
        return replace(honest(artifact), artifact_sha256="f" * 64)

    desk.backend.outcome = other
    report = desk.gate((before, after))
    assert "not the artifact" in report.verdicts[0].reason
    assert report.verdicts[0].launches == 0
    assert math.isclose(len(desk.launched), 2)
