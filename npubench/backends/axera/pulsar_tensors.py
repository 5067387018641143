"""What `pulsar info` and run_joint tell of a .joint's inputs and outputs, to be held against the model's."""

import re
from collections.abc import Sequence

from npubench.backends.axera.lines import whole_lines
from npubench.backends.axera.tensors import Tensor
from npubench.backends.signature import Signature, Told, Tolerance

PULSAR = Tolerance(
    layout="tensors lie as the configuration asks, by default NHWC",
    rank="a native layout gives four axes to vectors, too",
    dtypes={
        "float64": ("float32",),
        "float32": ("uint8", "int8", "uint16", "int16", "float16"),
        "float16": ("float32", "uint8", "int8", "uint16", "int16"),
        "int64": ("int32", "float32"),
        "int32": ("float32",),
        "int8": ("float32",),
        "uint8": ("float32", "int8"),
        "bool": ("uint8", "int8", "float32"),
    },
    dtypes_why="pictures go in as bytes, and what comes out is FP32 or what the configuration asks",
)
"""What a .joint differs in; it keeps names."""

_HEAD = re.compile(r"\W*NAME\W+I/O\?\W+SHAPE\b.*")
_ROW = re.compile(
    r"[|\s]*(?P<name>\S(?:.*?\S)?)[|\s]+(?P<side>IN|OUT)[|\s]+\[(?P<shape>[0-9, ]*)\]"
    r"(?:[|\s]+(?P<dtype>[a-z]+[0-9]+))?(?:[|\s].*)?"
)
_LIKE_A_ROW = re.compile(r".*[|\s](?:IN|OUT)[|\s]+\[.*")
_DTYPE = re.compile(r"u?int(?:8|16|32|64)|float(?:16|32|64)")
_PACKED = re.compile(r"\bNV(?:12|21)\b|YUV")


def of_info(text: str) -> Signature:
    """The table of `pulsar info`; nothing is told without one, or by one with a damaged row."""
    lines = whole_lines(text)
    start = next((at for at, line in enumerate(lines) if _HEAD.fullmatch(line)), None)
    if start is None:
        return Signature()
    found: dict[str, list[Told]] = {"IN": [], "OUT": []}
    for line in lines[start + 1 :]:
        if match := _ROW.fullmatch(line.rstrip()):
            found[match["side"]].append(Told(match["name"], _sizes(match["shape"]), match["dtype"]))
        elif _LIKE_A_ROW.fullmatch(line):
            return Signature()
    return Signature(tuple(found["IN"]), tuple(found["OUT"])) if any(found.values()) else Signature()


def of_run_joint(inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> Signature:
    """The blocks that run_joint prints; nothing is told where it prints none that are whole."""
    if not inputs and not outputs:
        return Signature()
    return Signature(tuple(map(_told, inputs)), tuple(map(_told, outputs)))


def _told(tensor: Tensor) -> Told:
    dtype = _DTYPE.search(tensor.kind)
    # Of NV12 the rows are those of brightness and colour together.
    shape = None if _PACKED.search(tensor.kind) else tensor.shape
    return Told(tensor.name, shape, dtype[0] if dtype else None)


def _sizes(text: str) -> tuple[int, ...]:
    return tuple(int(size) for size in text.split(",") if size.strip())
