"""Runs a gate: baseline and candidate in pairs of fresh launches until each case is decided."""

import contextlib
import math
import random
import statistics
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from npubench.domain.errors import BoardBusyError, BoardError, ExitCode, Interrupted, UsageError
from npubench.domain.figures import Figures
from npubench.domain.gates import GateOutcome, GateReport, GateSide, GateVerdict, Launch
from npubench.domain.protocols import Session
from npubench.domain.records import Artifact, BoardState, Failure, FailureClass, Stage
from npubench.domain.specs import TimingProtocol
from npubench.engine.assemble import choose_boards, load_catalog
from npubench.engine.gate_cases import GateCase, lost_to, verdict_of_rows
from npubench.engine.lanes import hold
from npubench.engine.plan import Plan, PlannedBoard, RunOptions
from npubench.engine.session import (
    Listener,
    Note,
    RunSession,
    SessionStage,
    run_session,
    stop_on_signals,
    unheard,
)
from npubench.measure.gate.design import GateDesign
from npubench.measure.gate.history import case_title, record_of, scatters
from npubench.measure.gate.judge import Judgement, judge
from npubench.measure.gate.noise import PairNoise, learn
from npubench.measure.reliability import CLOCK_CHANGE, HOTTER_C
from npubench.storage.gates import note_gate, now, read_launches, read_verdicts
from npubench.storage.workspace import Workspace
from npubench.tools import process

AGAIN = 2
"""A pair within which the board throttled or restarted is measured again so often, then taken as it is."""

GONE = frozenset({FailureClass.BOARD_LOST, FailureClass.BOARD_BUSY, FailureClass.TOOL_MISSING})
"""Failures after which nothing more is launched on a board."""

LEAST_RUNS = 5
WARM_UP = 0.3
"""Share of a launch's time that warms up."""


@dataclass(frozen=True, slots=True)
class GateRequest:
    """What a gate is asked."""

    labels: tuple[str, str]  # what baseline and candidate are called by
    roots: tuple[Path, Path]  # folders of results that hold their artifacts
    cases: tuple[GateCase, ...]  # what is launched
    told: tuple[GateVerdict, ...] = ()  # what the rows decide by themselves
    left_out: tuple[str, ...] = ()  # what no gate can be of, each with the reason
    change: float = 0.05  # that is to be found, as a share
    most_launches: int = 40  # a side and case
    launch_s: float = 1.0  # seconds that a launch runs the artifact, warm-up included


def timing_of(launch_s: float) -> TimingProtocol:
    """How one launch is timed: one round."""
    return TimingProtocol(
        warmup=1,
        warmup_min_s=WARM_UP * launch_s,
        warmup_max_s=WARM_UP * launch_s,
        repeat=LEAST_RUNS,
        min_duration_s=(1 - WARM_UP) * launch_s,
        rounds=1,
    )


def run_gate(request: GateRequest, options: RunOptions, announce: Listener = unheard) -> GateReport:
    """Launch until every case is decided or has had its launches; what is said is kept at `options.out`.

    Raises NpubenchError where no board can be used, and WorkspaceError for a workspace that cannot.
    """
    boards: Mapping[str, PlannedBoard] = {}
    if names := tuple(dict.fromkeys(case.after.board for case in request.cases)):
        catalog = load_catalog(options.selection.catalog_folders, announce)
        boards = choose_boards(catalog, replace(options, boards=names), announce, reached=True)
    plan = Plan((), options, boards)
    stage = SessionStage(partial(gate_session, request), gives=GateReport)
    command = ("npubench.gate",)
    return run_session(options, (stage,), plan, nullcontext(announce), stored=False, command=command)[
        GateReport
    ]


@dataclass
class _Trial:
    """A case on its way."""

    case: GateCase
    artifacts: Mapping[GateSide, Artifact]
    pairs: list[float] = field(default_factory=list)
    tried: int = 0
    again: int = 0
    judged: Judgement | None = None
    failed: tuple[GateSide, Failure] | None = None

    @property
    def title(self) -> str:
        return case_title(self.case.after.case, self.case.after.precision)


def gate_session(request: GateRequest, session: RunSession) -> GateReport:
    """The gate in a session that is there, whose plan has the boards."""
    root = session.workspace.root
    verdicts = list(request.told)
    trials, missing = _trials(request)
    verdicts += missing
    design = GateDesign(request.change, max(1, len(trials)), most_pairs=request.most_launches)
    interrupted, records = False, []
    earlier = read_launches(root)
    with stop_on_signals():
        try:
            for name, board in session.plan.boards.items():
                here = [trial for trial in trials if trial.case.after.board == name]
                if here:
                    history = scatters(earlier, name)
                    noise = learn([trial.title for trial in here], history)
                    records.append((name, noise, history))
                    _BoardGate(board, session, request, design, noise).run(here)
        except (Interrupted, KeyboardInterrupt):
            interrupted = True
    lacking = {trial.case.after.board for trial in trials} - set(session.plan.boards)
    verdicts += [
        _verdict(trial, session.run_id, request, lost_board=trial.case.after.board in lacking)
        for trial in trials
    ]
    for one in verdicts:
        note_gate(root, replace(one, gate=session.run_id))
    every = read_verdicts(root)
    order = list(GateOutcome)
    verdicts.sort(key=lambda one: (order.index(one.outcome), -(one.ratio or 0.0), one.case))
    return GateReport(
        session.run_id,
        *request.labels,
        request.change,
        tuple(replace(one, gate=session.run_id) for one in verdicts),
        tuple(record_of(name, noise, history, every) for name, noise, history in records),
        request.left_out,
        interrupted,
    )


def _trials(request: GateRequest) -> tuple[list[_Trial], list[GateVerdict]]:
    """The cases with both artifacts at hand; the others are lost, with what to do."""
    sides = list(zip(GateSide, request.roots, strict=True))
    hashes = {
        GateSide.BASELINE: {one.before.artifact_sha256 or "" for one in request.cases},
        GateSide.CANDIDATE: {one.after.artifact_sha256 or "" for one in request.cases},
    }
    found = {side: Workspace(root).find_built(hashes[side]) for side, root in sides}
    trials, lost = [], []
    for case in request.cases:
        rows = dict(zip(GateSide, (case.before, case.after), strict=True))
        there = {
            side: artifact
            for side, row in rows.items()
            if (artifact := found[side].get(row.artifact_sha256 or "")) is not None
        }
        if len(there) == len(GateSide):
            trials.append(_Trial(case, there))
            continue
        gone = " and ".join(f"the {side}" for side in GateSide if side not in there)
        reason = (
            f"the artifact of {gone} is no longer kept: run it again, and name it with `npubench baseline`"
        )
        lost.append(
            verdict_of_rows(case, GateOutcome.LOST, request.change, reason, ExitCode.NOTHING_MEASURED)
        )
    return trials, lost


def _verdict(trial: _Trial, gate: str, request: GateRequest, lost_board: bool) -> GateVerdict:
    if lost_board:
        reason = f"{trial.case.after.board} cannot be used"
        return verdict_of_rows(trial.case, GateOutcome.LOST, request.change, reason, ExitCode.BOARD)
    said = verdict_of_rows(trial.case, GateOutcome.UNDECIDED, request.change)
    said = replace(said, gate=gate, again=trial.again)
    if trial.failed is not None:
        side, failure = trial.failed
        broken = side is GateSide.CANDIDATE and not failure.transient
        outcome = GateOutcome.BROKEN if broken else GateOutcome.LOST
        code = None if broken else int(lost_to(failure))
        reason = f"the {side} fails at {failure.stage}: {failure.failure_class}: {failure.message}"
        return replace(said, outcome=outcome, reason=reason, lost_to=code, launches=len(trial.pairs))
    judged = trial.judged
    if judged is None:
        return said
    return replace(
        said,
        outcome=judged.outcome,
        launches=judged.pairs,
        ratio=judged.ratio,
        low=judged.low,
        high=judged.high,
        noise=judged.noise,
        more=judged.more,
    )


class _BoardGate:
    """The cases of one board: a pair of each in turn."""

    def __init__(
        self,
        board: PlannedBoard,
        session: RunSession,
        request: GateRequest,
        design: GateDesign,
        noise: PairNoise,
    ) -> None:
        self._board, self._session, self._design, self._noise = board, session, design, noise
        self._timing = timing_of(request.launch_s)
        self._connection: Session | None = None
        # Which side goes first is drawn: what a launch leaves behind must favour neither.
        self._random = random.Random(session.run_id)

    def run(self, trials: Sequence[_Trial]) -> None:
        """Until all are decided, failed, or have had their launches."""
        tool = self._board.tool
        if not tool.usable:
            message = f"{tool.name} cannot be used: {tool.reason}: {tool.fix}"
            self._give_up(trials, Failure(Stage.MEASURE, FailureClass.TOOL_MISSING, message))
        try:
            while going := [trial for trial in trials if self._goes_on(trial)]:
                for trial in going:
                    if process.stopping():
                        raise Interrupted
                    if trial.failed is None:
                        self._pair(trial)
                    if trial.failed is not None and trial.failed[1].failure_class in GONE:
                        self._give_up(trials, trial.failed[1])
                self._judge(trials, going)
        finally:
            self._close()

    def _give_up(self, trials: Sequence[_Trial], failure: Failure) -> None:
        """Of a board that is gone every case that is not decided is lost: each would wait for its silence."""
        for trial in trials:
            if self._goes_on(trial):
                trial.failed = (GateSide.BASELINE, failure)

    def _goes_on(self, trial: _Trial) -> bool:
        undecided = trial.judged is None or trial.judged.outcome is GateOutcome.UNDECIDED
        return undecided and trial.failed is None and len(trial.pairs) < self._design.most_pairs

    def _judge(self, trials: Sequence[_Trial], going: Sequence[_Trial]) -> None:
        """What is said of a case stays said: more pairs of others change nothing of it."""
        judged = judge([trial.pairs for trial in trials], self._noise, self._design)
        for trial, found in zip(trials, judged, strict=True):
            if trial in going:
                trial.judged = found
        left = sum(trial.judged is None or trial.judged.outcome is GateOutcome.UNDECIDED for trial in trials)
        pairs = max(len(trial.pairs) for trial in trials)
        told = (
            f"{self._board.spec.name}: launch {pairs} of each side, {left} of {len(trials)} cases undecided"
        )
        self._session.announce(Note(told))

    def _pair(self, trial: _Trial) -> None:
        for attempt in range(AGAIN + 1):
            order = list(GateSide)
            self._random.shuffle(order)
            launches: dict[GateSide, tuple[float, BoardState]] = {}
            for side in order:
                done = self._launch(trial, side)
                if isinstance(done, Failure):
                    trial.failed = (side, done)
                    return
                launches[side] = done
            spoilt = _is_spoilt(*(state for _, state in launches.values()))
            kept = not spoilt or attempt == AGAIN
            trial.tried += 1
            for side in order:
                note_gate(self._session.workspace.root, self._record(trial, side, *launches[side], kept))
            if kept:
                times = {side: time for side, (time, _) in launches.items()}
                ratio = times[GateSide.CANDIDATE] / times[GateSide.BASELINE]
                trial.pairs.append(math.log(ratio))
                return
            trial.again += 1

    def _record(self, trial: _Trial, side: GateSide, time_us: float, state: BoardState, kept: bool) -> Launch:
        row = trial.case.after
        return Launch(
            *(self._session.run_id, now(), row.board, row.case, row.precision.value),
            *(side, trial.artifacts[side].sha256, trial.tried, time_us, kept),
            statistics.fmean(state.clocks_mhz) if state.clocks_mhz else None,
            state.temperature_c,
        )

    def _launch(self, trial: _Trial, side: GateSide) -> tuple[float, BoardState] | Failure:
        """One launch; what fails, or loses the board, is tried once more."""
        artifact, failure = trial.artifacts[side], None
        row = trial.case.after
        log = self._session.workspace.log_file(
            self._session.run_id, "gate", row.board, row.case, row.precision, side
        )
        for _attempt in range(2):
            try:
                connection = self._connected()
                found = self._board.backend.measure(
                    artifact, connection, self._timing, self._session.plan.request.deadline_s, log
                )
                state = connection.facts()
            except BoardBusyError as error:
                return Failure(Stage.MEASURE, FailureClass.BOARD_BUSY, str(error))
            except (BoardError, UsageError) as error:
                self._close()
                failure = Failure(Stage.MEASURE, FailureClass.BOARD_LOST, str(error))
                continue
            if isinstance(found, Failure):
                failure = found
                continue
            checked = _time_of(found, artifact)
            if not isinstance(checked, Failure):
                return checked, state
            failure = checked
        return failure or Failure(Stage.MEASURE, FailureClass.BOARD_LOST, "the board did not answer")

    def _connected(self) -> Session:
        if self._connection is None:
            self._connection = self._session.transport_of(self._board.spec).connect(self._board.spec)
            hold(self._connection, self._board.spec, self._session)
        return self._connection

    def _close(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(BoardError):
                self._connection.close()
        self._connection = None


def _is_spoilt(one: BoardState, other: BoardState) -> bool:
    """Whether the board throttled, cooled down or restarted between two launches, as far as it tells.

    Clocks tell it where the governor fixes them: elsewhere they follow the load of the moment.
    """
    if one.clocks_mhz and other.clocks_mhz and one.governor == other.governor == "performance":
        low, high = sorted(statistics.fmean(state.clocks_mhz) for state in (one, other))
        if low < high * (1 - CLOCK_CHANGE):
            return True
    heat = one.temperature_c, other.temperature_c
    if None not in heat and abs((heat[0] or 0.0) - (heat[1] or 0.0)) > HOTTER_C:
        return True
    uptimes = one.uptime_s, other.uptime_s
    return None not in uptimes and (uptimes[1] or 0.0) < (uptimes[0] or 0.0)


def _time_of(figures: Figures, artifact: Artifact) -> float | Failure:
    """The median of a launch, or its mean where the tool tells no more, in microseconds."""
    if figures.artifact_sha256 != artifact.sha256:
        message = f"the board ran {figures.artifact_sha256}, not the artifact {artifact.sha256}"
        return Failure(Stage.MEASURE, FailureClass.WRONG_ARTIFACT, message)
    latency = figures.latency_us
    if latency is not None:
        found = statistics.median(latency.rounds_p50) if latency.rounds_p50 else latency.p50 or latency.mean
    elif figures.call_means_us:
        found = statistics.median(figures.call_means_us)
    else:
        found = 1e6 / figures.throughput_fps if figures.throughput_fps else 0.0
    if found <= 0:
        return Failure(Stage.MEASURE, FailureClass.UNPARSED_OUTPUT, "the launch has no time")
    return found


def exit_code(report: GateReport, strict: bool = False) -> ExitCode:
    """1: a case is slower or broken. 4, 5: lost to the board or its tool. 3: nothing could be launched.

    Undecided is 0, and 6 with `strict`: it is no regression, and no job goes red for it by itself.
    """
    outcomes = {one.outcome for one in report.verdicts}
    if report.interrupted:
        return ExitCode.INTERRUPTED
    if outcomes & {GateOutcome.SLOWER, GateOutcome.BROKEN}:
        return ExitCode.REGRESSION
    lost = [one.lost_to for one in report.verdicts if one.lost_to is not None]
    if lost:
        return ExitCode(min(lost, key=lambda code: (code == ExitCode.NOTHING_MEASURED, code)))
    if not outcomes:
        return ExitCode.NOTHING_MEASURED
    return ExitCode.UNSTABLE if strict and GateOutcome.UNDECIDED in outcomes else ExitCode.OK
