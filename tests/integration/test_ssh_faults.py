"""What goes wrong between npubench and a board, made to happen on the system's real OpenSSH server."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from npubench.boards.ssh import command, transfer
from npubench.boards.ssh import transport as transport
from npubench.boards.ssh.config import settings
from npubench.boards.ssh.connection import UnreachableError, connect
from npubench.boards.ssh.transport import SshTransport
from npubench.domain.errors import BoardLostError, Interrupted, TransferError
from npubench.storage.hashing import sha256_of_file
from npubench.tools import process
from tests.deadlines import long_enough
from tests.integration.ssh_server import LoopbackSshd, is_alive, pid_in, running, wait_until

SLEEPER = 'trap "" HUP; echo $$ > "$1"; echo started; exec sleep 600'


@contextlib.contextmanager
def session_on(server, **changes):
    session = SshTransport().connect(server.board(**changes))
    try:
        yield session
    finally:
        session.close()


@contextlib.contextmanager
def meanwhile(work):
    """`work` in a thread, whose error is the test's."""
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(work)
        yield
        future.result(300)


def big_file(path: Path, size: int = 100_000_000) -> Path:
    with path.open("wb") as stream:
        for _ in range(size // 1_000_000):
            stream.write(os.urandom(1_000_000))
    return path


def parts(server: LoopbackSshd) -> list[Path]:
    return list((server.home / "npu bench").glob("*/.part-*"))


@contextlib.contextmanager
def without_end(source: Path):
    """A pipe of `source`'s name that gives its bytes and then waits.

    Its upload is still going on whenever a test gets to break it: a whole one would leave the whole file.
    """
    pipe = source.parent / "without end" / source.name
    pipe.parent.mkdir()
    os.mkfifo(pipe)
    over = threading.Event()

    def feed():
        with contextlib.suppress(BrokenPipeError), pipe.open("wb") as stream:
            stream.write(source.read_bytes())
            stream.flush()
            over.wait()

    with meanwhile(feed):
        try:
            yield pipe
        finally:
            over.set()
            # Where nothing has opened the pipe, what feeds it still waits for a reader.
            os.close(os.open(pipe, os.O_RDONLY | os.O_NONBLOCK))


def upload_has_begun(server):
    wait_until(lambda: any(_size(part) > 1_000_000 for part in parts(server)), "the upload's beginning")


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def test_the_whole_tree_ends_at_the_deadline(ssh_session, tmp_path):
    pid_file = tmp_path / "pid"
    inner = f"echo before; setsid sh -c '{SLEEPER}' x {pid_file} & wait"
    done = long_enough(lambda limit_s: ssh_session.run(["sh", "-c", inner], limit_s), pid_file.exists)
    assert done.timed_out
    assert done.returncode < 0
    assert "before" in done.output
    wait_until(lambda: not is_alive(pid_in(pid_file)), "the process's end")
    assert ssh_session.run(["echo", "again"], 300).output == "again\n"


def test_what_a_command_leaves_behind_is_ended_and_not_waited_for(ssh_session, tmp_path):
    pid_file = tmp_path / "pid"
    script = f"sh -c '{SLEEPER}' x {pid_file} & echo done"
    done = ssh_session.run(["sh", "-c", script], 600)
    assert (done.returncode, done.timed_out) == (0, False)
    assert done.duration_s < 300
    wait_until(lambda: not is_alive(pid_in(pid_file)), "the process's end")


def test_a_command_that_closes_its_output_is_waited_for(ssh_session):
    done = ssh_session.run(["sh", "-c", "exec >&- 2>&-; sleep 1; exit 7"], 300)
    assert (done.returncode, done.timed_out) == (7, False)


def test_a_stop_ends_the_remote_command_at_once(ssh_session, tmp_path):
    pid_file = tmp_path / "pid"

    def stop():
        pid_in(pid_file)
        process.stop()

    with meanwhile(stop), pytest.raises(Interrupted):
        ssh_session.run(["sh", "-c", SLEEPER, "x", str(pid_file)], 600)
    wait_until(lambda: not is_alive(pid_in(pid_file)), "the process's end")


def test_a_stop_ends_an_upload_and_leaves_no_file(ssh_session, loopback_sshd, tmp_path):
    source = big_file(tmp_path / "model.bin")
    sha256 = sha256_of_file(source)

    def stop():
        upload_has_begun(loopback_sshd)
        process.stop()

    with without_end(source) as pipe, meanwhile(stop), pytest.raises(Interrupted):
        ssh_session.put(pipe, sha256)
    wait_until(lambda: not parts(loopback_sshd), "the removal of the part")
    assert not list((loopback_sshd.home / "npu bench").glob("*/model.bin"))


def test_a_killed_npubench_leaves_no_half_file_and_no_process(loopback_sshd, own_config, tmp_path):
    source = big_file(tmp_path / "model.bin")
    sha256 = sha256_of_file(source)
    script = (
        "import sys; from pathlib import Path; from npubench.domain.specs import BoardSpec;"
        "from npubench.boards.ssh.transport import SshTransport;"
        f"board = BoardSpec('b', 'b', 'c', 'ssh', 'f', (), transport_options={loopback_sshd.options()!r});"
        "session = SshTransport().connect(board);"
        f"session.put(Path(sys.argv[1]), {sha256!r})"
    )
    with without_end(source) as pipe:
        victim = subprocess.Popen([sys.executable, "-c", script, str(pipe)])
        upload_has_begun(loopback_sshd)
        victim.send_signal(signal.SIGKILL)
        victim.wait()
    wait_until(lambda: not parts(loopback_sshd), "the removal of the part")
    assert not list((loopback_sshd.home / "npu bench").glob("*/model.bin"))
    with session_on(loopback_sshd) as session:
        path = session.put(source, sha256)
    assert sha256_of_file(Path(path)) == sha256


def test_a_command_of_a_killed_npubench_is_ended_by_the_next(loopback_sshd, own_config, tmp_path):
    pid_file = tmp_path / "pid"
    script = (
        "import sys; from npubench.domain.specs import BoardSpec;"
        "from npubench.boards.ssh.transport import SshTransport;"
        f"board = BoardSpec('b', 'b', 'c', 'ssh', 'f', (), transport_options={loopback_sshd.options()!r});"
        f"SshTransport().connect(board).run(['sh', '-c', {SLEEPER!r}, 'x', {str(pid_file)!r}], 600)"
    )
    victim = subprocess.Popen([sys.executable, "-c", script])
    pid = pid_in(pid_file)
    victim.send_signal(signal.SIGKILL)
    victim.wait()
    assert is_alive(pid)
    with session_on(loopback_sshd):
        assert not is_alive(pid)


def test_a_process_of_an_open_session_is_let_be(loopback_sshd, tmp_path):
    pid_file = tmp_path / "pid"
    with session_on(loopback_sshd) as first:
        work = threading.Thread(target=first.run, args=(["sh", "-c", SLEEPER, "x", str(pid_file)], 600))
        work.start()
        pid = pid_in(pid_file)
        with session_on(loopback_sshd):
            assert is_alive(pid)
        os.kill(pid, signal.SIGKILL)
        work.join(300)
    assert not work.is_alive()


def test_a_board_that_hangs_during_a_command_is_lost(loopback_sshd, tmp_path):
    pid_file = tmp_path / "pid"
    with session_on(loopback_sshd) as session:

        def hang():
            pid_in(pid_file)
            loopback_sshd.freeze()

        with meanwhile(hang), pytest.raises(BoardLostError, match="has not answered for"):
            session.run(["sh", "-c", SLEEPER, "x", str(pid_file)], 600)
        with pytest.raises(BoardLostError):
            session.run(["true"], 600)


def test_a_board_that_hangs_during_an_upload_is_lost(loopback_sshd, tmp_path):
    source = big_file(tmp_path / "model.bin")
    sha256 = sha256_of_file(source)
    with session_on(loopback_sshd) as session:

        def hang():
            upload_has_begun(loopback_sshd)
            loopback_sshd.freeze()

        lost = pytest.raises(BoardLostError, match="has not answered for")
        with without_end(source) as pipe, meanwhile(hang), lost:
            session.put(pipe, sha256)


def test_a_short_blip_is_survived(loopback_sshd, tmp_path):
    pid_file = tmp_path / "pid"
    with session_on(loopback_sshd, keepalive_s=5.0) as session:

        def blip():
            pid_in(pid_file)
            loopback_sshd.freeze()
            threading.Event().wait(1.0)
            loopback_sshd.thaw()

        with meanwhile(blip):
            script = 'echo $$ > "$1"; sleep 2; echo done'
            done = session.run(["sh", "-c", script, "x", str(pid_file)], 300)
    assert (done.returncode, done.output) == (0, "done\n")


def test_a_dropped_connection_is_a_loss_and_its_command_is_ended_at_the_next(loopback_sshd, tmp_path):
    pid_file = tmp_path / "pid"
    with session_on(loopback_sshd) as session:

        def drop():
            pid_in(pid_file)
            loopback_sshd.drop_sessions()

        with meanwhile(drop), pytest.raises(BoardLostError):
            session.run(["sh", "-c", SLEEPER, "x", str(pid_file)], 600)
    pid = pid_in(pid_file)
    assert is_alive(pid)
    with session_on(loopback_sshd):
        assert not is_alive(pid)


def test_a_connection_dropped_during_an_upload_leaves_no_file(loopback_sshd, tmp_path):
    source = big_file(tmp_path / "model.bin")
    sha256 = sha256_of_file(source)
    with session_on(loopback_sshd) as session:

        def drop():
            upload_has_begun(loopback_sshd)
            loopback_sshd.drop_sessions()

        with without_end(source) as pipe, meanwhile(drop), pytest.raises(BoardLostError):
            session.put(pipe, sha256)
    wait_until(lambda: not parts(loopback_sshd), "the removal of the part")
    assert not list((loopback_sshd.home / "npu bench").glob("*/model.bin"))


def test_a_server_that_is_down_refuses(loopback_sshd):
    loopback_sshd.stop()
    with pytest.raises(UnreachableError, match="Connection refused"):
        SshTransport().connect(loopback_sshd.board())


def test_a_board_that_hangs_before_the_connection_sends_no_banner(loopback_sshd):
    loopback_sshd.freeze()
    with pytest.raises(UnreachableError, match="no SSH banner"):
        SshTransport().connect(loopback_sshd.board(banner_timeout_s=0.5))


def test_a_banner_that_never_comes(own_config, tmp_path):
    server = LoopbackSshd(tmp_path / "sshd")
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", server.port))
        silent.listen()
        with pytest.raises(UnreachableError, match="no SSH banner"):
            SshTransport().connect(server.board(banner_timeout_s=0.5))


def test_another_service_is_not_taken_for_ssh(own_config, tmp_path):
    server = LoopbackSshd(tmp_path / "sshd")
    with socket.socket() as other:
        other.bind(("127.0.0.1", server.port))
        other.listen()

        def greet():
            connection, _ = other.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        with meanwhile(greet), pytest.raises(UnreachableError, match="no SSH banner"):
            SshTransport().connect(server.board())


def test_an_unknown_host_name(loopback_sshd):
    with pytest.raises(UnreachableError, match=r"transport_options\.host"):
        SshTransport().connect(loopback_sshd.board(host="no-such-board.invalid"))


def test_a_stop_ends_the_connecting(own_config, tmp_path):
    server = LoopbackSshd(tmp_path / "sshd")
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", server.port))
        silent.listen()
        threading.Timer(0.3, process.stop).start()
        try:
            with pytest.raises(Interrupted):
                SshTransport().connect(server.board(banner_timeout_s=600.0))
        finally:
            process.reset()


def test_a_board_that_reboots_is_waited_for(loopback_sshd, monkeypatch):
    boards = SshTransport()
    boards.connect(loopback_sshd.board()).close()
    loopback_sshd.stop()
    # It comes back once it has been found away.
    monkeypatch.setattr(transport, "pause", lambda seconds: loopback_sshd.start())
    session = boards.connect(loopback_sshd.board())
    assert session.run(["echo", "back"], 300).output == "back\n"
    session.close()


def test_waiting_for_a_board_ends_and_is_not_repeated(loopback_sshd, monkeypatch):
    pauses = []
    monkeypatch.setattr(transport, "pause", lambda seconds: (pauses.append(seconds), process.pause(seconds)))
    boards = SshTransport()
    board = loopback_sshd.board(reboot_wait_s=3.0)
    boards.connect(board).close()
    loopback_sshd.stop()
    started = time.monotonic()
    with pytest.raises(UnreachableError):
        boards.connect(board)
    assert time.monotonic() - started >= 3.0
    assert pauses
    pauses.clear()
    with pytest.raises(UnreachableError):
        boards.connect(board)
    assert not pauses


def test_a_file_that_is_not_the_one_meant_is_refused(ssh_session, loopback_sshd, tmp_path):
    source = tmp_path / "model.bin"
    source.write_bytes(b"other")
    with pytest.raises(TransferError, match="is not the file with SHA-256"):
        ssh_session.put(source, "0" * 64)
    assert not parts(loopback_sshd)


def test_a_file_that_was_damaged_on_the_board_is_sent_again(loopback_sshd, tmp_path):
    source = tmp_path / "model.bin"
    source.write_bytes(os.urandom(100_000))
    sha256 = sha256_of_file(source)
    with session_on(loopback_sshd) as session:
        path = Path(session.put(source, sha256))
    path.write_bytes(source.read_bytes()[:50_000])
    with session_on(loopback_sshd) as session:
        assert Path(session.put(source, sha256)).read_bytes() == source.read_bytes()


def test_a_file_that_the_board_has_is_not_sent_again(loopback_sshd, tmp_path):
    source = tmp_path / "model.bin"
    source.write_bytes(os.urandom(100_000))
    sha256 = sha256_of_file(source)
    with session_on(loopback_sshd) as session:
        path = Path(session.put(source, sha256))
    before = path.stat()
    with session_on(loopback_sshd) as session:
        assert Path(session.put(source, sha256)) == path
    after = path.stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_a_folder_that_cannot_be_written(loopback_sshd, tmp_path):
    source = tmp_path / "model.bin"
    source.write_bytes(b"x")
    with (
        session_on(loopback_sshd, remote_dir="/etc/passwd/npubench") as session,
        pytest.raises(TransferError, match=r"transport_options\.remote_dir"),
    ):
        session.put(source, sha256_of_file(source))


@pytest.mark.parametrize("name", ["missing", "."])
def test_what_cannot_be_fetched(ssh_session, loopback_sshd, tmp_path, name):
    target = tmp_path / "back"
    target.write_text("old")
    with pytest.raises(TransferError, match="was not fetched"):
        ssh_session.get(Path(loopback_sshd.home) / name, target)
    assert target.read_text() == "old"
    assert not list(tmp_path.glob(".part*"))


@pytest.fixture
def small_disk(loopback_sshd):
    """A file system of 4 MiB on the board."""
    folder = loopback_sshd.home / "npu bench"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=4m", "none", str(folder)]
    if os.getuid() != 0 or subprocess.run(command, check=False, capture_output=True).returncode != 0:
        pytest.skip("mounting a small file system needs root and a system that allows it")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_too_little_space_is_told_before_anything_is_sent(small_disk, loopback_sshd, tmp_path):
    source = big_file(tmp_path / "model.bin", 8_000_000)
    with session_on(loopback_sshd) as session:
        with pytest.raises(TransferError, match=r"MiB are needed and .* has 4 MiB free"):
            session.put(source, sha256_of_file(source))
        small = tmp_path / "small.bin"
        small.write_bytes(b"x" * 1000)
        session.put(small, sha256_of_file(small))


def test_a_disk_that_fills_during_the_upload(small_disk, tmp_path, own_config):
    programs = tmp_path / "programs"
    programs.mkdir()
    lying = programs / "df"
    lying.write_text("#!/bin/sh\necho 'none 99999999 0 99999999 0% /x'\n")
    lying.chmod(0o755)
    source = big_file(tmp_path / "model.bin", 8_000_000)
    with running(tmp_path / "second", path=f"{programs}:/usr/bin:/bin") as server:
        server.trust()
        with session_on(server, remote_dir=str(small_disk)) as session:
            with pytest.raises(TransferError, match="the board's disk is full"):
                session.put(source, sha256_of_file(source))
            assert not list(small_disk.glob("*/.part-*"))
            assert not list(small_disk.glob("*/model.bin"))
            assert session.run(["echo", "there"], 300).output == "there\n"


def test_output_of_100_mb_is_bounded_and_told(ssh_session, tmp_path):
    log = tmp_path / "log"
    done = ssh_session.run(["sh", "-c", "echo first; head -c 100000000 /dev/zero; echo last"], 120, log)
    assert done.returncode == 0
    assert done.truncated
    assert done.output.startswith("first\n")
    assert done.output.endswith("last\n")
    assert len(done.output) < 5 * 1024 * 1024
    assert log.stat().st_size < 17 * 1024 * 1024
    assert b"npubench left" in log.read_bytes()


def test_output_that_is_no_text(ssh_session, tmp_path):
    log = tmp_path / "log"
    binary = bytes(range(256)) * 64
    (tmp_path / "binary").write_bytes(binary)
    done = ssh_session.run(["cat", str(tmp_path / "binary")], 20, log)
    assert done.output == binary.decode("utf-8", "replace")
    assert log.read_bytes() == binary


def test_facts_are_those_of_the_board(ssh_session):
    state = ssh_session.facts()
    assert state.hostname == os.uname().nodename
    assert state.kernel == os.uname().release
    assert state.cores == os.cpu_count()
    assert state.memory_total_bytes
    assert state.extra["board_time"].startswith("20")


def test_what_is_old_goes_at_the_first_file_of_a_session(loopback_sshd, tmp_path):
    old = loopback_sshd.home / "npu bench" / ("a" * 64)
    new = loopback_sshd.home / "npu bench" / ("b" * 64)
    foreign = loopback_sshd.home / "npu bench" / "mine"
    for folder, age_s in ((old, 90_000), (new, 10)):
        folder.mkdir(parents=True)
        (folder / ".used").write_text(f"{int(time.time()) - age_s} 100\n")
    foreign.mkdir()
    source = tmp_path / "model.bin"
    source.write_bytes(b"x")
    with session_on(loopback_sshd, keep_s=86_400) as session:
        session.put(source, sha256_of_file(source))
        assert (old.exists(), new.exists(), foreign.exists()) == (False, True, True)
        assert {entry.sha256 for entry in session.clean(0, 0)} == {"b" * 64, sha256_of_file(source)}
        assert Path(session.put(source, sha256_of_file(source))).read_bytes() == b"x"


def test_thousands_of_old_files_go(ssh_session, loopback_sshd):
    folder = loopback_sshd.home / "npu bench"
    for number in range(3000):
        (folder / f"{number:064x}").mkdir(parents=True)
        (folder / f"{number:064x}" / ".used").write_text("1 1\n")
    assert len(ssh_session.clean(60.0, 4096)) == 3000
    assert list(folder.iterdir()) == []


class BreakingChannel:
    """A channel whose connection breaks under a `send`, as paramiko tells it: by EOFError."""

    def settimeout(self, timeout):
        pass

    def send(self, data):
        raise EOFError

    def shutdown_write(self):
        raise EOFError


def test_a_connection_that_breaks_under_a_send_is_told_by_the_answer(loopback_sshd, tmp_path):
    connection = connect(settings(loopback_sshd.board()), "loopback")
    source = tmp_path / "model.bin"
    for content in (b"x", b""):
        source.write_bytes(content)
        transfer._pour(connection, BreakingChannel(), source)
    with pytest.raises(BoardLostError, match="was lost"), command.opened(connection, b"true", 20):
        raise EOFError
    connection.close()
