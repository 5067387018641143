"""`virtual-a7` while it is off: what a run says, and what it keeps."""

import os

import pytest

from tests.integration.test_cli_run import npubench, rows


@pytest.fixture
def env(tmp_path):
    folders = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "XDG_CONFIG_HOME": str(tmp_path / "config")}
    return {**os.environ, **folders}


def test_a_run_says_how_to_start_it(tmp_path, env):
    out = tmp_path / "out"
    words = ("--board", "virtual-a7", "--stages", "cpu", "--cpu-tool", "megpeak")
    done = npubench("run", *words, "--out", out, env=env)
    assert done.returncode == 4
    assert "Traceback" not in done.stderr
    (row,) = rows(out)
    assert (row["failure"]["stage"], row["failure"]["class"]) == ("transfer", "board_unreachable")
    assert "npubench board virtual start" in row["failure"]["message"]
    assert row["emulated"] is True


@pytest.mark.parametrize("command", ["check", "clean", "trust"])
def test_the_other_commands_say_so_too(tmp_path, env, command):
    done = npubench("board", command, "virtual-a7", env=env)
    assert done.returncode == 4
    (line,) = done.stderr.splitlines()
    assert "npubench board virtual start" in line


def test_it_is_listed_as_what_it_is(env):
    listed = npubench("list", "boards", env=env).stdout
    (line,) = [line for line in listed.splitlines() if line.startswith("virtual-a7")]
    assert "QEMU" in line
