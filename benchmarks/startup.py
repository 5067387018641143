"""`npubench --help` against an interpreter that does nothing."""

import subprocess
import sys
from pathlib import Path

from benchmarks.paired import measure, show


def main() -> None:
    npubench = str(Path(sys.executable).with_name("npubench"))

    def run(*argv: str) -> None:
        subprocess.run(argv, stdout=subprocess.DEVNULL, check=True)

    result = measure(lambda: run(npubench, "--help"), lambda: run(sys.executable, "-c", "pass"), 15)
    show("start-up", "npubench --help", "python -c pass", result, "at most 0.120 s more")


if __name__ == "__main__":
    main()
