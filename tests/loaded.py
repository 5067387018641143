"""The suite again and again on a machine kept busy: `make test-loaded RUNS=10 LOAD=8 WORDS=tests/integration`.

What fails here and passes at leisure depends on how fast a machine is.
"""

import argparse
import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator

BUSY = "while True: pass"


@contextlib.contextmanager
def load(count: int) -> Iterator[None]:
    """So many processes that compute for as long as the block runs."""
    busy = [subprocess.Popen([sys.executable, "-S", "-c", BUSY]) for _ in range(count)]
    try:
        yield
    finally:
        for one in busy:
            one.kill()
            one.wait()


def main() -> int:
    """Exit code 1 if a run failed; each run's time and code are printed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--load", type=int, default=8, help="processes that compute meanwhile")
    parser.add_argument("--workers", default="4")
    parser.add_argument("words", nargs="*", help="of pytest; the whole suite without any")
    asked = parser.parse_args()
    codes = []
    with load(asked.load):
        for number in range(1, asked.runs + 1):
            began = time.monotonic()
            command = [
                "-m",
                "pytest",
                "-n",
                asked.workers,
                "--dist",
                "loadscope",
                "--no-loadscope-reorder",
                *asked.words,
            ]
            codes.append(subprocess.run([sys.executable, *command]).returncode)
            took = (time.monotonic() - began) / 60
            print(f"run {number} of {asked.runs}: exit code {codes[-1]} after {took:.1f} minutes", flush=True)
    print(f"{codes.count(0)} of {len(codes)} runs passed under a load of {asked.load}")
    return int(any(codes))


if __name__ == "__main__":
    sys.exit(main())
