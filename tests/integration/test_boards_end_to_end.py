"""Boards from the command line: killed runs, two runs, another runner, wrong options; on real OpenSSH."""

import json
import os
import signal
import subprocess
import sys

import pytest

from npubench.boards.local import LocalSession
from npubench.boards.ssh.transport import SshTransport
from npubench.domain.errors import ExitCode
from npubench.domain.leases import own_claim
from tests.emulated_pair import EMULATORS, onnx_file
from tests.integration.ssh_server import is_alive, pid_in, running, wait_until
from tests.integration.test_axera_ssh import RemotePair

SLOW_RUNNER = """#!/bin/sh
echo $$ > "{pid}"
exec sleep 600
"""


@pytest.fixture
def pair(tmp_path, own_config):
    path = f"{EMULATORS}:{tmp_path / 'bin'}:/usr/local/bin:/usr/bin:/bin"
    with running(tmp_path / "sshd", path=path) as server:
        yield RemotePair(tmp_path, server)


def test_a_killed_run_leaves_nothing_and_the_next_proceeds(pair, tmp_path):
    pair.remote_board()
    model = onnx_file(tmp_path / "m.onnx")
    good = (pair.opt / "run_joint").read_bytes()
    (pair.opt / "run_joint").write_text(SLOW_RUNNER.format(pid=tmp_path / "pid"))
    started = pair.start("--board", "axera-pi", model)
    pid = pid_in(tmp_path / "pid")
    started.kill()
    started.communicate()
    wait_until(lambda: not is_alive(pid), "the runner's end without another contact")
    (pair.opt / "run_joint").write_bytes(good)
    done = pair.run("--board", "axera-pi", "--wait", "600", model)
    assert done.returncode == 0, done.stderr
    assert pair.by_case()["m"]["status"] == "ok"


def test_a_killed_run_leaves_no_converter_either(pair, tmp_path):
    pair.remote_board()
    (pair.bin / "pulsar").unlink()
    tool = pair.bin / "pulsar"
    inner = f"setsid sh -c 'echo $$ > {tmp_path}/inner; exec sleep 600' & wait"
    tool.write_text(f'#!/bin/sh\n[ "$1" = build ] || exit 0\necho $$ > {tmp_path}/outer\n{inner}\n')
    tool.chmod(0o755)
    started = pair.start("--board", "axera-pi", onnx_file(tmp_path / "m.onnx"))
    pids = [pid_in(tmp_path / name) for name in ("outer", "inner")]
    started.kill()
    started.communicate()
    wait_until(lambda: not any(map(is_alive, pids)), "the end of all that it started")


def test_a_second_run_says_who_holds_the_board_or_stops(pair, tmp_path, own_config):
    pair.remote_board()
    pair.server.trust()
    session = SshTransport().connect(pair.server.board("x"))
    assert session.take(own_claim("theirs")) is None
    model = onnx_file(tmp_path / "m.onnx")
    done = pair.run("--board", "axera-pi", "--wait", "0", model)
    assert done.returncode == ExitCode.BOARD
    assert "axera-pi is in use by" in done.stderr
    assert "(run theirs) since 20" in done.stderr
    assert "Traceback" not in done.stderr
    waiting = pair.start("--board", "axera-pi", model)
    line = next(line for line in waiting.stderr if "waiting for it" in line)
    assert "axera-pi is in use by" in line
    session.close()
    _, said = waiting.communicate(timeout=300)
    assert waiting.returncode == 0, said


def test_another_runner_makes_rows_old(pair, tmp_path):
    pair.remote_board()
    model = onnx_file(tmp_path / "m.onnx")
    calls = pair.calls()
    words = ("--board", "axera-pi", model)
    assert pair.run(*words).returncode == 0
    (row,) = pair.rows()
    assert row["tool_version"]["run_joint on the board"].startswith("sha256 ")
    once = len(calls.read_text().split())
    with (pair.opt / "run_joint").open("a") as stream:
        stream.write("# a newer one\n")
    done = pair.run(*words)
    assert "run_joint on axera-pi is another one than measured 1 of its rows" in done.stderr
    assert len(calls.read_text().split()) == 2 * once
    assert "1 done before" in pair.run(*words).stdout
    assert len(calls.read_text().split()) == 2 * once


@pytest.mark.slow
def test_finished_rows_stay_when_the_board_is_off(pair, tmp_path):
    pair.remote_board()
    model = onnx_file(tmp_path / "m.onnx")
    assert pair.run("--board", "axera-pi", model).returncode == 0
    pair.server.stop()
    done = pair.run("--board", "axera-pi", model)
    assert done.returncode == 0
    assert "its rows stay" in done.stderr


def test_a_board_is_contacted_before_the_first_conversion_ends(pair, tmp_path):
    pair.remote_board()
    (pair.opt / "run_joint").unlink()
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    tool = pair.bin / "pulsar"
    tool.unlink()
    tool.write_text(f'#!/bin/sh\n[ "$1" = build ] && cat {gate}\nexit 1\n')
    tool.chmod(0o755)
    started = pair.start("--board", "axera-pi", onnx_file(tmp_path / "m.onnx"))
    line = next(line for line in started.stderr if "run_joint" in line)
    assert "run_joint is not on axera-pi" in line
    gate.write_text("go on")
    started.communicate(timeout=300)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"transport_options": {"keepalive_s": -1}}, "transport_options.keepalive_s: must be"),
        ({"transport_options": {"prot": 22}}, "transport_options.prot: unknown key"),
        ({"backend_options": {"npu_mode": "7"}}, "backend_options.npu_mode must be"),
    ],
)
def test_wrong_options_are_told_before_anything_starts(pair, tmp_path, options, told):
    tables = {"transport_options": pair.server.options(), **options}
    pair.board("axera-pi", transport="ssh", **tables)
    done = pair.run("--board", "axera-pi", onnx_file(tmp_path / "m.onnx"))
    assert done.returncode == ExitCode.USAGE
    assert told in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (pair.out / "results.db").exists()


def test_this_machine_is_leased_whatever_the_folder(pair, tmp_path, monkeypatch):
    pair.env["NPUBENCH_LEASES"] = str(tmp_path / "leases")
    monkeypatch.setenv("NPUBENCH_LEASES", str(tmp_path / "leases"))
    pair.board()
    model = onnx_file(tmp_path / "m.onnx")
    lease = LocalSession()
    assert lease.take(own_claim("theirs")) is None
    assert "(run theirs) since" in str(LocalSession().holder())
    done = pair.run("--board", "axera-pi", "--wait", "0", model)
    assert done.returncode == ExitCode.BOARD
    assert "(run theirs)" in done.stderr
    lease.close()
    assert LocalSession().holder() is None
    assert pair.run("--board", "axera-pi", "--wait", "0", model).returncode == 0


@pytest.mark.slow
def test_a_wrong_mode_and_a_killed_runner_are_tried_again(pair, tmp_path):
    pair.remote_board()
    models = [onnx_file(tmp_path / "m.onnx")]
    fault = pair.opt / "run_joint.fault"
    fault.write_text("wrong_mode\n")
    pair.run("--board", "axera-pi", *models)
    assert pair.by_case()["m"]["failure"]["class"] == "wrong_npu_mode"
    fault.unlink()
    good = (pair.opt / "run_joint").read_bytes()
    (pair.opt / "run_joint").write_text("#!/bin/sh\nkill -9 $$\n")
    pair.run("--board", "axera-pi", *models)
    assert pair.by_case()["m"]["failure"]["class"] == "killed"
    (pair.opt / "run_joint").write_bytes(good)
    assert pair.run("--board", "axera-pi", *models).returncode == 0
    assert pair.by_case()["m"]["status"] == "ok"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize(
    "module", ["click", "npubench.cli.run", "npubench.engine.job", "npubench.storage.store"]
)
def test_a_signal_in_the_first_second_ends_in_130_with_a_line(tmp_path, module, number):
    code = f"""
import os, sys
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), {int(number)})
sys.meta_path.insert(0, Finder())
sys.argv = ["npubench", "run", "--board", "local", "--out", {str(tmp_path / "out")!r}, "relu*"]
from npubench.__main__ import start
start()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert done.returncode == ExitCode.INTERRUPTED, done.stderr
    assert done.stderr == "npubench: interrupted\n"


def test_what_nohup_lets_it_ignore_it_ignores(tmp_path):
    code = """
import os, signal, sys
signal.signal(signal.SIGHUP, signal.SIG_IGN)
sys.argv = ["npubench", "list", "boards", "--json"]
import npubench.cli
main = npubench.cli.main
npubench.cli.main = lambda: (os.kill(os.getpid(), signal.SIGHUP), main())[1]
from npubench.__main__ import start
start()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)
