"""Published tables as rows like those of a run: every figure of kind `published`.

What the publisher measured on a board stands in `figures`, what its compiler simulated in `estimate`;
`Figures.origin` says which it was, the details' `columns` say it of every column.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from npubench.domain.figures import npu_part, part_of_npu
from npubench.domain.records import Failure, FailureClass, Figures, Kind, Latency, Result, Stage, Status
from npubench.domain.specs import CaseKind, Precision, TensorSpec
from npubench.published.tables import Column, Table, architecture_macs, folder, lines_of, table
from npubench.storage.hashing import digest

NO_REASON = "published as failed; the table tells neither step nor reason"
_TABLES = ("ax620a-operators", "ax620a-models", "ax620a-hung-models", "axera-vendor", "axera-more")
_PAGES = {"ax-samples": "vendor", "pulsar2-docs": "documentation"}
"""What a board of the further table is called by the repository that its row is from."""
_HALVES = {"1_1 1.8T": "111"}


def results() -> list[Result]:
    """All published cases as rows, in the order of their tables."""
    return list(_results())


def case_of(result: Result) -> str:
    """The name that npubench's catalogue has for the network of a published row; else the row's own."""
    return str(result.protocol.get("same_network", result.case))


@cache
def _results() -> tuple[Result, ...]:
    readers = {"ax620a-operators": _operator, "axera-vendor": _vendor, "ax620a-hung-models": _hung}
    found: list[Result] = []
    for name in _TABLES:
        source = table(name)
        if name == "axera-more":
            found = _with_more(found, source)
        else:
            found += [readers.get(name, _model)(source, line) for line in source.lines]
    return tuple(found)


def _with_more(found: Sequence[Result], source: Table) -> list[Result]:
    """The rows and those of a further table; one that is there already counts once, with what both tell."""
    rows = list(found)
    places = {_identity(row): place for place, row in enumerate(rows) if row.run_id == "axera-vendor"}
    for line in source.lines:
        more = _more(source, line)
        place = places.get(_identity(more))
        if place is None or not _same_time(rows[place], more):
            rows.append(more)
        else:
            rows[place] = _both_tables(rows[place], more)
    return rows


def _identity(row: Result) -> tuple[str, ...]:
    """Chip, mode, model, input and precision, however a table writes them."""
    mode, model = str(row.protocol.get("mode", "")), row.case
    plain = (re.sub(r"[^a-z0-9+]", "", text.lower()) for text in (mode, model))
    return (row.chip, *plain, str(row.protocol.get("input", "")), row.precision.value)


def _same_time(row: Result, more: Result) -> bool:
    """Whether they tell of one measurement: of equal times, or where only one of them has any."""
    if row.figures is None or row.figures.latency_us is None:
        return False
    time = more.figures.latency_us if more.figures else None
    return time is None or time.mean == row.figures.latency_us.mean


def _both_tables(row: Result, more: Result) -> Result:
    if row.figures is None or more.figures is None:
        return row
    figures = replace(
        row.figures,
        memory_bytes=more.figures.memory_bytes,
        details=_merged(more.figures.details, row.figures.details),
    )
    protocol = {**row.protocol, "also_in": more.protocol["source"]}
    return replace(row, figures=figures, tools=more.tools, protocol=protocol)


def _merged(more: Mapping[str, Any], own: Mapping[str, Any]) -> Mapping[str, Any]:
    """What both tables tell, the columns of both together."""
    tables = {key: {**more.get(key, {}), **value} for key, value in own.items() if isinstance(value, Mapping)}
    return {**own, **tables}


def _more(source: Table, line: Mapping[str, str]) -> Result:
    page = next((name for part, name in _PAGES.items() if f"/{part}/" in line["source"]), "vendor")
    # The page of a chip with one core has no column for it.
    mode = line["mode"] or "1 core"
    # Rows of a chip's page differ in cores alone; the documentation's few are of different models.
    told = mode.lower().replace(" ", "-") if page == "vendor" and "core" in mode else ""
    protocol = {"source": line["source"], "table": source.name, "input": line["input"], "mode": mode}
    known = _same_networks().get((line["model"].lower(), line["input"]))
    if known is not None:
        protocol["same_network"] = known
    return _row(
        source,
        line["model"],
        CaseKind.MODEL,
        board="-".join(filter(None, ("published", line["chip"].lower(), page, told))),
        chip=line["chip"],
        backend="pulsar2",
        tools={"toolchain": line["tool"]} if line["tool"] else {},
        protocol=protocol,
        **_both(source, line, None),
    )


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


def _vendor(source: Table, line: Mapping[str, str]) -> Result:
    cores = line["mode"].replace(" ", "-") if "core" in line["mode"] else ""
    where = {
        "board": "-".join(filter(None, ("published", line["chip"].lower(), "vendor", cores))),
        "chip": line["chip"],
        "backend": "pulsar" if line["chip"] == "AX620A" else "pulsar2",
    }
    protocol = {"source": line["source"], "table": source.name, "input": line["input"]}
    if line["mode"]:
        protocol["mode"] = line["mode"]
    known = _same_networks().get((line["model"].lower(), line["input"]))
    if known is not None:
        protocol["same_network"] = known
    common: dict[str, Any] = {**where, "protocol": protocol}
    if not re.fullmatch(r"[0-9.]+", line["ms"]):
        reason = f"the table gives no time: {line['ms']}"
        return _row(
            source, line["model"], CaseKind.MODEL, status=Status.SKIPPED, skip_reason=reason, **common
        )
    return _row(
        source, line["model"], CaseKind.MODEL, **_both(source, line, _HALVES.get(line["mode"])), **common
    )


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
    bounds, part = part_of_npu(npu_mode), npu_part(npu_mode)
    return Figures(Kind.PUBLISHED, origin=kind, details=details, bounds=bounds, npu=part, **values)


def _macs(line: Mapping[str, str], shape: tuple[int, ...], outputs: tuple[int, ...]) -> int:
    """MACs of the operator by its definition, as `onnx_macs` counts them; 0 where nothing is multiplied."""
    elements = 1
    for size in outputs:
        elements *= size
    if line["op"].startswith("Conv"):
        return elements * (int(line["ic"]) // int(line["g"])) * int(line["k"]) ** 2
    return elements * shape[-1] if line["op"] == "MatMul" else 0


@cache
def _same_networks() -> Mapping[tuple[str, str], str]:
    lines = lines_of(folder() / "same_network.csv")
    return {(line["published"], line["input"]): line["case"] for line in lines}
