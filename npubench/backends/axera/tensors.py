"""The tensors that run_joint lists, as blocks of four lines."""

import math
import re
from dataclasses import dataclass

from npubench.domain.specs import Shape

_HEAD = re.compile(r"\s*(Input|Output)\[([0-9]{1,4})\]: (.+)")
_SHAPE = re.compile(
    r"\s*Shape \[([0-9]{1,9}(?:, ?[0-9]{1,9})*)\](?: +(?P<layout>NHWC|NCHW|unknown))?"
    r"(?: +(?P<dtype>u?int[0-9]+|sint[0-9]+|float[0-9]+|uint[0-9]+_packed|unknown))?"
    r"(?: +(?P<colour>[A-Z]\w*))?(?: +Q=(?P<scale>[0-9.]+))?"
)
_MEMORY = re.compile(r"\s*Memory (Physical|Virtual|unknown)")
_SIZE = re.compile(r"\s*Size ([0-9]{1,12})")
_PATTERNS = (_HEAD, _SHAPE, _MEMORY, _SIZE)
_ITEM_BYTES = {
    **{"uint8": 1, "int8": 1, "uint16": 2, "int16": 2, "uint32": 4, "int32": 4},
    **{"float16": 2, "float32": 4, "float64": 8},
}


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor as the runner sees it; `kind` is the layout, type and colour it prints.

    `layout` is NHWC or NCHW, `dtype` a numpy name (or the runner's own, as `uint10_packed`); both are empty
    where it names none that it knows.
    """

    name: str
    shape: Shape
    kind: str
    memory: str
    size_bytes: int
    layout: str = ""
    dtype: str = ""


def read_tensors(lines: list[str]) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """Inputs and outputs in their order; a block that contradicts itself is left out.

    A line that belongs to no whole block, or a number that is missing, says that lines were lost or moved:
    then no block is believed, for one may have got the lines of another.
    """
    found: dict[tuple[str, int], Tensor | None] = {}
    if sum(any(p.fullmatch(line) for p in _PATTERNS) for line in lines) != len(_PATTERNS) * sum(
        _is_whole(lines[index : index + len(_PATTERNS)]) for index in range(len(lines))
    ):
        return (), ()
    for index, line in enumerate(lines):
        if head := _HEAD.fullmatch(line):
            key = (head[1], int(head[2]))
            tensor = _read_block(head[3], lines[index + 1 : index + 4])
            found[key] = tensor if found.get(key, tensor) == tensor else None
    kinds = ("Input", "Output")
    numbers = [sorted(number for kind, number in found if kind == one) for one in kinds]
    if any(not told or told != list(range(len(told))) for told in numbers):
        return (), ()
    inputs, outputs = (
        tuple(t for key, t in sorted(found.items()) if key[0] == kind and t is not None) for kind in kinds
    )
    return inputs, outputs


def _is_whole(block: list[str]) -> bool:
    return len(block) == len(_PATTERNS) and all(
        pattern.fullmatch(line) for pattern, line in zip(_PATTERNS, block, strict=True)
    )


def _read_block(name: str, block: list[str]) -> Tensor | None:
    patterns = (_SHAPE, _MEMORY, _SIZE)
    matches = [p.fullmatch(line) for p, line in zip(patterns, block, strict=False)]
    if len(matches) < len(patterns):
        return None
    shape_match, memory, size = matches
    if shape_match is None or memory is None or size is None:
        return None
    shape = tuple(int(dim) for dim in shape_match[1].split(","))
    kind = " ".join(shape_match[0].partition("]")[2].split())
    layout, dtype = (_known(shape_match[part]) for part in ("layout", "dtype"))
    item_bytes = _ITEM_BYTES.get(dtype)
    if item_bytes and "NV" not in kind and math.prod(shape) * item_bytes != int(size[1]):
        return None
    return Tensor(name, shape, kind, memory[1], int(size[1]), layout, dtype)


def _known(word: str | None) -> str:
    """The runner calls signed numbers `sint8`."""
    return "" if word in (None, "unknown") else str(word).replace("sint", "int")
