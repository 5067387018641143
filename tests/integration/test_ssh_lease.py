"""A board is measured by one run at a time: the lease that lies on it, on a real OpenSSH server."""

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from npubench.boards.ssh import guard
from npubench.boards.ssh.transport import SshTransport
from npubench.domain.errors import BoardBusyError, BoardError, BoardLostError
from npubench.domain.leases import own_claim
from npubench.domain.records import FailureClass, Status
from npubench.engine import lanes
from npubench.engine.session import Note
from npubench.tools import process
from tests.integration.ssh_server import is_alive, pid_in, wait_until
from tests.integration.test_engine import Bench
from tests.integration.test_ssh_busybox import busybox_server
from tests.integration.test_ssh_engine import CommandBackend

ALONE = """
mkdir "$1" || { echo two; exit 1; }
echo $$ >> "$1.calls"
sleep 0.1
rmdir "$1"
"""
"""A program that fails when another of its kind runs beside it."""


@pytest.fixture
def sessions(loopback_sshd):
    opened = []

    def connect(name="board", **changes):
        opened.append(SshTransport().connect(loopback_sshd.board(name, **changes)))
        return opened[-1]

    yield connect
    for session in opened:
        session.close()


@pytest.fixture
def folder(loopback_sshd):
    """Where the lease of that server lies."""
    return Path(f"/tmp/npubench-lease-{loopback_sshd.port}")


def lease_file(folder):
    (one,) = folder.glob("lease.*")
    return one


def test_the_second_is_told_who_holds_the_board_and_gets_it_afterwards(sessions):
    first, second = sessions("one"), sessions("two", remote_dir="another folder")
    assert first.take(own_claim("first")) is None
    held = second.take(own_claim("second"))
    assert held.claim.run_id == "first"
    assert f"process {os.getpid()}" in str(held)
    assert "since 20" in str(held)
    assert 0 < held.left_s <= guard.GOOD_FOR_S
    assert second.holder().claim == held.claim
    first.close()
    assert second.take(own_claim("second")) is None
    assert second.take(own_claim("second")) is None
    second.close()
    assert sessions("three").holder() is None


def test_only_one_of_many_gets_it(sessions):
    several = [sessions(f"board{n}") for n in range(5)]
    start = threading.Barrier(len(several))

    def take(session):
        start.wait(600)
        return session.take(own_claim("x"))

    for _ in range(3):
        with ThreadPoolExecutor(len(several)) as pool:
            got = list(pool.map(take, several))
        assert got.count(None) == 1
        # It loses its lease by being closed, and the next round takes it over.
        winner = several[got.index(None)]
        winner.close()
        several.remove(winner)
        start = threading.Barrier(len(several))


def test_busybox_keeps_a_lease(tmp_path, own_config):
    with busybox_server(tmp_path) as server:
        one, two = (SshTransport().connect(server.board(name)) for name in "ab")
        assert one.take(own_claim("one")) is None
        assert two.take(own_claim("two")).claim.run_id == "one"
        pid_file = tmp_path / "pid"
        with ThreadPoolExecutor(1) as pool:
            done = pool.submit(one.run, ["sh", "-c", f"echo $$ > {pid_file}; exec sleep 600"], 600)
            pid = pid_in(pid_file)
            server.drop_sessions()
            with pytest.raises(BoardLostError):
                done.result(300)
        wait_until(lambda: not is_alive(pid), "the program's end")
        three = SshTransport().connect(server.board("c"))
        wait_until(lambda: three.take(own_claim("three")) is None, "the lease's end")
        for session in (one, two, three):
            session.close()
    process.reset()


STALE = {
    "the board was booted anew": lambda text, until: (text.replace(text.split("\n")[2], "another"), until),
    "its holder's process is gone": lambda text, until: (text.replace(text.split("\n")[1], "1 1"), until),
    "its time is up by the board's uptime": lambda text, until: (text, "1\n"),
}


@pytest.mark.parametrize("why", STALE)
def test_a_stale_lease_is_taken_over(sessions, folder, why):
    first, second = sessions("one"), sessions("two")
    first.take(own_claim("first"))
    (until,) = folder.glob("until.*")
    text, good_until = STALE[why](lease_file(folder).read_text(), until.read_text())
    lease_file(folder).write_text(text)
    until.write_text(good_until)
    assert second.take(own_claim("second")) is None
    assert len(list(folder.glob("lease.*"))) == 1
    with pytest.raises(BoardLostError, match="lease"):
        first.run(["true"], 100)


def test_taking_over_ends_what_the_last_holder_runs(sessions, folder, tmp_path):
    first, second = sessions("one"), sessions("two")
    first.take(own_claim("first"))
    pid_file = tmp_path / "pid"
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(first.run, ["sh", "-c", f"echo $$ > {pid_file}; exec sleep 600"], 600)
        pid = pid_in(pid_file)
        (until,) = folder.glob("until.*")
        until.write_text("1\n")
        assert second.take(own_claim("second")) is None
        assert not is_alive(pid)
        with pytest.raises(BoardLostError, match="lease"):
            done.result(300)


def test_a_lease_is_good_for_the_whole_deadline_of_what_runs(sessions, folder):
    one = sessions("one")
    one.take(own_claim("one"))
    (until,) = folder.glob("until.*")
    uptime = float(Path("/proc/uptime").read_text().split()[0])
    one.run(["true"], 500)
    assert float(until.read_text()) >= uptime + 500


def test_it_is_renewed_while_the_connection_lives(sessions, folder, monkeypatch):
    monkeypatch.setattr(guard, "RENEW_S", 0.02)
    one = sessions("one")
    one.take(own_claim("one"))
    (until,) = folder.glob("until.*")
    until.write_text("999\n")
    wait_until(lambda: until.read_text() not in {"999\n", ""}, "the renewal")


def test_a_session_of_ours_that_was_closed_holds_nothing(sessions, monkeypatch):
    one, two = sessions("one"), sessions("two")
    one.take(own_claim("run"))
    # The board has not heard of the end: its network is down.
    guard.close_cookie(one._cookie)
    assert two.take(own_claim("run")) is None


def test_a_held_board_can_be_taken_by_force(sessions):
    one, two = sessions("one"), sessions("two")
    one.take(own_claim("one"))
    assert two.take(own_claim("two"), force=True) is None
    with pytest.raises(BoardLostError):
        one.run(["true"], 300)


def test_where_no_lease_can_be_kept_one_line_says_so(sessions, monkeypatch):
    monkeypatch.setattr(guard, "PLACES", ("/proc/nowhere",))
    with pytest.raises(BoardError, match=r"cannot be leased: .*/proc/nowhere.*writable") as told:
        sessions("one", remote_dir="/etc/passwd/x").take(own_claim("one"))
    assert "\n" not in str(told.value)


def test_a_link_in_its_place_is_not_followed(sessions, folder, tmp_path):
    folder.symlink_to(tmp_path)
    try:
        assert sessions("one").take(own_claim("one")) is None
        assert not list(tmp_path.glob("lease.*"))
    finally:
        folder.unlink()


ODD = {
    "a FIFO": lambda folder: os.mkfifo(folder / "lease.5"),
    "a folder": lambda folder: (folder / "lease.5").mkdir(),
    "a number that no shell counts to": lambda folder: (folder / f"lease.{'9' * 30}").touch(),
    "an owner that leads elsewhere": lambda folder: (folder / "lease.5").write_text("/../x\n1 1\nb\n{}\n"),
    "nothing in it": lambda folder: (folder / "lease.5").touch(),
}


@pytest.mark.parametrize("what", ODD)
def test_what_others_leave_among_the_leases_holds_nobody_up(sessions, folder, what):
    one, two = sessions("one"), sessions("two")
    folder.mkdir()
    ODD[what](folder)
    assert one.take(own_claim("one")) is None
    assert two.take(own_claim("two")).claim.run_id == "one"


class Runs:
    """Engine runs with stand-ins around a real command on the board."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.lock = root / "alone"

    def bench(self, name, *boards, wait_s=None):
        bench = Bench(self.root / name)
        bench.backend = CommandBackend()
        bench.backend.script = ALONE.replace('"$1', f'"{self.lock}')
        transport = SshTransport()
        bench.transports = dict.fromkeys((board.name for board in boards), transport)
        bench.wait_s = wait_s
        bench.run_id = name
        return bench


@pytest.fixture
def runs(tmp_path, monkeypatch):
    monkeypatch.setattr(lanes, "ASK_S", 0.05)
    return Runs(tmp_path)


def test_two_runs_take_turns(runs, loopback_sshd):
    board = loopback_sshd.board("desk")
    benches = [runs.bench(name, board) for name in ("one", "two")]
    with ThreadPoolExecutor(2) as pool:
        done = [pool.submit(bench.run, "a", "b", "c", boards=[board]) for bench in benches]
        wait_for = [future.result(600) for future in done]
    assert len(wait_for) == 2
    for bench in benches:
        assert [row.status for row in bench.store.latest()] == [Status.OK] * 3
    notes = [e.text for bench in benches for e in bench.events if isinstance(e, Note)]
    assert any("desk is in use by" in text and "since" in text for text in notes)
    for bench in benches:
        bench.store.close()


def test_two_names_of_one_machine_are_one_lane(runs, loopback_sshd):
    # The same address written otherwise; "localhost" takes a file that a machine may lack.
    boards = [loopback_sshd.board("desk"), loopback_sshd.board("other", host="127.1")]
    loopback_sshd.trust_as("127.1")
    bench = runs.bench("one", *boards)
    bench.run("a", "b", boards=boards)
    assert [row.status for row in bench.store.latest()] == [Status.OK] * 4
    bench.store.close()


def test_names_that_only_the_board_knows_to_be_one_wait_for_each_other(runs, loopback_sshd, monkeypatch):
    monkeypatch.setattr(lanes, "_place", lambda board, *_: board.name)
    boards = [loopback_sshd.board("desk"), loopback_sshd.board("other")]
    bench = runs.bench("one", *boards, wait_s=0.0)
    bench.run("a", "b", boards=boards)
    assert [row.status for row in bench.store.latest()] == [Status.OK] * 4
    notes = [event.text for event in bench.events if isinstance(event, Note)]
    assert any("the same machine" in text for text in notes)
    bench.store.close()


def test_not_to_wait_stops_at_once_and_converts_nothing(runs, loopback_sshd, sessions):
    sessions("holder").take(own_claim("other"))
    board = loopback_sshd.board("desk")
    bench = runs.bench("one", board, wait_s=0.0)
    with pytest.raises(BoardBusyError, match=r"desk is in use by .* since .*--wait"):
        bench.run("a", boards=[board])
    assert bench.store.latest() == []
    bench.store.close()


def test_a_busy_board_does_not_keep_another_from_being_measured(runs, loopback_sshd, sessions):
    sessions("holder").take(own_claim("other"))
    busy, free = loopback_sshd.board("busy"), replace(loopback_sshd.board("free"), transport="fake")
    bench = runs.bench("one", busy, wait_s=0.0)
    bench.transports["free"] = Here()
    bench.run("a", "b", boards=[busy, free])
    rows = {(row.board, row.case): row for row in bench.store.latest()}
    assert {row.status for (board, _), row in rows.items() if board == "free"} == {Status.OK}
    failures = [row.failure.failure_class for (board, _), row in rows.items() if board == "busy"]
    assert failures == [FailureClass.BOARD_BUSY] * 2
    bench.store.close()


class Here:
    """A board of its own without a server."""

    name = "fake"

    def connect(self, board):
        from npubench.boards.local import LocalSession

        return LocalSession()


CONTAINER = ("unshare", "--pid", "--uts", "--fork", "--mount-proc", "--kill-child")


def can_unshare() -> bool:
    done = subprocess.run([*CONTAINER, "true"], capture_output=True, check=False)
    return done.returncode == 0


HOLDS = """
import sys
from npubench.domain.specs import BoardSpec
from npubench.domain.leases import own_claim
from npubench.boards.ssh.transport import SshTransport
board = BoardSpec("b", "", "", "ssh", "", (), transport_options=eval(sys.argv[1]))
session = SshTransport().connect(board)
print(session.take(own_claim("run")), flush=True)
if len(sys.argv) > 2:
    session.run(["sh", "-c", 'echo $$ > "$1"; exec sleep 600', "x", sys.argv[2]], 600)
"""


def test_two_containers_of_one_name_know_each_other_apart(loopback_sshd, tmp_path):
    if not can_unshare():
        pytest.skip("unshare is not permitted here")
    argv = [*CONTAINER, sys.executable, "-c", HOLDS, repr(loopback_sshd.options())]
    pid_file = tmp_path / "pid"
    first = subprocess.Popen([*argv, str(pid_file)], stdout=subprocess.PIPE, text=True)
    try:
        assert first.stdout.readline() == "None\n"
        pid = pid_in(pid_file)
        # To the second, whose processes have numbers of their own, the first's is nobody.
        second = subprocess.run(argv, capture_output=True, text=True, timeout=300, check=True)
        assert "(run run) since" in second.stdout
        assert is_alive(pid)
    finally:
        first.kill()
        first.communicate()
    wait_until(lambda: not is_alive(pid), "the program's end on the board")
    third = subprocess.run(argv, capture_output=True, text=True, timeout=300, check=True)
    assert third.stdout == "None\n"
