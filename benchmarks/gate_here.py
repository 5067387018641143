"""False alarms of the gate on this machine: suites of three small cases, each artifact against itself.

    python -m benchmarks.gate_here --file generated/gate-here.md    # 100 suites: about half an hour, idle

What was launched is kept in --out: the same command goes on where an earlier one ended.
"""

import argparse
import platform
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from npubench.domain.gates import GateOutcome, GateVerdict
from npubench.domain.specs import Precision, TimingProtocol
from npubench.engine.gate import GateRequest, run_gate
from npubench.engine.gate_cases import sorted_out
from npubench.engine.plan import CaseOptions, RunOptions
from npubench.engine.run import run_plan
from npubench.measure.gate.history import most_alarms
from npubench.storage.gates import read_verdicts

CASES = ("net_conv1x1_64to64_28x28", "net_conv1x1_64to256_28x28", "net_conv1x1_64to512_14x14")
BOARD = "local-1"
SUITES = 100
LAUNCH_S = 0.1
LAUNCHES = 20
MOST_FAILED = 0.01
_ALARMS = frozenset({GateOutcome.SLOWER, GateOutcome.FASTER, GateOutcome.BROKEN})


def judge_suites(out: Path, suites: int) -> Mapping[str, list[GateVerdict]]:
    """The verdicts of so many suites, those of earlier calls included."""
    timing = TimingProtocol(warmup=1, warmup_min_s=0.0, repeat=5, min_duration_s=0.1, rounds=2)
    selection = CaseOptions(CASES)
    options = RunOptions(
        selection=selection, out=out, boards=(BOARD,), precisions=(Precision.FP32,), timing=timing
    )
    rows = run_plan(options).rows
    found = sorted_out([(row, row) for row in rows], 0.05)
    request = GateRequest(("itself", "itself"), (out, out), found.launched, found.told, found.left_out)
    request = replace(request, most_launches=LAUNCHES, launch_s=LAUNCH_S)
    while len(done := _by_gate(out)) < suites:
        report = run_gate(request, options)
        if report.interrupted:
            raise SystemExit("interrupted: the same command goes on")
        print(f"{len(done) + 1} of {suites}: {', '.join(one.outcome for one in report.verdicts)}")
    return done


def _by_gate(out: Path) -> Mapping[str, list[GateVerdict]]:
    found: defaultdict[str, list[GateVerdict]] = defaultdict(list)
    for one in read_verdicts(out):
        found[one.gate].append(one)
    return found


def markdown(found: Mapping[str, Sequence[GateVerdict]]) -> str:
    """What was counted."""
    failed = sum(any(one.outcome in _ALARMS for one in suite) for suite in found.values())
    every = [one for suite in found.values() for one in suite]
    noise = sorted(one.noise for one in every if one.noise is not None)
    launches = sum(one.launches for one in every) / len(every)
    undecided = sum(one.outcome is GateOutcome.UNDECIDED for one in every)
    lines = [
        "# The gate on one machine",
        "",
        f"Made by `make gate-here` on {platform.machine()}, board `{BOARD}`: {len(found)} suites of",
        f"{len(CASES)} small cases, each artifact against itself, launches of {LAUNCH_S:g} s, at most",
        f"{LAUNCHES} a side.",
        "",
        "| | |",
        "| --- | --- |",
        f"| suites that fail falsely | {failed} of {len(found)} |",
        f"| surely below (95 %) | {most_alarms(failed, len(found)):.1%} |",
        f"| cases undecided | {undecided} of {len(every)} |",
        f"| launches a side and case | {launches:.1f} |",
        f"| noise of a launch, median case | {noise[len(noise) // 2]:.2%} |"
        if noise
        else "| noise | unknown |",
    ]
    return "\n".join([*lines, ""])


def main(words: Sequence[str] | None = None) -> None:
    """Launch, count, write, and end in 1 where more fail than may."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--suites", type=int, default=SUITES)
    parser.add_argument("--out", type=Path, default=Path(tempfile.gettempdir()) / "npubench-gate-here")
    parser.add_argument("--file", type=Path)
    options = parser.parse_args(words or [])
    found = judge_suites(options.out, options.suites)
    if options.file is not None:
        options.file.write_text(markdown(found), encoding="utf-8")
    print(markdown(found), end="")
    failed = sum(any(one.outcome in _ALARMS for one in suite) for suite in found.values())
    if failed > MOST_FAILED * len(found):
        raise SystemExit(f"{failed} of {len(found)} suites fail falsely")


if __name__ == "__main__":
    import sys

    main(sys.argv[1:])
