"""Published tables that are no results of cases: processor peaks, operators known and missing, MACs."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from npubench.domain.records import Kind
from npubench.published.tables import folder, lines_of, table

ARCHITECTURE_MACS = "npubench's own count on its export of that name, three significant digits"
"""Where `architecture_macs` comes from."""


@dataclass(frozen=True, slots=True)
class CpuPeak:
    """A row of MegPeak on a chip: times of one instruction in ns, figures as MegPeak printed them.

    `gflops` are 1e9 operations a second, of integers too; `gbps` is printed as Gbps and really GiB/s.
    """

    chip: str
    instruction: str
    throughput_ns: float | None
    latency_ns: float | None
    gflops: float | None
    gbps: float | None
    cores: int
    core_id: int
    source: str
    kind: Kind = Kind.PUBLISHED


@dataclass(frozen=True, slots=True)
class OperatorSupport:
    """What a toolchain is said to do with an ONNX operator; `engine` is as printed, such as `CPU / NPU`."""

    chip: str
    backend: str
    operator: str
    supported: bool
    engine: str
    opset: str
    restrictions: str
    source: str


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
    of = table("ax620a-cpu-peaks")
    return tuple(
        CpuPeak(
            of.chip,
            line["instr"],
            _number(line["throughput_ns"]),
            _number(line["latency_ns"]),
            _number(line["gflops"]),
            _number(line["gbps"]),
            int(line["cores"]),
            int(line["core_id"]),
            of.source,
        )
        for line in of.lines
    )


@cache
def operator_support() -> tuple[OperatorSupport, ...]:
    """The operators that the AX620A's toolchain knows, then those that it was seen to lack."""
    of = table("ax620a-operator-support")
    return tuple(
        OperatorSupport(
            of.chip,
            of.backend,
            line["onnx_op"],
            line["supported"] == "yes",
            line["engine"],
            line["opset"],
            line["restrictions"],
            of.source,
        )
        for line in of.lines
    )


@cache
def missing_operators() -> tuple[MissingOperator, ...]:
    """Operators by the number of published models that they blocked, most first."""
    of = table("ax620a-missing-operators")
    return tuple(
        MissingOperator(
            of.chip, of.backend, line["op"].removeprefix("onnx."), int(line["models_blocked"]), of.source
        )
        for line in of.lines
    )


@cache
def architecture_macs() -> Mapping[str, int]:
    """Multiply-accumulates of the published models by name: `ARCHITECTURE_MACS` says whose count."""
    lines = lines_of(folder() / "architecture_macs.csv")
    return {line["case"]: round(float(line["macs_g"]) * 1e9) for line in lines}


def _number(text: str) -> float | None:
    return float(text) if text else None
