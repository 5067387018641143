"""The published tables as they are declared: `reports/published/tables.toml` and the CSV files beside it."""

import csv
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from npubench.domain.figures import Kind
from npubench.storage.files import data_root


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a published table: what its figures were for the publisher, and where they go."""

    name: str  # in the CSV file
    meaning: str  # one line
    kind: Kind | None = None  # measured or simulated; None: no figure
    field: str = ""  # of `records.Figures`; empty: not imported
    unit: str = ""  # of the cells
    scale: float = 1.0  # to the field's unit
    runs: int | None = None  # that a mean is of; None: not told

    @property
    def statement(self) -> str:
        """One line: what it was and whether it is imported."""
        was = f"{self.kind} by its publisher" if self.kind else "no figure" if self.field else "not imported"
        return f"{self.name}: {was}; {self.meaning}"


@dataclass(frozen=True, slots=True)
class Table:
    """A published table with its source."""

    name: str  # key of the declaration
    title: str  # one line
    source: str  # publication
    file: Path  # CSV file
    columns: tuple[Column, ...]  # those that are declared
    lines: tuple[Mapping[str, str], ...]  # cells by column
    published_at: str = ""  # date, as far as told
    precision: str = ""  # of all rows; empty: each row's
    board: str = ""  # of all rows
    chip: str = ""  # of all rows
    backend: str = ""  # of all rows
    npu_mode: str = ""  # of all rows


@cache
def tables() -> Mapping[str, Table]:
    """Every published table by its name, in the order of the declaration."""
    declared = tomllib.loads((folder() / "tables.toml").read_text(encoding="utf-8"))["table"]
    return {one["name"]: _table(**one) for one in declared}


def table(name: str) -> Table:
    """The table of that name. Raises KeyError."""
    return tables()[name]


def _table(file: str, column: Sequence[Mapping[str, Any]], **words: Any) -> Table:
    path = folder() / file
    columns = tuple(Column(**{**one, "kind": Kind(one["kind"]) if "kind" in one else None}) for one in column)
    return Table(file=path, columns=columns, lines=lines_of(path), **words)


def lines_of(file: Path) -> tuple[Mapping[str, str], ...]:
    """The cells of a CSV file, by column; a missing figure is an empty text."""
    with file.open(encoding="utf-8", newline="") as stream:
        return tuple(csv.DictReader(stream))


@cache
def folder() -> Path:
    """Where the published tables lie."""
    return data_root() / "reports" / "published"


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
    return tuple(
        MissingOperator(
            missing.chip,
            missing.backend,
            line["op"].removeprefix("onnx."),
            int(line["models_blocked"]),
            missing.source,
        )
        for line in missing.lines
    )


@cache
def architecture_macs() -> Mapping[str, int]:
    """Multiply-accumulates of the published models by name: npubench's own count on its export of that name,
    three significant digits."""
    lines = lines_of(folder() / "architecture_macs.csv")
    return {line["case"]: round(float(line["macs_g"]) * 1e9) for line in lines}
