"""What others have published, shipped with its source: reference tables, and rows of kind `published`.

The tables are as `reports/published/tables.toml` declares them, with the CSV files beside it. What the
publisher measured on a board stands in `figures`, what its compiler simulated in `estimate`;
`Figures.origin` says which it was, the details' `columns` say it of every column.
"""

import csv
import math
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from npubench.domain.figures import Figures, Kind, Latency, npu_part, part_of_npu
from npubench.domain.notes import Note, NoteCode
from npubench.domain.records import Failure, FailureClass, Result, Stage, Status
from npubench.domain.specs import CaseKind, Precision, TensorSpec
from npubench.storage.files import data_root
from npubench.storage.hashing import digest


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a published table: what its figures were for the publisher, and where they go."""

    name: str  # in the CSV file
    meaning: str  # one line
    kind: Kind | None = None  # measured or simulated; None: no figure
    field: str = ""  # of `domain.figures.Figures`; empty: not imported
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


NO_REASON = "published as failed; the table tells neither step nor reason"
_PAGES = {"ax-samples": "vendor", "pulsar2-docs": "documentation"}
"""What a board of AXera's tables is called by the repository that its row is from."""
_HALVES = {"1_1 1.8T": "111"}


def case_of(result: Result) -> str:
    """The name that npubench's catalogue has for the network of a published row; else the row's own."""
    return str(result.protocol.get("same_network", result.case))


@cache
def results() -> tuple[Result, ...]:
    """All published cases as rows, in the order of their tables."""
    readers = {
        "ax620a-operators": _operator,
        "ax620a-models": _model,
        "ax620a-hung-models": _hung,
        "axera-vendor": _axera,
        "axera-more": _axera,
    }
    return tuple(reader(table(name), line) for name, reader in readers.items() for line in table(name).lines)


def _row(source: Table, case: str, case_kind: CaseKind, **changes: Any) -> Result:
    base = Result(
        key=digest("published", source.name, case, changes.get("board", source.board)),
        run_id=source.name,
        started_at=source.published_at,
        duration_s=0.0,
        board=source.board,
        chip=source.chip,
        backend=source.backend,
        tools={},
        case=case,
        case_kind=case_kind,
        precision=Precision(source.precision),
        status=Status.OK,
        protocol={"source": source.source, "table": source.name},
    )
    return replace(base, **changes)


def _operator(source: Table, line: Mapping[str, str]) -> Result:
    shapes = [tuple(map(int, line[name].split("x"))) for name in ("in_shape", "out_shape")]
    names = re.findall(r"[A-Z][a-z]+(?:[A-Z][a-z]+)*", line["op"].replace("ArgMin", " ArgMin"))
    case = line["name"] if line["op"].startswith("Conv") else f"{line['name']}_{line['in_shape']}"
    common: dict[str, Any] = {
        "op": names[-1],
        "operators": dict.fromkeys(names, 1),
        "inputs": (TensorSpec("input", shapes[0]),),
        "outputs": (TensorSpec("output", shapes[1]),),
        "macs": _macs(line, *shapes),
    }
    if line["status"] == "failed":
        failure = Failure(Stage.COMPILE, FailureClass.TOOL_ERROR, NO_REASON)
        return _row(source, case, CaseKind.OPERATOR, status=Status.FAILED, failure=failure, **common)
    return _row(source, case, CaseKind.OPERATOR, **_both(source, line, source.npu_mode), **common)


def _model(source: Table, line: Mapping[str, str]) -> Result:
    macs = architecture_macs().get(line["name"])
    return _row(source, line["name"], CaseKind.MODEL, macs=macs, **_both(source, line, source.npu_mode))


def _hung(source: Table, line: Mapping[str, str]) -> Result:
    failure = Failure(Stage.COMPILE, FailureClass.HANG, line["stage"])
    macs = architecture_macs().get(line["name"])
    return _row(source, line["name"], CaseKind.MODEL, status=Status.FAILED, failure=failure, macs=macs)


def _axera(source: Table, line: Mapping[str, str]) -> Result:
    mode = line["mode"]
    page = next((name for part, name in _PAGES.items() if f"/{part}/" in line["source"]), "vendor")
    # Rows of a chip's page differ in cores alone; the documentation's few are of different models.
    cores = mode.lower().replace(" ", "-") if page == "vendor" and "core" in mode else ""
    told = {
        "source": line["source"],
        "table": source.name,
        "input": line["input"],
        "mode": mode,
        "same_network": _same_networks().get((line["model"].lower(), line["input"]), ""),
        "also_in": line.get("also_in", ""),
    }
    common: dict[str, Any] = {
        "board": "-".join(filter(None, ("published", line["chip"].lower(), page, cores))),
        "chip": line["chip"],
        "backend": "pulsar" if line["chip"] == "AX620A" else "pulsar2",
        "tools": {"toolchain": line["tool"]} if line["tool"] else {},
        "protocol": {key: text for key, text in told.items() if text},
    }
    if re.fullmatch(r"[0-9.]*", line["ms"]):
        common |= _both(source, line, _HALVES.get(mode))
    else:
        reason = Note(NoteCode.NO_TIME_IN_TABLE, {"text": line["ms"]})
        common |= {"status": Status.SKIPPED, "skip_reason": reason}
    return _row(source, line["model"], CaseKind.MODEL, **common)


def _both(source: Table, line: Mapping[str, str], npu_mode: str | None) -> dict[str, Figures | None]:
    """The board's figures and the compiler's, apart; None where the table has neither."""
    return {
        "figures": _figures(source.columns, line, Kind.MEASURED, npu_mode),
        "estimate": _figures(source.columns, line, Kind.SIMULATED, npu_mode),
    }


def _figures(
    columns: Iterable[Column], line: Mapping[str, str], kind: Kind, npu_mode: str | None
) -> Figures | None:
    given = [c for c in columns if c.kind is kind and c.field and line[c.name]]
    if not given:
        return None
    details: dict[str, Any] = {"columns": {c.name: kind.value for c in given}}
    values: dict[str, Any] = {}
    for column in given:
        value = float(line[column.name]) * column.scale
        if column.field == "latency_us":
            # One number is all that is known where the runs behind it are not told.
            values["latency_us"] = Latency(n=column.runs or 1, mean=round(value, 3))
            values["statistic"] = column.meaning
            if column.name == "neu_us":
                values["npu_time_us"] = value
        elif column.field in ("tool_macs", "memory_bytes"):
            values[column.field] = round(value)
        else:
            values[column.field] = round(value, 6)
    # Of all tools whose counts were published there is Pulsar alone.
    values["counts_idle_lanes"] = "tool_macs" in values
    bounds, part = part_of_npu(npu_mode), npu_part(npu_mode)
    return Figures(Kind.PUBLISHED, origin=kind, details=details, bounds=bounds, npu=part, **values)


def _macs(line: Mapping[str, str], shape: tuple[int, ...], outputs: tuple[int, ...]) -> int:
    """MACs of the operator by its definition, as `graph.macs` counts them; 0 where nothing is multiplied."""
    elements = math.prod(outputs)
    if line["op"].startswith("Conv"):
        return elements * (int(line["ic"]) // int(line["g"])) * int(line["k"]) ** 2
    return elements * shape[-1] if line["op"] == "MatMul" else 0


@cache
def _same_networks() -> Mapping[tuple[str, str], str]:
    lines = lines_of(folder() / "same_network.csv")
    return {(line["published"], line["input"]): line["case"] for line in lines}
