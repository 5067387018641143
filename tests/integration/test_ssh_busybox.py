"""A board that has nothing but busybox: the real one, as shell and as every program."""

import contextlib
import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from npubench.boards.ssh.transport import SshTransport
from npubench.domain.errors import BoardLostError
from npubench.storage.hashing import sha256_of_file
from tests.deadlines import long_enough
from tests.integration.ssh_server import is_alive, pid_in, running, wait_until


@contextlib.contextmanager
def busybox_server(folder: Path):
    """A server whose commands run in busybox ash and find only busybox."""
    busybox = shutil.which("busybox")
    if busybox is None:
        pytest.skip("busybox is not installed: tests/system-packages.sh installs it")
    programs = folder / "programs"
    programs.mkdir()
    names = subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True).stdout.split()
    for name in names:
        (programs / name).symlink_to(busybox)
    shell = f'ForceCommand exec {programs / "sh"} -c "$SSH_ORIGINAL_COMMAND"'
    with running(folder / "sshd", shell, path=str(programs)) as server:
        server.trust()
        yield server


@contextlib.contextmanager
def busybox_board(folder: Path):
    """A session on such a server."""
    with busybox_server(folder) as server:
        session = SshTransport().connect(server.board())
        try:
            yield session
        finally:
            session.close()


@pytest.fixture
def board(tmp_path, own_config):
    with busybox_board(tmp_path) as session:
        yield session


def test_only_busybox_is_there(board):
    assert board.run(["python3", "-c", "1"], 300).returncode == 127
    assert "BusyBox" in board.run(["sh", "--help"], 300).output


def test_it_has_all_that_is_needed(board):
    findings = board.check()
    assert findings.problems == ()
    assert findings.free_bytes


def test_files_go_there_and_back(board, tmp_path):
    source = tmp_path / "a model's $(name).bin"
    source.write_bytes(os.urandom(2_000_000))
    source.chmod(0o755)
    path = board.put(source, sha256_of_file(source))
    assert os.access(path, os.X_OK)
    board.get(path, tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == source.read_bytes()
    assert len(board.clean(0, 0)) == 1
    assert not Path(path).exists()


def test_facts(board):
    state = board.facts()
    assert state.hostname == os.uname().nodename
    assert state.cores == os.cpu_count()
    assert state.extra["board_time"]


def test_a_signal_is_told(board):
    assert board.run(["sh", "-c", "kill -9 $$"], 300).returncode in (-9, 137)


def test_the_tree_ends_at_the_deadline(board, tmp_path):
    pid_file = tmp_path / "pid"
    script = f'setsid sh -c \'trap "" HUP; echo $$ > "$1"; exec sleep 600\' x {pid_file} & wait'
    done = long_enough(lambda limit_s: board.run(["sh", "-c", script], limit_s), pid_file.exists)
    assert done.timed_out
    wait_until(lambda: not is_alive(pid_in(pid_file)), "the process's end")


def test_what_an_earlier_session_left_is_ended(tmp_path, own_config):
    pid_file = tmp_path / "pid"
    script = 'trap "" HUP; echo $$ > "$1"; exec sleep 600'
    with busybox_server(tmp_path) as server:
        transport = SshTransport()
        session = transport.connect(server.board())
        with ThreadPoolExecutor(1) as pool:
            running_there = pool.submit(session.run, ["sh", "-c", script, "x", str(pid_file)], 600)
            pid = pid_in(pid_file)
            server.drop_sessions()
            with pytest.raises(BoardLostError):
                running_there.result(300)
        session.close()
        assert is_alive(pid)
        transport.connect(server.board()).close()
        assert not is_alive(pid)
