"""SIGKILL of npubench in the middle of a run of 30 cases, then the same command again."""

import json
import os
import signal
import sqlite3
import subprocess
from collections import Counter

import pytest

from npubench.identity import sha256_of_file
from tests.emulated_pair import QUICK, Pair, onnx_file
from tests.integration.ssh_server import wait_until

CASES = 30


@pytest.fixture
def pair(tmp_path):
    pair = Pair(tmp_path)
    pair.board(backend_options={"simulate": False})
    (pair.opt / "run_joint.calls").touch()
    (tmp_path / "builds").touch()
    pair.env["EMULATED_PULSAR_CALLS"] = str(tmp_path / "builds")
    pair.models = [onnx_file(tmp_path / f"case{n:02}.onnx", seed=n) for n in range(CASES)]
    return pair


def command(pair):
    return pair.argv(
        "run", *QUICK, "--board", "axera-pi", "--jobs", "3", "--json", "--out", pair.out, *pair.models
    )


def rows(pair):
    """Every row there is, as (case, sha256 of the model, final), oldest first."""
    if not (pair.out / "results.db").is_file():
        return []
    try:
        with sqlite3.connect(f"file:{pair.out / 'results.db'}?mode=ro", uri=True) as connection:
            found = connection.execute("SELECT case_name, row, final FROM results ORDER BY id").fetchall()
    except sqlite3.OperationalError:
        return []
    return [(case, json.loads(row)["onnx_sha256"], final) for case, row, final in found]


def lines(path):
    return path.read_text().split()


def kill_when(pair, condition):
    """Start the run, and SIGKILL it at the moment the condition holds; whether it was still running."""
    started = subprocess.Popen(command(pair), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=pair.env)
    wait_until(lambda: condition() or started.poll() is not None, "the moment to kill", 120)
    running = started.poll() is None
    os.kill(started.pid, signal.SIGKILL)
    started.communicate()
    return running


MOMENTS = {
    "before the first build": lambda pair: (pair.out / "lock").is_file(),
    "in the first build": lambda pair: lines(pair.root / "builds"),
    "in the first measurement": lambda pair: lines(pair.opt / "run_joint.calls"),
    "after the first row": lambda pair: len(rows(pair)) >= 1,
    "after ten rows": lambda pair: len(rows(pair)) >= 10,
    "after the last build": lambda pair: len(lines(pair.root / "builds")) == CASES,
    "before the last row": lambda pair: len(rows(pair)) >= CASES - 1,
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_the_same_command_finishes_what_a_killed_run_began(pair, moment):
    assert kill_when(pair, lambda: MOMENTS[moment](pair)), "it ended before it was killed"
    finish_and_check(pair)


def test_killed_again_and_again(pair):
    for goal in range(2, CASES, 7):
        kill_when(pair, lambda goal=goal: len(rows(pair)) >= goal)
    finish_and_check(pair)


def finish_and_check(pair):
    kept = rows(pair)
    finished = {sha256 for _, sha256, final in kept if final}
    calls_before = Counter(lines(pair.opt / "run_joint.calls"))
    builds_before = Counter(lines(pair.root / "builds"))
    done = subprocess.run(command(pair), capture_output=True, text=True, env=pair.env, timeout=300)
    assert done.returncode == 0, done.stderr
    after = rows(pair)
    assert after[: len(kept)] == kept
    final = Counter(case for case, _, is_final in after if is_final)
    assert final == Counter({f"case{n:02}": 1 for n in range(CASES)})
    calls = Counter(lines(pair.opt / "run_joint.calls")) - calls_before
    builds = Counter(lines(pair.root / "builds")) - builds_before
    assert not finished & set(calls), "a case ran again after it had finished"
    assert not finished & set(builds)
    assert set(calls) == {sha256 for _, sha256, _ in after} - finished
    for folder in ("onnx", "artifacts"):
        for one in (pair.out / folder).iterdir():
            # A build that was repeated keeps what it left beside the same artifact in a folder of its own.
            sha256, _, _ = one.name.partition("-")
            assert sha256_of_file(next(one.glob("*.onnx" if folder == "onnx" else "*.joint"))) == sha256
    assert list((pair.out / "tmp").iterdir()) == []
    assert (pair.out / "report.html").read_text().rstrip().endswith("-->")
