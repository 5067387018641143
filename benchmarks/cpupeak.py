"""cpupeak against MegPeak on this machine, in turns: the ratio of every row that both have.

MegPeak is not packaged: build it from its source and set MEGPEAK to the program.
"""

import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from npubench.benchmarks.cpu import builds
from npubench.benchmarks.cpu.builds import of_machine
from npubench.benchmarks.cpu.outputs import MegPeakOutput, ProbeOutput, parse_megpeak, parse_probe

TURNS = 5
Rows = dict[str, float]


def megpeak_rows(program: str) -> Rows:
    output = parse_megpeak(_said([program]))
    if not isinstance(output, MegPeakOutput):
        sys.exit(output.message)
    rows = {f"{row.name} throughput": row.throughput_ns for row in output.rows}
    rows |= {f"{row.name} latency": row.latency_ns for row in output.rows}
    if output.bandwidth_gib_per_s:
        rows["bandwidth time"] = 1 / output.bandwidth_gib_per_s
    return rows


def cpupeak_rows(program: str) -> Rows:
    output = parse_probe(_said([program, "one-core"]))
    if not isinstance(output, ProbeOutput):
        sys.exit(output.message)
    rows = {f"{row['row']} throughput": row["throughput_ns"] for row in output.rows}
    rows |= {f"{row['row']} latency": row["latency_ns"] for row in output.rows if "latency_ns" in row}
    copied = next((row["gib_per_s"] for row in output.memory if row["row"] == "bandwidth"), None)
    return rows | ({"bandwidth time": 1 / copied} if copied else {})


def _said(argv: list[str]) -> str:
    return subprocess.run(argv, capture_output=True, text=True, check=True, timeout=600).stdout


def _probe() -> str:
    target = of_machine(platform.machine())
    if target is None:
        sys.exit(f"cpupeak does not know {platform.machine()}")
    with tempfile.TemporaryDirectory() as scratch:
        made = builds.build(target, Path(scratch) / "log", 600, print)
    return str(made.path) if isinstance(made, builds.Build) else sys.exit(made.message)


def main() -> None:
    megpeak = os.environ.get("MEGPEAK") or shutil.which("megpeak")
    if not megpeak:
        sys.exit("no megpeak: build it from its source and set MEGPEAK to the program")
    probe = _probe()
    theirs: dict[str, list[float]] = {}
    ours: dict[str, list[float]] = {}
    for _ in range(TURNS):
        for rows, found in ((megpeak_rows(megpeak), theirs), (cpupeak_rows(probe), ours)):
            for name, value in rows.items():
                found.setdefault(name, []).append(value)
    common = [name for name in theirs if name in ours]
    for name in common:
        ratio = statistics.median(ours[name]) / statistics.median(theirs[name])
        print(f"{name:34} cpupeak/MegPeak {ratio:.3f}")
    print(
        f"{len(common)} rows in common; only MegPeak: {', '.join(sorted(set(theirs) - set(ours))) or 'none'}"
    )
