"""Operators converted and simulated by RKNN-Toolkit2: four workers against one, and again with nothing to do.

A dozen cases, spread over the suite; `BENCH_CASES=0` in the environment takes all of them, which takes long.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.paired import Paired, show
from npubench.backends.rknn.backend import RknnBackend
from npubench.catalog import load
from npubench.tools.environments import installer

SUITE = "operators"
BOARD = "rk3588"
WORKERS = 4
CASES = 12


def main() -> None:
    installer.install(RknnBackend.environment, print)
    names = _chosen(int(os.environ.get("BENCH_CASES", CASES)))
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"

        def run(workers: int) -> float:
            started = time.perf_counter()
            _npubench(names, workers, out)
            return time.perf_counter() - started

        # A first conversion reads a gigabyte of libraries from the disk.
        _npubench(names[:1], 1, out)
        shutil.rmtree(out)
        one_s = run(1)
        shutil.rmtree(out)
        four_s = run(WORKERS)
        converted = _converted(out)
        again_s = run(WORKERS)
        anew = len(_converted(out) - converted)
    cores = len(os.sched_getaffinity(0))
    title = f"{len(names)} of the operators by rknn on {cores} cores"
    bound = f"ratio at least 3 on {WORKERS} cores"
    show(title, "1 worker", f"{WORKERS} workers", Paired((one_s,), (four_s,)), bound)
    print(f"  the second run took {again_s:.2f} s and converted {anew} of {len(converted)} (bound: 0)\n")


def _chosen(count: int) -> list[str]:
    cases = sorted(load(()).suites[SUITE].cases)
    return cases[:: max(1, len(cases) // count)][:count] if count else cases


def _npubench(names: list[str], workers: int, out: Path) -> None:
    words = ["run", "--simulate", "--board", BOARD, "--jobs", str(workers), "--quiet", "--out", str(out)]
    # A code that is not 0 tells of operators that the chip lacks.
    subprocess.run(
        [sys.executable, "-m", "npubench", *words, *names],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False,
    )  # fmt: skip


def _converted(out: Path) -> set[str]:
    """Every call of the toolkit has a log with the steps that it went through."""
    return {str(log) for log in (out / "logs").rglob("*.log") if "rknn-toolkit2 version" in log.read_text()}


if __name__ == "__main__":
    main()
