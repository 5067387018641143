"""`npubench run` where nothing is named: without PyTorch, once, and its last lines say what comes next."""

import os
import sqlite3

import pytest

from npubench.catalog import load
from tests.commands import process

QUICK = ("--precision", "fp32", "--warmup", "0", "--repeat", "3", "--min-duration", "0", "--rounds", "1")


@pytest.fixture
def without_torch(tmp_path):
    """An environment in which torch and OpenMMLab leave a mark where they are imported."""
    mark, blocked = tmp_path / "imported", tmp_path / "blocked"
    blocked.mkdir()
    for package in ("torch", "mmengine", "mmpretrain"):
        (blocked / f"{package}.py").write_text(
            f"open({str(mark)!r}, 'a').write('{package}')\nraise ImportError\n"
        )
    paths = os.pathsep.join(filter(None, (str(blocked), os.environ.get("PYTHONPATH", ""))))
    yield {**os.environ, "PYTHONPATH": paths, "NPUBENCH_ENVS": str(tmp_path / "envs")}
    assert not mark.exists()
    assert not (tmp_path / "envs").exists()


def test_the_first_run_needs_no_framework_and_is_done_once(without_torch, tmp_path):
    out = tmp_path / "out"
    words = ("run", *QUICK, "--out", out)
    done = process(*words, env=without_torch)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    cases = load(()).suites["default"].cases
    assert lines[0] == f"{len(cases)} cases: {len(cases)} ok, 0 failed"
    at = lines.index(f"report: {out / 'report.html'}")
    assert lines[at + 1] == "next:"
    assert lines[at + 2] == f"  npubench results --against chips --out {out}"
    assert lines[at + 4] == f"  npubench run --suite classifiers --board local --out {out}"
    page = (out / "report.html").read_text()
    assert '<section id="beside">' in page
    again = process(*words, env=without_torch)
    assert again.returncode == 0, again.stderr
    assert (
        again.stdout.splitlines()[0]
        == f"{len(cases)} cases: {len(cases)} ok, 0 failed ({len(cases)} done before)"
    )
    with sqlite3.connect(out / "results.db") as store:
        assert store.execute("SELECT COUNT(*) FROM results").fetchone() == (len(cases),)
    named = process(*words, cases[-1], env=without_torch)
    assert named.stdout.splitlines()[-1] == f"report: {out / 'report.html'}"


def test_a_dry_run_says_how_long_the_first_run_takes(without_torch, tmp_path):
    done = process("run", "--dry-run", "--out", tmp_path / "out", env=without_torch)
    assert done.returncode == 0, done.stderr
    cases, takes = load(()).suites["default"].cases, load(()).suites["default"].takes
    last = done.stdout.splitlines()[-1]
    assert last.startswith(f"{2 * len(cases)} cases planned, 0 done, {2 * len(cases)} to run: at least ")
    assert last.endswith(f" s of measuring; a first run of this suite takes {takes}")
    assert not (tmp_path / "out").exists()
