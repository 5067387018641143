"""What the atlas costs to load, and a query of it as a whole command: processor time, each in a new process.

python -m benchmarks atlas_load                       # five of each, the median and the slowest
"""

import resource
import statistics
import subprocess
import sys
from collections.abc import Sequence

RUNS = 5
LOAD = (
    "import time; start = time.process_time(); from npubench.published import figures;"
    " imported = time.process_time(); count = len(figures()); end = time.process_time();"
    " print(count, imported - start, end - imported)"
)
COMMANDS = (
    ("results", "--published", "--chip", "rk3588", "--model", "yolov8*"),
    ("results", "--published", "--json"),
    ("results", "--published", "--doubts"),
)


def _seconds(told: Sequence[float]) -> str:
    return f"{statistics.median(told):.3f} s (slowest of {len(told)}: {max(told):.3f} s)"


def _of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    runs = [
        subprocess.run(
            [sys.executable, "-c", LOAD], capture_output=True, text=True, check=True
        ).stdout.split()
        for _ in range(RUNS)
    ]
    print(f"{runs[0][0]} figures: load {_seconds([float(run[2]) for run in runs])}")
    print(f"import of what was published: {_seconds([float(run[1]) for run in runs])}")
    for words in COMMANDS:
        times = []
        for _ in range(RUNS):
            start = _of_children()
            subprocess.run([sys.executable, "-m", "npubench", *words], capture_output=True, check=True)
            times.append(_of_children() - start)
        print(f"npubench {' '.join(words)}: {_seconds(times)}")


if __name__ == "__main__":
    main()
