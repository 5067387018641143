"""Rows of the stage cpu, from what the programs printed on real processors."""

import json
from dataclasses import replace
from pathlib import Path

from npubench.benchmarks.cpu.megpeak import MegPeakOutput, parse_megpeak
from npubench.benchmarks.cpu.megpeak import details as megpeak_details
from npubench.benchmarks.cpu.probe_output import ProbeOutput, details, parse_probe
from npubench.domain.records import Figures, Kind, Status, Verdict
from npubench.domain.specs import CaseKind, Precision
from tests import sample_results

DATA = Path(__file__).parent / "data"


def cpu_result(case, told, tool="cpupeak", **changes):
    sample = sample_results.everything()[0]
    return replace(
        sample,
        **{
            "key": f"{case}-{tool}",
            "case": case,
            "case_kind": CaseKind.CPU,
            "precision": Precision.NONE,
            "backend": tool,
            "status": Status.OK,
            "verdict": Verdict.STABLE,
            "failure": None,
            "onnx_sha256": None,
            "estimate": None,
            "figures": Figures(Kind.MEASURED, details=told),
            **changes,
        },
    )


def probed(case, mode, file):
    output = parse_probe((DATA / "cpupeak" / file).read_text())
    assert isinstance(output, ProbeOutput)
    # As the store gives them back.
    return cpu_result(case, json.loads(json.dumps(details(output, mode))))


def rows():
    output = parse_megpeak((DATA / "megpeak" / "ax620a.txt").read_text())
    assert isinstance(output, MegPeakOutput)
    return [
        probed("cpu-one-core", "one-core", "one-core-x86-64.jsonl"),
        probed("cpu-all-cores", "all-cores", "all-cores-x86-64.jsonl"),
        probed("cpu-memory", "memory", "memory-x86-64.jsonl"),
        cpu_result("cpu-megpeak", megpeak_details(output), "megpeak", board="axera-pi"),
    ]
