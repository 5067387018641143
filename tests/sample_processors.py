"""Rows of the stage cpu, from what the programs printed on real processors."""

from dataclasses import replace
from pathlib import Path

from npubench.benchmarks.cpu.outputs import (
    MegPeakOutput,
    ProbeOutput,
    details,
    parse_megpeak,
    parse_probe,
    processor,
)
from npubench.benchmarks.cpu.outputs import figures as megpeak_figures
from npubench.domain.records import Figures, Kind, Status, Verdict
from npubench.domain.specs import CaseKind, Precision
from npubench.storage.json import decode, encode
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
            "figures": told,
            **changes,
        },
    )


def probed(case, mode, file):
    output = parse_probe((DATA / "cpupeak" / file).read_text())
    assert isinstance(output, ProbeOutput)
    told = Figures(Kind.MEASURED, processor=processor(output, mode), details=details(output))
    # As the store gives them back.
    return cpu_result(case, decode(Figures, encode(told)))


def rows():
    output = parse_megpeak((DATA / "megpeak" / "ax620a.txt").read_text())
    assert isinstance(output, MegPeakOutput)
    return [
        probed("cpu-one-core", "one-core", "one-core-x86-64.jsonl"),
        probed("cpu-all-cores", "all-cores", "all-cores-x86-64.jsonl"),
        probed("cpu-memory", "memory", "memory-x86-64.jsonl"),
        cpu_result("cpu-megpeak", megpeak_figures(output), "megpeak", board="axera-pi"),
    ]
