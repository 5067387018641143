"""Exporting classifiers with two workers against one, and what a model takes beyond the import."""

import json
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.paired import measure, show

EVERY = 24
"""Each 24th classifier of the zoo that exports: 21, as large on average as all; those are `make coverage`."""

SECONDS = re.compile(r'"seconds": (?P<value>[0-9.]+)')


def models() -> list[str]:
    """Classifiers from the whole length of the zoo's list."""
    exported = [json.loads(line) for line in Path("generated/coverage.jsonl").read_text().splitlines()]
    names = [row["case"] for row in exported if row["codebase"] == "mmpretrain" and not row["failure_class"]]
    return sorted(names)[::EVERY]


def main() -> None:
    names = models()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"

        def export(workers: int) -> None:
            shutil.rmtree(out, ignore_errors=True)
            command = [sys.executable, "-m", "npubench", "export", *names, "--jobs", str(workers)]
            subprocess.run([*command, "--out", str(out)], check=True, stdout=subprocess.DEVNULL)

        result = measure(lambda: export(2), lambda: export(1), 1)
        found = [SECONDS.findall(log.read_text()) for log in (out / ".npubench" / "logs").rglob("*.log")]
        beyond = [float(values[-1]) for values in found if values]
    title = f"export of {len(names)} classifiers"
    show(title, "two workers", "one worker", result, "ratio at most 1/1.7 = 0.588")
    print(f"  beyond the import, one worker: mean {statistics.mean(beyond):.2f} s a model (bound: 3 s)\n")


if __name__ == "__main__":
    main()
