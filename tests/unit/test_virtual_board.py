"""The parts of the virtual board that need no QEMU: archive, keys, command line, record, monitor."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npubench.boards.ssh.config import of_board, settings
from npubench.catalog import find_board
from npubench.cli.options import load_catalog
from npubench.domain.errors import BoardError, ToolchainError, UsageError
from npubench_virtual import control, cpio, image, keys, machine, places, programs, qemu
from npubench_virtual.qmp import QmpError, monitor
from npubench_virtual.transport import VirtualTransport, over_ssh

NAMES = st.text("abcdefghij._-", min_size=1, max_size=12).filter(lambda name: name not in {".", ".."})
FILES = st.dictionaries(
    st.lists(NAMES, min_size=1, max_size=3).map(lambda parts: PurePosixPath("d", *parts, "f")),
    st.tuples(st.sampled_from([0o600, 0o644, 0o755]), st.binary(max_size=20)),
    max_size=5,
)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "c a,che"))
    folder = places.machine()
    folder.mkdir(parents=True)
    return folder


def unpacked(archive):
    """name -> (mode, content), read by the format's own description, independent of the writer."""
    found, at = {}, 0
    while True:
        assert archive[at : at + 6] == b"070701"
        fields = [int(archive[at + 6 + 8 * i : at + 14 + 8 * i], 16) for i in range(13)]
        mode, size, name_size = fields[1], fields[6], fields[11]
        name = archive[at + 110 : at + 110 + name_size].rstrip(b"\0").decode()
        at = (at + 110 + name_size + 3) // 4 * 4
        content = archive[at : at + size]
        at = (at + size + 3) // 4 * 4
        if name == "TRAILER!!!":
            assert at == len(archive)
            return found
        assert name not in found
        found[name] = (mode, content)


@given(FILES)
def test_an_archive_holds_its_files_and_their_folders(files):
    found = unpacked(cpio.archive(files))
    for path, (mode, content) in files.items():
        assert found[str(path)] == (0o100000 | mode, content)
        for parent in list(path.parents)[:-1]:
            assert found[str(parent)][0] == 0o040755
    order = list(found)
    for name in order:
        assert all(order.index(str(p)) < order.index(name) for p in list(PurePosixPath(name).parents)[:-1])
    assert len(found) == len(files) + len({p for path in files for p in list(path.parents)[:-1]})


def test_keys_are_made_once_and_kept_to_their_owner(cache):
    keys.make(cache)
    first = {file.name: file.read_bytes() for file in cache.iterdir()}
    keys.make(cache)
    assert {file.name: file.read_bytes() for file in cache.iterdir()} == first
    for name in (keys.CLIENT_KEY, keys.HOST_KEY):
        assert (cache / name).stat().st_mode & 0o077 == 0
    files = keys.files(cache)
    dropbear = files[PurePosixPath("etc/npubench/dropbear_host_key")][1]
    assert dropbear[:19] == b"\0\0\0\x0bssh-ed25519\0\0\0\x40"
    assert dropbear[-32:] == keys.host_key(cache).blob[-32:]
    assert len(dropbear) == 19 + 64
    assert files[PurePosixPath("etc/npubench/authorized_keys")][1] == (cache / "client_key.pub").read_bytes()


def test_the_host_key_is_pinned_for_npubench_and_for_ssh(cache):
    keys.make(cache)
    keys.write_ssh_config(cache, 4711)
    board = find_board(load_catalog(()), "virtual-a7")
    endpoint = of_board(settings(over_ssh(board)))
    assert (endpoint.host, endpoint.port, endpoint.user) == ("127.0.0.1", 4711, "root")
    assert endpoint.keys == (cache / keys.CLIENT_KEY,)
    assert endpoint.only_these
    assert endpoint.name == keys.ALIAS
    assert cache / keys.KNOWN_HOSTS in endpoint.known_hosts
    told = subprocess.run(
        ["ssh", "-G", "-F", str(cache / keys.SSH_CONFIG), places.NAME],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "port 4711\n" in told
    assert f"identityfile {cache / keys.CLIENT_KEY}\n" in told
    assert f"userknownhostsfile {cache / keys.KNOWN_HOSTS} /dev/null\n" in told


def test_a_users_own_options_lie_over_the_machine(cache):
    keys.make(cache)
    keys.write_ssh_config(cache, 1)
    board = find_board(load_catalog(()), "virtual-a7")
    own = type(board)(
        **{**{f: getattr(board, f) for f in board.__slots__}, "transport_options": {"keepalive_s": 1.5}}
    )
    assert settings(over_ssh(own)).keepalive_s == 1.5


def test_a_board_that_was_never_started_says_how(cache):
    board = find_board(load_catalog(()), "virtual-a7")
    assert board.emulated
    with pytest.raises(BoardError, match="npubench board virtual start"):
        VirtualTransport().connect(board)
    keys.make(cache)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        keys.write_ssh_config(cache, unused.getsockname()[1])
        with pytest.raises(BoardError, match="npubench board virtual start"):
            VirtualTransport().connect(board)


def test_the_command_line_lets_the_guest_reach_only_the_forwarded_port(cache):
    wanted = qemu.Machine(cache, Path("/k"), Path("/i"), 5022, Path("/a,b/disk"))
    argv = wanted.argv("qemu-system-arm", Path("/a b/state"))
    assert "user,id=n0,restrict=on,hostfwd=tcp:127.0.0.1:5022-:22" in argv
    assert "if=none,id=disk,format=raw,cache=writeback,file=/a,,b/disk" in argv
    assert argv[argv.index("-incoming") + 1] == "exec:zstd -q -dc < '/a b/state'"
    assert argv[argv.index("-cpu") + 1] == "cortex-a7"
    assert "-incoming" not in wanted.argv("qemu-system-arm")
    assert "-drive" not in qemu.Machine(cache, Path("/k"), Path("/i"), 1).argv("q")


def test_only_a_living_process_of_the_same_start_counts(cache):
    (cache / qemu.PIDFILE).write_text(f"{os.getpid()}\n")
    up = machine.record(cache, "tiny", 4711)
    assert machine.find(cache) == up
    other = json.loads((cache / machine.RECORD).read_text()) | {"started_at": up.started_at + 1}
    (cache / machine.RECORD).write_text(json.dumps(other))
    assert machine.find(cache) is None
    assert machine.last(cache).port == 4711
    for text in ("", "{}", "[]", '{"pid": 1}', "null"):
        (cache / machine.RECORD).write_text(text)
        assert machine.find(cache) is None
    assert control.status() is None
    assert control.stop(print) is False


def test_a_port_is_kept_where_it_can_be_had():
    port = machine.free_port(None)
    assert machine.free_port(port) == port
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        assert machine.free_port(port) != port


def test_what_is_missing_comes_with_the_command_that_installs_it(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(programs, "SYSTEM_PATH", str(tmp_path))
    with pytest.raises(
        ToolchainError,
        match=r"qemu-system-arm and zstd, which are not here: apt-get install qemu-system-arm zstd$",
    ):
        programs.require(programs.RUN)
    programs.require({})


def test_start_without_qemu_is_one_line_and_exit_5(cache, tmp_path):
    env = {**os.environ, "PATH": str(tmp_path)}
    words = [sys.executable, "-m", "npubench", "board", "virtual", "start"]
    done = subprocess.run(words, capture_output=True, text=True, env=env)
    assert done.returncode == 5
    (line,) = done.stderr.splitlines()
    assert "apt-get install qemu-system-arm zstd" in line


def test_start_without_the_extra_s_package_is_one_line(cache, monkeypatch):
    monkeypatch.setattr(programs, "require", lambda _programs: None)
    monkeypatch.setitem(sys.modules, "qemu.qmp", None)
    with pytest.raises(
        ToolchainError, match=r"needs the package qemu\.qmp: pip install 'npubench\[virtual\]'"
    ):
        control.start("tiny", print)


def test_help_of_its_commands_loads_nothing_heavy():
    script = (
        "import sys; from npubench.cli import main; code = main(sys.argv[1:]);"
        "print([m for m in ('paramiko', 'numpy', 'asyncio', 'qemu') if m in sys.modules]); sys.exit(code)"
    )
    words = [sys.executable, "-c", script, "board", "virtual", "--help"]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("Usage: npubench board virtual")
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_cache_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").touch()
    env = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "file")}
    words = [sys.executable, "-m", "npubench", "board", "virtual"]
    done = subprocess.run([*words, "start"], capture_output=True, text=True, env=env)
    assert done.returncode == 5
    (line,) = done.stderr.splitlines()
    assert "XDG_CACHE_HOME" in line
    for command in ("stop", "status"):
        assert subprocess.run([*words, command], capture_output=True, env=env).returncode == 0


def test_an_unknown_image_names_those_there_are():
    with pytest.raises(UsageError, match="tiny, debian"):
        image.kind("fedora")


class Monitor:
    """Answers as QEMU's monitor does: a greeting, events in between, and what it was told to say."""

    def __init__(self, folder, *answers):
        self.asked = []
        self._sock = socket.socket(socket.AF_UNIX)
        here = Path.cwd()
        os.chdir(folder)
        self._sock.bind("monitor")
        os.chdir(here)
        self._sock.listen()
        self._thread = threading.Thread(target=self._serve, args=answers, daemon=True)
        self._thread.start()

    def _serve(self, *answers):
        connection, _ = self._sock.accept()
        with connection:
            connection.sendall(b'{"QMP": {"version": {}, "capabilities": []}}\n')
            for answer in ('"return": {}', *answers):
                asked = self._command(connection)
                self.asked.append(asked)
                # There are no events before capabilities are agreed on (QEMU, docs/interop/qmp-spec.txt).
                if asked["execute"] != "qmp_capabilities":
                    connection.sendall(b'{"event": "RESUME"}\n')
                number = f', "id": {json.dumps(asked["id"])}' if "id" in asked else ""
                connection.sendall(f"{{{answer}{number}}}\n".encode())

    def _command(self, connection):
        """The next command: clients need not end it with a line's end."""
        text = b""
        while True:
            text += connection.recv(4096) or b"null"
            with contextlib.suppress(ValueError):
                return json.loads(text)


def test_the_monitor_is_asked_and_its_events_passed_over(cache):
    served = Monitor(
        cache,
        '"return": {"status": "paused"}',
        '"error": {"class": "GenericError", "desc": "no such nic"}',
        "no json",
    )
    with monitor(cache, qemu.MONITOR) as qmp:
        assert qmp.command("query-status") == {"status": "paused"}
        with pytest.raises(QmpError, match="no such nic"):
            qmp.command("set_link", name="nic9", up=False)
        with pytest.raises(QmpError):
            qmp.command("stop")
        with pytest.raises(QmpError):
            qmp.command("cont")
    assert [asked["execute"] for asked in served.asked] == [
        "qmp_capabilities",
        "query-status",
        "set_link",
        "stop",
    ]
    assert served.asked[2]["arguments"] == {"name": "nic9", "up": False}


def test_a_state_that_cannot_be_written_is_an_error(cache):
    Monitor(cache, '"return": {}', '"return": {"status": "active"}', '"return": {"status": "failed"}')
    with monitor(cache, qemu.MONITOR) as qmp, pytest.raises(QmpError, match="failed"):
        qmp.migrated("exec:false", 10.0)


def test_no_monitor_is_told(cache):
    with pytest.raises(QmpError), monitor(cache, qemu.MONITOR):
        pass
    with pytest.raises(QmpError), monitor(cache / "none", qemu.MONITOR):
        pass
