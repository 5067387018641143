"""SIGKILL of npubench in the middle of a run, then the same command again.

Emulated tools wait at a gate for the kill, so that every moment comes, however fast or busy the machine.
"""

import json
import os
import signal
import sqlite3
import subprocess
from collections import Counter
from dataclasses import dataclass

import pytest

from npubench.storage.hashing import sha256_of_file
from tests.emulated_pair import QUICK, Pair
from tests.integration.ssh_server import wait_until

CASES = (
    *("conv3s1p1d1ic3oc1g1", "conv3s1p0d1ic3oc1g1.argmin", "add_1x3x112x112", "gemm_1x3x112x112"),
    *("concat_1x3x112x112", "softmax_1x3x112x112", "flatten_1x3x112x112", "transpose_1x3x112x112"),
)


@pytest.fixture
def pair(tmp_path):
    pair = Pair(tmp_path)
    pair.board(backend_options={"simulate": False})
    (pair.opt / "run_joint.calls").touch()
    (tmp_path / "builds").touch()
    pair.env["EMULATED_PULSAR_CALLS"] = str(tmp_path / "builds")
    return pair


def words(pair):
    return "run", *QUICK, "--board", "axera-pi", "--jobs", "3", "--json", "--out", pair.out, *CASES


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


@dataclass(frozen=True)
class Moment:
    """So many builds, calls of the runner and rows; what comes next waits until npubench is dead."""

    builds: int = 0
    calls: int = 0
    rows: int = 0

    def reached(self, pair):
        return (
            (pair.out / "lock").is_file()
            and len(lines(pair.root / "builds")) >= self.builds
            and len(lines(pair.opt / "run_joint.calls")) >= self.calls
            and len(rows(pair)) >= self.rows
        )


def kill_at(pair, moment):
    """Start the run, and SIGKILL it at that moment."""
    builds, calls = pair.root / "builds.hold", pair.opt / "run_joint.hold"
    if moment.builds <= 1 and not moment.calls:
        builds.touch()
    calls.write_text(f"{max(1, moment.calls)}\n")
    started = subprocess.Popen(
        pair.argv(*words(pair)), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=pair.env
    )
    wait_until(lambda: moment.reached(pair) or started.poll() is not None, "the moment to kill", 300)
    assert started.poll() is None, "it ended before it was killed"
    os.kill(started.pid, signal.SIGKILL)
    started.communicate()
    builds.unlink(missing_ok=True)
    calls.unlink()


MOMENTS = {
    "before the first build": Moment(),
    "in the first build": Moment(builds=1),
    "in the first measurement": Moment(calls=1),
    "after the first row": Moment(calls=2, rows=1),
    "in the middle": Moment(calls=4, rows=3),
    "after the last build": Moment(builds=len(CASES), calls=1),
    "before the last row": Moment(calls=len(CASES), rows=len(CASES) - 1),
}
QUICKLY_SHOWN = {"in the first build", "in the middle"}


@pytest.mark.parametrize(
    "moment",
    [pytest.param(one, marks=() if one in QUICKLY_SHOWN else pytest.mark.slow) for one in MOMENTS],
)
def test_the_same_command_finishes_what_a_killed_run_began(pair, moment):
    kill_at(pair, MOMENTS[moment])
    finish_and_check(pair)


@pytest.mark.slow
def test_killed_again_and_again(pair):
    for goal in range(1, len(CASES), 2):
        # A call of before that was killed does not count as a row.
        calls = len(lines(pair.opt / "run_joint.calls"))
        kill_at(pair, Moment(calls=calls + goal - len(rows(pair)) + 1, rows=goal))
    finish_and_check(pair)


def finish_and_check(pair):
    kept = rows(pair)
    finished = {sha256 for _, sha256, final in kept if final}
    calls_before = Counter(lines(pair.opt / "run_joint.calls"))
    builds_before = Counter(lines(pair.root / "builds"))
    done = pair.npubench(*words(pair))
    assert done.returncode == 0, done.stderr
    after = rows(pair)
    assert after[: len(kept)] == kept
    final = Counter(case for case, _, is_final in after if is_final)
    assert final == Counter(dict.fromkeys(CASES, 1))
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
