"""Where RKNN's layers run, by its table of them, and of which operators of the model they are made."""

import re
from collections.abc import Collection, Sequence
from typing import Any

from npubench.backends.isolated.placement import Row, placed
from npubench.backends.rknn.table import Layer
from npubench.domain.records import OnnxModel

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
