"""Tables of the AX620A and of AXera's chips as rows of kind `published`, beside one's own in reports.

What the publisher measured on a board stands in `figures`, what its compiler simulated in `estimate`;
`Figures.origin` says which it was, the details' `columns` say it of every column.
"""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache
from typing import Any

from npubench.domain.figures import Figures, Kind, Latency, npu_part, part_of_npu
from npubench.domain.notes import Note, NoteCode
from npubench.domain.records import Failure, FailureClass, Result, Stage, Status
from npubench.domain.specs import CaseKind, Precision, TensorSpec
from npubench.published.declaring import table
from npubench.published.reference import architecture_macs
from npubench.published.tables import Column, Table, folder, lines_of
from npubench.storage.hashing import digest

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
