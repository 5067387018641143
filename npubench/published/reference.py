"""Reference tables of the AX620A: its processor's peaks, operators that its toolchain lacks, models' MACs."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from npubench.published.declaring import table
from npubench.published.tables import folder, lines_of


@dataclass(frozen=True, slots=True)
class CpuPeak:
    """What MegPeak printed of one instruction on a chip, or of its copy `bandwidth`; None: not told of it."""

    chip: str
    source: str
    instruction: str
    throughput_ns: float | None
    latency_ns: float | None
    gflops: float | None
    """1e9 operations a second as MegPeak counts them, also of integers."""
    gib_per_s: float | None


@dataclass(frozen=True, slots=True)
class MissingOperator:
    """An operator that a toolchain lacks, and how many of the published models that stopped."""

    chip: str
    backend: str
    operator: str
    models_blocked: int
    source: str


@cache
def cpu_peaks() -> tuple[CpuPeak, ...]:
    """MegPeak's rows of the AX620A, `bandwidth` first."""
    peaks = table("ax620a-cpu-peaks")
    figures = ("throughput_ns", "latency_ns", "gflops", "gbps")
    return tuple(
        CpuPeak(
            *(peaks.chip, peaks.source, line["instr"]),
            *(float(line[name]) if line[name] else None for name in figures),
        )
        for line in peaks.lines
    )


@cache
def missing_operators() -> tuple[MissingOperator, ...]:
    """Operators by the number of published models that they blocked, most first."""
    missing = table("ax620a-missing-operators")
    chip, backend, source = missing.chip, missing.backend, missing.source
    return tuple(
        MissingOperator(chip, backend, one["op"].removeprefix("onnx."), int(one["models_blocked"]), source)
        for one in missing.lines
    )


@cache
def architecture_macs() -> Mapping[str, int]:
    """Multiply-accumulates of the published models by name: npubench's own count on its export of that name,
    three significant digits."""
    lines = lines_of(folder() / "architecture_macs.csv")
    return {line["case"]: round(float(line["macs_g"]) * 1e9) for line in lines}
