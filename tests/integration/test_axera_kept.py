"""What Pulsar built is kept before it is simulated: a run that ends in between builds nothing again."""

import subprocess

import pytest

from tests.emulated_pair import Pair, onnx_file
from tests.integration.ssh_server import wait_until


@pytest.fixture
def pair(tmp_path):
    pair = Pair(tmp_path)
    pair.board()
    return pair


def test_a_run_killed_while_it_simulates_keeps_the_artifact(pair, tmp_path):

    tool = pair.bin / "pulsar"
    real = tool.resolve()
    tool.unlink()
    here = tmp_path / "simulating"
    tool.write_text(
        f'#!/bin/sh\necho "$1" >> {tmp_path}/calls\n'
        f'[ "$1" = run ] && [ ! -e {here}.over ] && {{ touch {here}; exec sleep 600; }}\nexec {real} "$@"\n'
    )
    tool.chmod(0o755)
    model = onnx_file(tmp_path / "m.onnx")
    quick = ("--warmup", "0", "--repeat", "3", "--min-duration", "0", "--rounds", "1")
    argv = pair.argv("run", *quick, "--out", pair.out, "--board", "axera-pi", model)
    started = subprocess.Popen(argv, env=pair.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until(here.exists, "the simulation")
    started.kill()
    started.communicate()
    (tmp_path / "simulating.over").touch()
    assert pair.run("--board", "axera-pi", model).returncode == 0
    calls = (tmp_path / "calls").read_text().split()
    assert calls.count("build") == 1
    assert calls.count("run") == 2
    row = pair.by_case()["m"]
    assert row["status"] == "ok"
    assert row["accuracy"]["kind"] == "simulated"
