"""Runs on boards behind a real OpenSSH server; exporter and backend are stand-ins, the commands are real."""

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from npubench.boards.ssh.transport import SshTransport
from npubench.domain.records import FailureClass, Stage, Status
from npubench.engine.session import Note
from tests.fakes import FakeBackend, figures
from tests.integration.ssh_server import is_alive, pid_in, running
from tests.integration.test_engine import Bench


class CommandBackend(FakeBackend):
    """Measures by a command on the board: `before` may do something to the board first."""

    def __init__(self) -> None:
        super().__init__()
        self.before = {}
        self.script = "true"

    def measure(self, artifact, session, timing, deadline_s, log):
        path = session.put(artifact.path, artifact.sha256)
        self.before.pop(artifact.onnx.case, lambda: None)()
        done = session.run(["sh", "-c", self.script, "x", str(path)], deadline_s, log)
        assert done.returncode == 0
        self.measured.append(artifact.onnx.case)
        return figures(artifact)


@pytest.fixture
def bench(tmp_path):
    bench = Bench(tmp_path / "out")
    bench.backend = CommandBackend()
    bench.transports = {"desk": SshTransport()}
    yield bench
    bench.store.close()


def rows(bench):
    return {(row.board, row.case): row for row in bench.store.latest()}


def test_cases_are_measured_on_the_board_and_its_state_is_kept(bench, loopback_sshd):
    bench.run("a", "b", boards=[loopback_sshd.board("desk")])
    assert {row.status for row in rows(bench).values()} == {Status.OK}
    row = rows(bench)["desk", "a"]
    assert row.board_before.kernel == row.board_after.kernel == os.uname().release


def test_a_board_that_reboots_between_two_cases_is_waited_for(bench, loopback_sshd):
    def reboot():
        loopback_sshd.stop()
        threading.Timer(1.5, loopback_sshd.start).start()

    bench.backend.before = {"b": reboot}
    bench.run("a", "b", "c", boards=[loopback_sshd.board("desk")], workers=1)
    assert {row.status for row in rows(bench).values()} == {Status.OK}
    assert sorted(bench.backend.measured) == ["a", "b", "c"]
    assert any("waiting for it" in event.text for event in bench.events if isinstance(event, Note))


def test_a_connection_that_drops_under_a_case_costs_nothing(bench, loopback_sshd):
    bench.backend.before = {"b": loopback_sshd.drop_sessions}
    bench.run("a", "b", "c", boards=[loopback_sshd.board("desk")], workers=1)
    assert {row.status for row in rows(bench).values()} == {Status.OK}


def test_a_board_that_hangs_costs_only_its_own_cases(bench, loopback_sshd, tmp_path):
    bench.transports["other"] = bench.transports["desk"]
    with running(tmp_path / "other") as other:
        other.trust()
        bench.backend.before = {"b": other.freeze}
        # The first to measure case b freezes the other board, whichever board that is.
        boards = [
            loopback_sshd.board("desk"),
            other.board("other", reboot_wait_s=1.0, banner_timeout_s=0.5),
        ]
        bench.run("a", "b", "c", boards=boards, workers=1)
    found = rows(bench)
    assert len(found) == 6
    assert all(row.status is Status.OK for (board, _), row in found.items() if board == "desk")
    gone = [row.failure for (board, _), row in found.items() if board == "other" and row.failure]
    assert gone
    assert {f.failure_class for f in gone} <= {FailureClass.BOARD_LOST, FailureClass.BOARD_UNREACHABLE}


def test_a_board_that_stays_away_was_lost_and_then_is_unreachable(bench, loopback_sshd):
    bench.backend.before = {"b": loopback_sshd.stop}
    board = loopback_sshd.board("desk", reboot_wait_s=1.0)
    bench.run("a", "b", "c", boards=[board], workers=1)
    found = rows(bench)
    assert found["desk", "a"].status is Status.OK
    lost = found["desk", "b"].failure
    assert (lost.stage, lost.failure_class) == (Stage.MEASURE, FailureClass.BOARD_LOST)
    assert "it did not come back" in lost.message
    assert found["desk", "c"].failure.failure_class is FailureClass.BOARD_UNREACHABLE
    loopback_sshd.start()
    bench.run("a", "b", "c", boards=[board])
    assert {row.status for row in rows(bench).values()} == {Status.OK}
    assert bench.backend.measured.count("a") == 1


def test_a_board_that_cannot_store_fails_the_transfer(bench, loopback_sshd):
    bench.run("a", boards=[loopback_sshd.board("desk", remote_dir="/etc/passwd/npubench")])
    failure = rows(bench)["desk", "a"].failure
    assert (failure.stage, failure.failure_class) == (Stage.TRANSFER, FailureClass.TRANSFER_FAILED)


def test_a_board_that_is_not_known_says_how_to_trust_it(bench, tmp_path, own_config):
    with running(tmp_path / "sshd") as stranger:
        bench.run("a", boards=[stranger.board("desk")])
    failure = rows(bench)["desk", "a"].failure
    assert failure.failure_class is FailureClass.BOARD_UNREACHABLE
    assert "npubench board trust desk" in failure.message


def test_ctrl_c_ends_the_command_on_the_board(bench, loopback_sshd, tmp_path):
    pid_file = tmp_path / "pid"
    bench.backend.script = f'trap "" HUP; echo $$ > {pid_file}; exec sleep 600'

    def interrupt():
        pid_in(pid_file)
        os.kill(os.getpid(), signal.SIGINT)

    started = time.monotonic()
    with ThreadPoolExecutor(1) as pool:
        pressed = pool.submit(interrupt)
        summary = bench.run("a", "b", boards=[loopback_sshd.board("desk")])
        pressed.result(300)
    assert summary.interrupted
    assert time.monotonic() - started < 300
    assert rows(bench) == {}
    assert not is_alive(pid_in(pid_file))
