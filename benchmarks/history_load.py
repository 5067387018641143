"""How long `npubench history` takes to open 1,000 runs of 300 cases: seconds until the page is there.

python -m benchmarks.history_load              # makes a folder of 1.3 GB first, then forgets it
"""

import argparse
import json
import random
import sqlite3
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from npubench.cli.history import page_text
from npubench.engine.plan import RunOptions
from npubench.engine.session import SessionStage, run_session
from npubench.storage.json import encode

RUNS, CASES = 1_000, 300
MOST_S = 2.0


def rows(runs: int, cases: int) -> Iterator[tuple[object, ...]]:
    """Rows as large as those of a board; every eleventh case becomes 8 % slower with a new tool."""
    noise = random.Random(1)
    state = {"taken_at": "2026-01-01T00:00:00Z", "kernel": "6.1", "extra": {"told": "x" * 2_000}}
    for run in range(runs):
        late = run > 0.6 * runs
        for case in range(cases):
            us = 1000.0 * (1 + case % 7) * (1.08 if late and case % 11 == 0 else 1) * noise.gauss(1, 0.01)
            latency = {"p50": us, "mean": us, "rounds_p50": [0.99 * us, us, 1.01 * us]}
            row = {
                "figures": {"kind": "measured", "latency_us": latency},
                "tools": {"tool": "1.1" if late else "1.0"},
                "board_after": state,
            }
            names = (f"{run}-{case}", f"run{run:04d}", "2026-01-01", "board", "tool", f"case{case:03d}")
            yield *names, "model", "int8", "ok", 1, encode(row)


def fill(folder: Path, runs: int, cases: int) -> None:
    """A folder of results, whose table of points SQLite fills as for any run."""
    run_session(RunOptions(out=folder), (SessionStage(lambda _session: None, gives=type(None)),))
    database = sqlite3.connect(folder / "results.db")
    database.executemany(f"INSERT INTO results VALUES (NULL, {', '.join('?' * 11)})", rows(runs, cases))
    database.commit()
    database.close()


def main(words: Sequence[str] | None = None) -> None:
    """Fill, open three times, and end in 1 where the quickest took too long."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--cases", type=int, default=CASES)
    options = parser.parse_args(words or [])
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "out"
        fill(folder, options.runs, options.cases)
        took = []
        for _ in range(3):
            started = time.perf_counter()
            text = page_text(folder / "results.db", "en", 0)
            took.append(time.perf_counter() - started)
    told = {"runs": options.runs, "cases": options.cases, "page_mb": round(len(text) / 1e6, 1)}
    print(json.dumps({**told, "seconds": [round(one, 2) for one in took]}))
    if min(took) > MOST_S:
        raise SystemExit(f"the page took {min(took):.2f} s, more than {MOST_S:g}")


if __name__ == "__main__":
    import sys

    main(sys.argv[1:])
