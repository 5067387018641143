"""`npubench run` over a real OpenSSH server with real conversions: OpenVINO's own tool, and an emulated Rockchip."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from npubench.boards.ssh import hostkeys
from npubench.tools.environments import installer
from tests.emulated_pair import EMULATORS, QUICK, onnx_file, toml
from tests.integration.ssh_server import running

pytestmark = pytest.mark.toolchains


@pytest.fixture
def run(tmp_path):
    """Rows of `npubench run` on a board of the test's own, which is behind SSH."""
    with running(tmp_path / "sshd") as server:
        folder = tmp_path / "config/npubench/boards"
        folder.mkdir(parents=True)
        known = folder.parent / hostkeys.own_file().name
        hostkeys.remember(server.name, server.public_key, known)
        env = {**os.environ, "XDG_CONFIG_HOME": str(tmp_path / "config")}
        env.pop("SSH_AUTH_SOCK", None)

        def npubench(*words: str) -> str:
            argv = [sys.executable, "-m", "npubench", *map(str, words), "--out", str(tmp_path / "out")]
            done = subprocess.run(argv, capture_output=True, text=True, timeout=600, env=env)
            assert "Traceback" not in done.stderr, done.stderr
            return done.stdout

        def rows(base: str, **options):
            table = {"name": "mine", "base": base, "transport": "ssh", "emulated": True}
            table |= {"transport_options": server.options(), "backend_options": options}
            (folder / "mine.toml").write_text(toml(table))
            model = onnx_file(tmp_path / "a.onnx")
            npubench("run", *QUICK, "--board", "mine", "--precision", "int8", model)
            return json.loads(npubench("results", "--json"))

        yield rows


def installed(name: str) -> Path:
    return installer.install(name, print).path


def test_openvino_s_own_benchmark_app(run):
    app = installed("openvino") / "bin/benchmark_app"
    (row,) = run("openvino-cpu", benchmark_app=str(app))
    assert (row["status"], row["kind"], row["details"]["execution_devices"]) == ("ok", "measured", ["CPU"]), (
        row["failure"]
    )
    assert row["latency_us"]["mean"] > 0
    assert row["latency_us"]["p50"] is None


def test_an_emulated_rknn_benchmark_on_what_rknn_really_made(run, tmp_path):
    installed("rknn")
    tool = tmp_path / "rknn_benchmark"
    # The real artifact has no time in it for the emulator to read.
    tool.write_text((EMULATORS / tool.name).read_text().replace("model=$1\n", "model=$1\nus=2500\n"))
    shutil.copymode(EMULATORS / tool.name, tool)
    (row,) = run("rk3588", rknn_benchmark=str(tool))
    assert (row["status"], row["kind"], row["emulated"]) == ("ok", "measured", True), row["failure"]
    assert row["placement"] == {"Conv": "NPU"}
    assert row["latency_us"]["min"] == 2500
    assert row["estimate"]["kind"] == "simulated"


def test_without_the_tool_the_row_says_how_to_set_its_path(run):
    installed("rknn")
    (row,) = run("rk3588")
    assert row["failure"]["class"] == "tool_missing"
    assert "backend_options.rknn_benchmark" in row["failure"]["message"]
