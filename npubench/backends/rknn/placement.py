"""The table of layers in RKNN-Toolkit2's verbose log, read by its header.

`ID OpType DataType Target InputShape OutputShape Cycles(DDR/NPU/Total) [SparseRatio] RW(KB) FullName`;
newer chips have more columns than older ones, and some of these are blank. On rows that are no
convolution the tool counts no cycles (0/0/0), so a sum is a lower bound.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from npubench.backends.isolated.placement import Row, placed
from npubench.domain.records import OnnxModel

_PREFIX = re.compile(r"^[A-Z] RKNN: \[[\d:.]+\] ?")
_HEADER = re.compile(r"ID\s+OpType\s+DataType\s+Target\s.*FullName\s*$")
_RULE = re.compile(r"-{10,}\s*$")
_CYCLES = re.compile(r"(\d+)/(\d+)/(\d+)")
_MEMORY = re.compile(r"Total (Internal|Weight) Memory Size: ([\d.]+)KB\s*$")
CYCLES = "Cycles(DDR/NPU/Total)"
REQUIRED = ("ID", "OpType", "DataType", "Target", CYCLES, "RW(KB)", "FullName")
OPTIONAL = frozenset({"SparseRatio", "Time(us)", "MacUsage(%)", "WorkLoad(0/1/2)"})
BYTES_PER_KB = 1024


@dataclass(frozen=True, slots=True)
class Layer:
    """A row: cycles of memory, of the NPU and in total, None where the tool counts none; `rw_bytes` moved."""

    number: int
    op_type: str
    data_type: str
    target: str
    cycles: tuple[int, int, int] | None
    rw_bytes: int
    full_name: str


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes of weights and of what lies between layers; None where the log does not say."""

    internal_bytes: int | None
    weight_bytes: int | None


def parse_layers(text: str) -> tuple[Layer, ...]:
    """Rows of the last table in the log; none where there is no table, or one without these columns."""
    lines = [_PREFIX.sub("", line) for line in text.splitlines()]
    heads = [number for number, line in enumerate(lines) if _HEADER.match(line)]
    if not heads:
        return ()
    head = lines[heads[-1]]
    columns = [(match.start(), match[0]) for match in re.finditer(r"\S+", head)]
    if not set(REQUIRED) <= {name for _, name in columns}:
        return ()
    rows: list[Layer] = []
    for line in lines[heads[-1] + 1 :]:
        if _RULE.match(line):
            if rows:
                break
            continue
        layer = _layer(_cells(line, columns))
        if layer is None:
            break
        rows.append(layer)
    return tuple(rows)


def parse_memory(text: str) -> Memory:
    """What the log says of memory, in bytes."""
    found = {}
    for line in text.splitlines():
        if match := _MEMORY.search(line):
            found[match[1]] = round(float(match[2]) * BYTES_PER_KB)
    return Memory(found.get("Internal"), found.get("Weight"))


def _cells(line: str, columns: Sequence[tuple[int, str]]) -> dict[str, str]:
    """A row's cells by column; only optional columns may be blank, and the last one may hold blanks."""
    words = list(re.finditer(r"\S+", line))
    cells: dict[str, str] = {}
    for index, (_, name) in enumerate(columns[:-1]):
        following = columns[index + 1][0]
        if not words or (name in OPTIONAL and words[0].start() >= following):
            continue
        cells[name] = words.pop(0)[0]
    if words:
        cells[columns[-1][1]] = line[words[0].start() :].rstrip()
    return cells


def _layer(cells: dict[str, str]) -> Layer | None:
    cycles = _CYCLES.fullmatch(cells.get(CYCLES, ""))
    if cycles is None or not cells.get("ID", "").isdigit():
        return None
    counted = int(cycles[1]), int(cycles[2]), int(cycles[3])
    try:
        moved = round(float(cells["RW(KB)"]) * BYTES_PER_KB)
    except (KeyError, ValueError):
        return None
    return Layer(
        int(cells["ID"]),
        cells["OpType"],
        cells["DataType"],
        cells["Target"],
        counted if any(counted) else None,
        moved,
        # Rows that the compiler made by itself have no name.
        cells.get("FullName", ""),
    )


ENDS = frozenset({"InputOperator", "OutputOperator"})
"""Rows for the model's inputs and outputs: the CPU hands them over on every chip."""

ADDED = frozenset({"Reshape", "Transpose", "Split", "Concat", "Slice", "Pad", "Cast"})
"""What the tool adds by itself to bring data into another order or into parts."""

_OWN = re.compile(r"^ex(?=[A-Z])|\d+$")


def where(layers: Sequence[Layer], model: OnnxModel) -> dict[str, Any]:
    """`placement`, `computed` and `layers_on` by the table, but for the model's inputs and outputs."""
    rows = [
        Row(
            *(layer.full_name, layer.target == "NPU", operators_of(layer, model.operators)),
            *((layer.op_type,), layer.op_type in ADDED),
        )
        for layer in layers
        if layer.op_type not in ENDS
    ]
    return placed(rows, model)


def operators_of(layer: Layer, operators: Collection[str]) -> tuple[str, ...]:
    """The model's operator types that a row stands for; none for what the tool added itself."""
    if layer.op_type in ENDS:
        return ()
    names = {layer.full_name.partition(":")[0], *_parts(layer.op_type, operators)}
    plain = {_OWN.sub("", name) for name in names}
    return tuple(sorted((names | plain) & set(operators)))


def on_cpu(layers: Sequence[Layer]) -> tuple[Layer, ...]:
    """Rows that the compiler left to the CPU, inputs and outputs apart."""
    return tuple(layer for layer in layers if layer.target != "NPU" and layer.op_type not in ENDS)


def _parts(op_type: str, operators: Collection[str]) -> set[str]:
    """Operators whose names, one after another, make up the name of a fused one."""
    rest, found = op_type, set[str]()
    longest_first = sorted(operators, key=len, reverse=True)
    while rest:
        name = next((name for name in longest_first if rest.startswith(name)), None)
        if name is None:
            return found
        found.add(name)
        rest = rest[len(name) :]
    return found
