"""The tensors that rknn_benchmark lists of the model that it loaded, before it runs it.

Format: `input tensors:` and `output tensors:`, then of each tensor `index=0, name=NAME, n_dims=4,
dims=[1, 224, 224, 3], ..., fmt=NHWC, type=INT8, ...`, in one line or, by older builds, in several.
"""

import re

from npubench.backends.signature import Signature, Told, Tolerance

_BORDERS = ("int8", "uint8", "int16", "float16", "float32", "int32")
AT_RUN_TIME = Tolerance(
    arranged="the runtime lists axes as the NPU holds them",
    dtypes=dict.fromkeys(
        ("float64", "float32", "float16", "int64", "uint64", "int32", "int16", "int8", "uint8", "bool"),
        _BORDERS,
    ),
    dtypes_why="borders are quantised, or the runtime's nearest type",
)
"""What the runtime's tensors differ in from the model's; names are the model's."""

_PART = re.compile(r"^[ \t]*(input|output) tensors:[ \t]*\r?$", re.M)
_COUNTS = re.compile(r"^[ \t]*model input num: ([0-9]+), output num: ([0-9]+)", re.M)
_TENSOR = re.compile(
    r"index=[0-9]+, ?name=(?P<name>.*?),\s+n_dims=[0-9]+, ?dims=\[(?P<dims>[0-9, ]*)\]"
    r"(?P<rest>(?:(?!index=).)*?)type=(?P<type>\w+)",
    re.S,
)
_TYPES = {"FP32": "float32", "FP16": "float16", "FP64": "float64"}


def tensors_of_benchmark(text: str) -> Signature:
    """Inputs and outputs; nothing is told where a list is not as long as the runner counted."""
    parts = list(_PART.finditer(text))
    counts = _COUNTS.search(text)
    found: dict[str, tuple[Told, ...]] = {}
    for at, part in enumerate(parts):
        end = parts[at + 1].start() if at + 1 < len(parts) else len(text)
        found[part[1]] = tuple(_told(match) for match in _TENSOR.finditer(text, part.end(), end))
    inputs, outputs = found.get("input"), found.get("output")
    if counts and (len(inputs or ()), len(outputs or ())) != (int(counts[1]), int(counts[2])):
        return Signature()
    return Signature(inputs or None, outputs or None)


def _told(match: re.Match[str]) -> Told:
    shape = tuple(int(size) for size in match["dims"].split(",") if size.strip())
    return Told(match["name"], shape, _TYPES.get(match["type"], match["type"].lower()))
