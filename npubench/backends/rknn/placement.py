"""Which of the model's operators the compiler placed where.

The tool fuses operators and names what it made: `ConvAddRelu` is a Conv, an Add and a Relu, and
`exSoftmax13:output` its own form of Softmax.
"""

import re
from collections.abc import Collection, Mapping, Sequence

from npubench.backends.rknn.table import Layer
from npubench.domain.records import Computed, OnnxModel, PlacedLayer
from npubench.graph.shares import Placed, of_layers

ENDS = frozenset({"InputOperator", "OutputOperator"})
"""Rows for the model's inputs and outputs: the CPU hands them over on every chip."""

ADDED = frozenset({"Reshape", "Transpose", "Split", "Concat", "Slice", "Pad", "Cast"})
"""What the tool adds by itself to bring data into another order or into parts."""

_OWN = re.compile(r"^ex(?=[A-Z])|\d+$")


def placement(layers: Sequence[Layer], operators: Collection[str]) -> Mapping[str, str]:
    """NPU or CPU by the model's operator types; CPU where any of a type is. What was folded is not there.

    By the tool's types where it made something else of the whole model, as of an InstanceNormalization.
    """
    own = [(name, layer) for layer in layers for name in operators_of(layer, operators)]
    made = [(layer.op_type, layer) for layer in layers if layer.op_type not in ENDS]
    found: dict[str, str] = {}
    for name, layer in own or made:
        if found.get(name) != "CPU":
            found[name] = _unit(layer)
    return found


def placed_layers(layers: Sequence[Layer], operators: Collection[str]) -> tuple[PlacedLayer, ...]:
    """Rows of the table but for the model's inputs and outputs; what the tool added is by its own type."""
    return tuple(
        PlacedLayer(layer.full_name, operators_of(layer, operators) or (layer.op_type,), _unit(layer))
        for layer in layers
        if layer.op_type not in ENDS
    )


def _unit(layer: Layer) -> str:
    return "NPU" if layer.target == "NPU" else "CPU"


def operators_of(layer: Layer, operators: Collection[str]) -> tuple[str, ...]:
    """The model's operator types that a row stands for; none for what the tool added itself."""
    if layer.op_type in ENDS:
        return ()
    names = {layer.full_name.partition(":")[0], *_parts(layer.op_type, operators)}
    plain = {_OWN.sub("", name) for name in names}
    return tuple(sorted((names | plain) & set(operators)))


def shares(layers: Sequence[Layer], model: OnnxModel) -> Computed | None:
    """Of the layers that compute, and of the model's MACs where one side has all of them."""
    known = tuple(model.operators)
    placed = [
        Placed(layer.target == "NPU", operators_of(layer, known) or ADDED.intersection({layer.op_type}))
        for layer in layers
        if layer.op_type not in ENDS
    ]
    return of_layers(placed, model)


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
