"""RKNN-Toolkit2's table of layers, of a verbose build or of `eval_perf` on a board, read by its header.

Columns differ by version: `Cycles(DDR/NPU/Total)` or three columns of cycles, `SparseRatio`, `Time(us)`,
`MacUsage(%)` (one figure, or one a core), `WorkLoad(0/1/2)` (a share a core, with a gain behind it in
1.5), numbers of tasks. Cells of some are blank, and long ones push the next ones to the right, so what a
cell may hold decides, not where it stands. A build counts no cycles on rows that are no convolution
(0/0/0). Under `eval_perf` with `perf_debug` layers run one after another, and the tool's total is their
sum; RV1103 and RV1106 tell a total alone. Sources: Rockchip RKNN Toolkit2 user guide 3.2.3; logs of 1.5
and 2.x.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from npubench.domain.specs import Shape

_PREFIX = re.compile(r"^(?:\x1b\[[\d;]*m)*[A-Z] RKNN: \[[\d:.]+\] ?")
_HEAD_CELL = re.compile(r"(?:DDR|NPU|Total|Max) ?Cycles|Task Number|Task Size|Lut Number|Regcmd Size|\S+")
_RULE = re.compile(r"\s*[-=]{10,}\s*$")
_ROW = re.compile(r"\s*\d+\s+\S")
_TOTAL = re.compile(r"Total (?:Operator Elapsed )?(?:Per Frame )?Time ?\(us\): *(\d+(?:\.\d+)?)\s*$")
_TRAFFIC = re.compile(r"Total Memory Read/Write (?:Per Frame )?Size ?\(KB\): *(\d+(?:\.\d+)?)\s*$")
_MEMORY = re.compile(r"Total (Internal|Weight) Memory Size: ([\d.]+)KB\s*$")
BYTES_PER_KB = 1024

_NUMBER = r"\d+(?:\.\d+)?"
_COLUMNS: Mapping[str, tuple[str, str, bool]] = {
    "ID": ("number", r"\d+", False),
    "OpType": ("op_type", r"\S+", False),
    "DataType": ("data_type", r"\S+", False),
    "Target": ("target", r"\S+", False),
    "InputShape": ("input_shapes", r"\S+", False),
    "OutputShape": ("output_shapes", r"\S+", False),
    "Cycles(DDR/NPU/Total)": ("cycles", r"\d+/\d+/\d+", False),
    "DDRCycles": ("cycles_ddr", r"\d+", False),
    "NPUCycles": ("cycles_npu", r"\d+", False),
    "TotalCycles": ("cycles_total", r"\d+", False),
    "MaxCycles": ("cycles_total", r"\d+", False),
    "SparseRatio": ("sparse_ratio", r"[\d.]+%", True),
    "Time(us)": ("time_us", _NUMBER, True),
    "MacUsage(%)": ("mac_usage", rf"\\|{_NUMBER}(?:/{_NUMBER})*", True),
    "RW(KB)": ("rw_kb", _NUMBER, True),
}
"""By the heading: the name here, what a cell holds, and whether it may be blank."""

_WORKLOAD = re.compile(r"WorkLoad\([\d/]+\)")
_SHARES = rf"{_NUMBER}%(?:/{_NUMBER}%)*(?: - Up:\s?-?{_NUMBER}%)?"
_UNKNOWN = ("", r"\S+", True)
SURE = 6
"""Columns that nobody knows, up to which a blank cell is looked for among them."""
LONGEST = 2000
"""Characters of a line that are read: no table has longer ones."""
REQUIRED = frozenset({"number", "op_type", "target", "full_name"})


@dataclass(frozen=True, slots=True)
class Layer:
    """A row. What the table has no column for, or counts nothing of, is None."""

    number: int
    op_type: str
    data_type: str
    target: str
    cycles: tuple[int, int, int] | None  # of memory, of the NPU and in all
    rw_bytes: int | None  # read and written in memory
    full_name: str
    time_us: float | None = None
    mac_usage: float | None = None  # in 0..1, of the cores that work
    workload: tuple[float, ...] = ()  # share of each core, in 0..1
    input_shapes: tuple[Shape, ...] = ()  # those that are listed: the tool ends long lists with ...
    output_shapes: tuple[Shape, ...] = ()


@dataclass(frozen=True, slots=True)
class Table:
    """The layers with what is told of them in all."""

    layers: tuple[Layer, ...] = ()  # empty where totals alone are told
    total_us: float | None = None  # of one inference; None of a build, which runs nothing
    traffic_bytes: int | None = None  # read and written by one inference
    complete: bool = True  # False of a table that ends in the middle


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes of weights and of what lies between layers; None where the log does not say."""

    internal_bytes: int | None
    weight_bytes: int | None


def parse_layers(text: str) -> tuple[Layer, ...]:
    """Rows of the table that counts; none where there is no table, or one without these columns."""
    return parse_table(text).layers


def parse_table(text: str) -> Table:
    """The last whole table of the log, or the last one where none is whole, with the totals after it."""
    lines = [_PREFIX.sub("", line[:LONGEST]).rstrip("\r") for line in text.split("\n")]
    heads = [number for number, line in enumerate(lines) if (_names(line) >= REQUIRED)]
    if not heads:
        return Table(total_us=_last(_TOTAL, lines))
    ends = [*heads[1:], len(lines)]
    found = [_read(lines[head:end]) for head, end in zip(heads, ends, strict=True)]
    whole = [one for one in found if one.complete and one.layers]
    return (whole or found)[-1]


def parse_memory(text: str) -> Memory:
    """What the log says of memory, in bytes."""
    found = {}
    for line in text.splitlines():
        if match := _MEMORY.search(line):
            found[match[1]] = round(float(match[2]) * BYTES_PER_KB)
    return Memory(found.get("Internal"), found.get("Weight"))


def _names(line: str) -> set[str]:
    if "OpType" not in line or "FullName" not in line:
        return set()
    return {_column(cell)[0] for cell in _HEAD_CELL.findall(line)}


def _column(heading: str) -> tuple[str, str, bool]:
    plain = heading.replace(" ", "")
    if plain == "FullName":
        return ("full_name", r".*?", True)
    if _WORKLOAD.match(plain):
        return ("workload", _SHARES, True)
    return _COLUMNS.get(plain, _UNKNOWN)


def _pattern(head: str) -> re.Pattern[str]:
    """Of a row below this header. An optional cell is taken where the rest still fits behind it."""
    parts, seen = list[str](), set[str]()
    columns = [_column(cell) for cell in _HEAD_CELL.findall(head)]
    if sum(not name for name, _, _ in columns) > SURE:
        columns = [(name, cell, optional and bool(name)) for name, cell, optional in columns]
    for name, cell, optional in columns:
        group = f"(?P<{name}>{cell})" if name and name not in seen else f"(?:{cell})"
        seen.add(name)
        if name == "full_name":
            parts.append(rf"(?:\s+{group})?\s*")
        else:
            parts.append(rf"(?:\s+{group})?" if optional else rf"\s+{group}")
    return re.compile("".join(parts))


def _read(lines: list[str]) -> Table:
    pattern = _pattern(lines[0])
    rows: list[Layer] = []
    ended = False
    for line in lines[1:]:
        if not ended and (match := pattern.fullmatch(f" {line}")):
            rows.append(_layer(match.groupdict()))
        elif _RULE.match(line):
            ended = ended or bool(rows)
        elif not ended and rows:
            # The end of a table without a rule is whatever is no row; half a row is none.
            ended = bool(line.strip()) and not _ROW.match(line)
            if not ended:
                break
    timed = any(row.time_us for row in rows)
    last = bool(rows) and rows[-1].op_type == "OutputOperator"
    return Table(
        tuple(rows) if timed else tuple(map(_untimed, rows)),
        _last(_TOTAL, lines) if timed or not rows else None,
        _bytes(_last(_TRAFFIC, lines)),
        complete=ended or last,
    )


def _last(pattern: re.Pattern[str], lines: list[str]) -> float | None:
    found = [float(match[1]) for line in lines if (match := pattern.match(line.strip()))]
    return found[-1] if found else None


def _bytes(kilobytes: float | None) -> int | None:
    return None if kilobytes is None else round(kilobytes * BYTES_PER_KB)


def _untimed(row: Layer) -> Layer:
    """A build that has the column writes 0 for every row: it times nothing."""
    return row if row.time_us is None else replace(row, time_us=None)


def _layer(cells: Mapping[str, str | None]) -> Layer:
    def cell(name: str) -> str:
        return cells.get(name) or ""

    def number(name: str) -> float | None:
        return float(cell(name)) if cell(name) else None

    shares = _each(cell("workload").partition(" - ")[0])
    return Layer(
        *(int(cell("number")), cell("op_type"), cell("data_type"), cell("target"), _cycles(cell)),
        rw_bytes=_bytes(number("rw_kb")),
        # Rows that the compiler made by itself have no name.
        full_name=cell("full_name"),
        time_us=number("time_us"),
        mac_usage=_usage(_each(cell("mac_usage"))),
        workload=shares,
        input_shapes=_shapes(cell("input_shapes")),
        output_shapes=_shapes(cell("output_shapes")),
    )


def _cycles(cell: Callable[[str], str]) -> tuple[int, int, int] | None:
    ddr, npu, total = cell("cycles").split("/") if cell("cycles") else map(cell, _APART)
    found = int(ddr or 0), int(npu or 0), int(total or 0)
    return found if any(found) else None


_APART = ("cycles_ddr", "cycles_npu", "cycles_total")


def _each(text: str) -> tuple[float, ...]:
    """Shares in 0..1 of `4.35/0.00/0.00` or `100.0%/0.0%/0.0%`."""
    return tuple(float(one.rstrip("%")) / 100 for one in text.split("/")) if text not in {"", "\\"} else ()


def _usage(cores: tuple[float, ...]) -> float | None:
    working = [one for one in cores if one] or list(cores)
    return sum(working) / len(working) if working else None


def _shapes(text: str) -> tuple[Shape, ...]:
    found = re.findall(r"\(([\d,]*)\)", text)
    return tuple(tuple(int(size) for size in one.split(",") if size) for one in found)
