"""The engine on real files and a real store, with stand-ins for exporter, backend and board."""

import _thread
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from npubench.domain.errors import BoardError, TransferError, UsageError, WorkspaceError
from npubench.domain.records import (
    Failure,
    FailureClass,
    Figures,
    Kind,
    Latency,
    SamplesFrom,
    Sampling,
    Stage,
    Status,
    ToolInfo,
)
from npubench.domain.specs import (
    BatchAxes,
    ModelSpec,
    Precision,
    TensorSpec,
)
from npubench.engine import lanes
from npubench.engine.plan import Plan, PlannedBoard, Request, RunOptions, build
from npubench.engine.run import measure_plan
from npubench.engine.session import JobFinished, Note, RunFinished, RunSession, StageStarted, one_at_a_time
from npubench.storage import ledger
from npubench.storage.hashing import sha256_of_file
from npubench.storage.store import Store
from npubench.storage.workspace import Workspace
from npubench.tools import process
from tests.fakes import FakeBackend, FakeExporter, FakeTransport, FakeTwinExporter, board, case, figures

REQUEST = Request(calibration_digest="seeded", deadline_s=60.0)

SLEEP_S = 600
"""What an interrupt has to end: half of it is never reached, however busy the machine."""


class Bench:
    """Everything a run needs, in one folder."""

    def __init__(self, root) -> None:
        self.workspace = Workspace(root)
        self.workspace.create()
        self.store = Store.create(self.workspace.database)
        self.exporter = FakeExporter()
        self.backend = FakeBackend()
        self.transports = {"desk": FakeTransport()}
        self.events = []
        self.fresh = False
        self.wait_s = None
        self.run_id = "run"

    def plan(self, *names, boards=None, precisions=()):
        boards = boards or [board()]
        cases = [(case(name), "1") for name in names]
        tools = [(b, self.backend.probe()) for b in boards]
        finished = {} if self.fresh else self.store.final_keys()
        return build(cases, tools, precisions, REQUEST, finished)

    def run(self, *names, tool=None, workers=2, **plan):
        plan = self.plan(*names, **plan)
        tool = tool or self.backend.probe()
        boards = {job.board.name: PlannedBoard(job.board, self.backend, tool) for job in plan.jobs}
        session = RunSession(
            self.workspace,
            RunOptions(workers=workers, fresh=self.fresh, wait_s=self.wait_s),
            replace(plan, boards=boards),
            one_at_a_time(self.events.append),
            self.store,
            self.run_id,
            command=("npubench", "run"),
            transport_of=lambda board: self.transports[board.name],
            exporter_of=lambda *_: self.exporter,
        )
        return measure_plan(session)


@pytest.fixture
def bench(tmp_path):
    bench = Bench(tmp_path / "out")
    yield bench
    bench.store.close()


def test_every_case_gets_its_row_with_provenance(bench):
    bench.run("a", "b")
    rows = {row.case: row for row in bench.store.latest()}
    assert set(rows) == {"a", "b"}
    row = rows["a"]
    assert row.status is Status.OK
    assert row.figures.kind is Kind.MEASURED
    assert row.figures.samples_us == ()
    assert row.onnx_sha256 != row.artifact_sha256
    assert row.board_before.hostname == "desk"
    assert row.tools == {"fake": "1"}
    root = bench.workspace.root
    assert sha256_of_file(root / row.log_path) == row.log_sha256
    assert sha256_of_file(root / row.samples_path) == row.samples_sha256
    assert (root / row.samples_path).read_text() == '{"unit":"us","rounds":[[1.0,2.0,3.0]]}'
    assert list((root / "tmp").iterdir()) == []


def test_fps_is_counted_in_one_place_whatever_a_backend_says(bench):
    export = bench.exporter.export
    tensors = {"inputs": (TensorSpec("x", (4, 3, 8, 8)),), "outputs": (TensorSpec("y", (4, 9)),)}
    bench.exporter.export = lambda *given: replace(export(*given), **tensors)
    bench.backend.outcome = lambda artifact: replace(figures(artifact), throughput_fps=1.0)
    bench.backend.estimated = Figures(Kind.SIMULATED, Latency(1, 1000.0))

    def measured(batch):
        spec = replace(case("a"), batch=batch)
        tools = [(board(), bench.backend.probe())]
        plan = build([(spec, "1")], tools, (), REQUEST, bench.store.final_keys())
        bench.plan = lambda *names: plan
        bench.run("a")
        return bench.store.latest()[-1]

    row = measured(None)
    assert row.figures.sampling == Sampling(4, SamplesFrom.LEADING_SIZE, 0, "x")
    assert row.figures.throughput_fps == 4e6 / row.figures.latency_us.mean
    assert row.estimate.throughput_fps == 4000.0
    # Where samples lie makes another row of the same artifact.
    none = measured(BatchAxes((("", None),), SamplesFrom.OPTION))
    assert none.figures.throughput_fps == 1e6 / none.figures.latency_us.mean
    assert none.key != row.key
    assert (len(bench.exporter.exported), len(bench.backend.compiled)) == (1, 1)
    wrong = measured(BatchAxes((("z", 0),), SamplesFrom.OPTION))
    assert wrong.failure.failure_class is FailureClass.INVALID_MODEL
    assert "no input has that axis" in wrong.failure.message


def test_attempts_to_export_models_are_noted_for_the_coverage_page(bench):
    models = [ModelSpec(name, "mmpretrain", name, "", (), None, 13) for name in ("a", "b")]
    refusal = Failure(Stage.EXPORT, FailureClass.EXPORT_FAILED, "no luck")
    works = bench.exporter.export
    bench.exporter.export = lambda spec, *more: refusal if spec.name == "b" else works(spec, *more)
    tools = [(board(), bench.backend.probe())]
    plan = build([(one, "1") for one in models], tools, (), REQUEST, {})
    bench.plan = lambda *names: plan
    bench.run("a", "b")
    noted = ledger.read_exports(bench.workspace.root)
    assert {name: (one.codebase, one.failure_class) for name, one in noted.items()} == {
        "a": ("mmpretrain", ""),
        "b": ("mmpretrain", "export_failed"),
    }


def test_a_simulation_asks_no_board_and_is_no_answer_for_one(bench):
    simulated = board(transport="simulation")
    bench.backend.estimated = Figures(Kind.SIMULATED, memory_bytes=7)
    bench.run("a", boards=[simulated])
    (row,) = bench.store.latest()
    assert (row.status, row.figures.kind, row.figures.memory_bytes) == (Status.OK, Kind.SIMULATED, 7)
    assert row.estimate is None
    assert row.board_before is None
    assert bench.transports["desk"].connects == 0
    assert bench.backend.measured == []
    assert not any(isinstance(event, StageStarted) and event.stage is Stage.MEASURE for event in bench.events)
    bench.run("a", boards=[simulated])
    assert bench.backend.compiled == ["a"]
    bench.run("a")
    assert bench.backend.measured == ["a"]
    assert bench.backend.compiled == ["a"]


def test_a_tool_without_a_simulator_is_skipped_and_says_so(bench):
    bench.run("a", boards=[board(transport="simulation")])
    (row,) = bench.store.latest()
    assert row.status is Status.SKIPPED
    assert "fake has no simulator" in str(row.skip_reason)


def test_a_second_run_exports_converts_and_measures_nothing(bench):
    bench.run("a", "b")
    bench.run("a", "b")
    assert sorted(bench.exporter.exported) == sorted(bench.backend.compiled) == ["a", "b"]
    assert len(bench.backend.measured) == 2


def test_a_fresh_run_makes_everything_again_but_exports_once(bench):
    both = [board(precisions=(Precision.FP32, Precision.INT8))]
    bench.run("a", boards=both)
    bench.fresh = True
    bench.run("a", boards=both)
    assert bench.exporter.exported == ["a", "a"]
    assert len(bench.backend.compiled) == len(bench.backend.measured) == 4


def test_a_failing_case_costs_only_itself(bench):
    def outcome(artifact):
        if artifact.onnx.case == "bad":
            return Failure(Stage.MEASURE, FailureClass.CRASH, "it crashed", ("TopK",), "the whole story")
        return figures(artifact)

    bench.backend.outcome = outcome
    bench.run("bad", "good")
    rows = {row.case: row for row in bench.store.latest()}
    assert rows["good"].status is Status.OK
    assert rows["bad"].failure.operators == ("TopK",)
    assert rows["bad"].failure.detail == ""
    assert rows["bad"].figures is None
    assert "the whole story" in (bench.workspace.root / rows["bad"].log_path).read_text()


def test_an_estimate_survives_a_failed_measurement_and_kinds_stay_apart(bench):
    bench.backend.estimated = Figures(Kind.SIMULATED, throughput_fps=92.9)
    bench.backend.outcome = lambda artifact: Failure(Stage.MEASURE, FailureClass.CRASH, "it crashed")
    bench.run("a")
    (row,) = bench.store.latest()
    assert row.status is Status.FAILED
    assert row.figures is None
    assert row.estimate.kind is Kind.SIMULATED


def test_figures_of_another_artifact_are_a_failure(bench):
    bench.backend.outcome = lambda artifact: replace(figures(artifact), artifact_sha256="0" * 64)
    bench.run("a")
    (row,) = bench.store.latest()
    assert row.failure.failure_class is FailureClass.WRONG_ARTIFACT
    assert row.figures is None


def test_a_missing_tool_is_a_row_that_says_how_to_get_it_and_is_tried_again(bench):
    bench.run("a", tool=ToolInfo("fake", False, reason="not installed", fix="install it"))
    (row,) = bench.store.latest()
    assert row.failure.failure_class is FailureClass.TOOL_MISSING
    assert "install it" in row.failure.message
    bench.run("a")
    assert [row.status for row in bench.store.latest()] == [Status.OK]


def test_a_board_that_dies_costs_only_its_own_cases(bench):
    bench.transports["gone"] = FakeTransport(refuses=True)
    bench.run("a", "b", boards=[board(), board("gone")])
    by_board = {(row.board, row.case): row for row in bench.store.latest()}
    assert by_board["desk", "a"].status is by_board["desk", "b"].status is Status.OK
    assert by_board["gone", "a"].failure.failure_class is FailureClass.BOARD_UNREACHABLE
    bench.transports["gone"] = FakeTransport()
    bench.run("a", "b", boards=[board(), board("gone")])
    assert all(row.status is Status.OK for row in bench.store.latest())


def test_a_case_whose_board_was_lost_is_measured_again_from_the_start(bench):
    losses = iter([True])
    bench.transports["desk"].session.lost = lambda: next(losses, False)
    bench.run("a", "b")
    assert all(row.status is Status.OK for row in bench.store.latest())
    assert bench.transports["desk"].connects == 2


def test_a_board_that_stays_lost_is_said_to_be(bench):
    bench.transports["desk"].session.lost = lambda: True
    bench.run("a")
    (row,) = bench.store.latest()
    assert row.failure.failure_class is FailureClass.BOARD_LOST
    assert "went away" in row.failure.message


def test_a_board_on_this_machine_measures_only_after_all_conversions(bench):
    order = []
    bench.backend.compile, compile_ = (
        (lambda *a: (order.append("compile"), compile_(*a))[1]),
        bench.backend.compile,
    )
    bench.backend.outcome = lambda artifact: (order.append("measure"), figures(artifact))[1]
    bench.run("a", "b", "c", boards=[board(shares_host=True)], workers=3)
    assert order == ["compile"] * 3 + ["measure"] * 3


def test_an_interrupt_ends_the_run_and_the_next_one_continues(bench):
    entered = threading.Event()

    def outcome(artifact):
        if artifact.onnx.case == "b":
            entered.set()
            process.run(["sleep", str(SLEEP_S)], timeout_s=SLEEP_S, log=bench.workspace.root / "sleep.log")
        return figures(artifact)

    def interrupt():
        entered.wait(SLEEP_S)
        os.kill(os.getpid(), signal.SIGINT)

    bench.backend.outcome = outcome
    threading.Thread(target=interrupt).start()
    started = time.monotonic()
    summary = bench.run("a", "b", "c", workers=1)
    assert summary.interrupted
    assert time.monotonic() - started < SLEEP_S / 2
    assert isinstance(bench.events[-1], RunFinished)
    assert [row.case for row in bench.store.latest()] == ["a"]
    bench.backend.outcome = None
    bench.run("a", "b", "c")
    assert sorted(bench.backend.measured) == ["a", "b", "b", "c"]
    assert len(bench.store.latest()) == 3


def test_an_interrupt_that_wakes_nobody_is_seen_all_the_same(bench):
    def outcome(artifact):
        # As a signal does that comes between the last look for one and the wait.
        _thread.interrupt_main()
        process.run(["sleep", str(SLEEP_S)], timeout_s=SLEEP_S, log=bench.workspace.root / "sleep.log")
        return figures(artifact)

    bench.backend.outcome = outcome
    started = time.monotonic()
    assert bench.run("a").interrupted
    assert time.monotonic() - started < SLEEP_S / 2


def test_an_impatient_second_interrupt_does_not_keep_the_first_from_ending_everything(bench, monkeypatch):
    def outcome(artifact):
        threading.Thread(target=os.kill, args=(os.getpid(), signal.SIGINT)).start()
        process.run(["sleep", str(SLEEP_S)], timeout_s=SLEEP_S, log=bench.workspace.root / "sleep.log")
        return figures(artifact)

    def interrupted_stop(stop=process.stop):
        os.kill(os.getpid(), signal.SIGINT)
        stop()

    bench.backend.outcome = outcome
    monkeypatch.setattr(lanes.process, "stop", interrupted_stop)
    started = time.monotonic()
    assert bench.run("a", "b").interrupted
    assert time.monotonic() - started < SLEEP_S / 2


def test_an_interrupt_while_jobs_are_still_handed_out_ends_the_run_too(bench, monkeypatch):
    entered = threading.Event()

    def outcome(artifact):
        entered.set()
        process.run(["sleep", str(SLEEP_S)], timeout_s=SLEEP_S, log=bench.workspace.root / "sleep.log")
        return figures(artifact)

    class InterruptedAtB(ThreadPoolExecutor):
        def submit(self, function, *args):
            if args and args[0].case.name == "b":
                assert entered.wait(SLEEP_S)
                raise KeyboardInterrupt
            return super().submit(function, *args)

    bench.backend.outcome = outcome
    monkeypatch.setattr("npubench.engine.session.ThreadPoolExecutor", InterruptedAtB)
    started = time.monotonic()
    assert bench.run("a", "b").interrupted
    assert time.monotonic() - started < SLEEP_S / 2


def test_cases_of_one_network_are_exported_once_and_keep_their_names(bench):
    bench.exporter = FakeTwinExporter()
    bench.run("net", "next", "other", "alone1", "alone2", workers=3)
    assert len(bench.exporter.exported) == 4
    assert {"other", "alone1", "alone2"} < set(bench.exporter.exported)
    rows = {row.case: row for row in bench.store.latest()}
    assert set(rows) == {"net", "next", "other", "alone1", "alone2"}
    assert rows["net"].onnx_sha256 == rows["next"].onnx_sha256
    bench.run("never")
    assert bench.exporter.exported.count("never") == 0
    assert bench.workspace.find_onnx(bench.plan("never").jobs[0].export_key).case == "never"
    bench.fresh = True
    bench.run("never", "net")
    assert len(bench.exporter.exported) == 5


def test_a_listener_hears_of_every_row(bench):
    bench.run("a", "b")
    assert {e.result.case for e in bench.events if isinstance(e, JobFinished)} == {"a", "b"}


def test_a_full_disk_ends_the_run_instead_of_blaming_the_case(bench):
    full = Failure(Stage.COMPILE, FailureClass.TOOL_ERROR, "[Errno 28] No space left on device")
    bench.backend.outcome = lambda artifact: full
    with pytest.raises(WorkspaceError, match="No space left"):
        bench.run("a")
    assert bench.store.latest() == []


def test_an_error_of_our_own_is_not_swallowed(bench):
    bench.backend.outcome = lambda artifact: (_ for _ in ()).throw(RuntimeError("a bug"))
    with pytest.raises(RuntimeError, match="a bug"):
        bench.run("a")


def test_a_lost_board_while_closing_harms_nothing(bench):
    def close():
        raise BoardError("already gone")

    bench.transports["desk"].session.close = close
    bench.run("a")
    assert [row.status for row in bench.store.latest()] == [Status.OK]


def test_a_full_disk_of_a_board_is_that_case_s_failure(bench):
    full = Failure(Stage.MEASURE, FailureClass.TOOL_ERROR, "run_joint: No space left on device")
    bench.backend.outcome = lambda artifact: full
    bench.run("a")
    (row,) = bench.store.latest()
    assert row.failure.failure_class is FailureClass.TOOL_ERROR


def test_a_file_that_did_not_get_there_costs_its_case_and_no_connection(bench):
    def fail(artifact):
        if artifact.onnx.case == "big":
            raise TransferError("big.joint was not brought to the board: its disk is full")
        return figures(artifact)

    bench.backend.outcome = fail
    bench.run("big", "small", workers=1)
    rows = {row.case: row for row in bench.store.latest()}
    failure = rows["big"].failure
    assert (failure.stage, failure.failure_class) == (Stage.TRANSFER, FailureClass.TRANSFER_FAILED)
    assert rows["small"].status is Status.OK
    assert bench.transports["desk"].connects == 1


def test_a_loss_is_recorded_in_the_stage_in_which_it_happened(bench):
    bench.transports["desk"].session.lost = lambda: True
    bench.run("a")
    (row,) = bench.store.latest()
    assert row.failure.stage is Stage.TRANSFER
    stages = [event.stage for event in bench.events if isinstance(event, StageStarted)]
    assert stages == ["export", "compile", "transfer", "transfer"]


def test_a_board_that_is_lost_and_does_not_come_back_was_lost(bench):
    transport = bench.transports["desk"]
    transport.session.lost = lambda: setattr(transport, "refuses", True) or True
    bench.run("a", "b", workers=1)
    rows = {row.case: row for row in bench.store.latest()}
    assert rows["a"].failure.failure_class is FailureClass.BOARD_LOST
    assert "did not come back" in rows["a"].failure.message
    assert rows["b"].failure.failure_class is FailureClass.BOARD_UNREACHABLE


def test_a_board_that_refuses_is_not_asked_anew_for_every_case(bench):
    bench.transports["desk"].refuses = True
    bench.run("a", "b", "c")
    assert len(bench.store.latest()) == 3
    assert bench.transports["desk"].connects == 1


def test_a_board_whose_options_are_wrong_costs_only_its_own_cases(bench):
    class Unset(FakeTransport):
        def connect(self, board):
            raise UsageError("board gone: transport_options.host is missing")

    bench.transports["gone"] = Unset()
    bench.run("a", boards=[board(), board("gone")])
    rows = {row.board: row for row in bench.store.latest()}
    assert rows["desk"].status is Status.OK
    assert "host is missing" in rows["gone"].failure.message


def test_an_artifact_that_was_kept_for_another_model_is_not_taken(bench):
    bench.run("a")
    key = bench.plan("a").jobs[0].export_key
    (bench.workspace.root / "index" / f"onnx-{key}").unlink()
    export = bench.exporter.export

    def another(spec, workdir, log):
        made = export(spec, workdir, log)
        made.path.write_text("other weights")
        return replace(made, sha256=sha256_of_file(made.path))

    bench.exporter.export = another
    (job,) = bench.plan("a").jobs
    bench.plan = lambda *names: Plan((replace(job, done=None),))
    bench.run("a")
    rows = bench.store.rows()
    assert bench.backend.compiled == ["a", "a"]
    assert rows[0].onnx_sha256 != rows[1].onnx_sha256
    assert rows[0].artifact_sha256 != rows[1].artifact_sha256


def test_every_name_of_a_machine_is_met_before_anything_is_ready_for_it(bench, monkeypatch):
    met = []

    class Met(FakeTransport):
        def connect(self, board):
            met.append((board.name, len(bench.backend.measured)))
            return super().connect(board)

    monkeypatch.setattr(lanes, "_place", lambda *_: "one machine")
    bench.transports = {"desk": Met(), "other": Met(refuses=True)}
    bench.run("a", boards=[board(), board("other")])
    assert met[:2] == [("other", 0), ("desk", 0)]
    told = next(
        n for n, e in enumerate(bench.events) if isinstance(e, Note) and "other cannot be used" in e.text
    )
    first = next(n for n, e in enumerate(bench.events) if isinstance(e, JobFinished))
    assert told < first
