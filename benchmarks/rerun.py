"""An unchanged run against the run before it, over every operator in both precisions."""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.paired import measure, show


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        quick = ["--warmup", "0", "--repeat", "1", "--min-duration", "0", "--rounds", "1"]
        run = [sys.executable, "-m", "npubench", "run", "--board", "local", "--suite", "ax620a-operators"]
        command = [*run, *quick, "--quiet", "--out", str(Path(folder) / "out")]
        started = time.perf_counter()
        subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
        first_s = time.perf_counter() - started
        result = measure(
            lambda: subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True),
            lambda: subprocess.run([sys.executable, "-c", "import onnxruntime"], check=True),
            5,
        )
    print(f"the first run of these 334 cases took {first_s:.1f} s")
    show("unchanged run", "npubench run, nothing to do", "import onnxruntime", result, "at most 2 s")


if __name__ == "__main__":
    main()
