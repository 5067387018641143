"""RKNN-Toolkit2's layers as a table of `domain.layers`, joined to the model's nodes by their names.

A layer is called `OPERATOR:NAME`, where NAME is that of a node, or of the tensor that it writes, with
words of the compiler's behind it: `_ConvAddRelu` where it fused nodes, `_tile0` where it cut one into
parts, `_rs`, `_tp` or `_split` where it brings data into order. Its type puts the fused operators
together: `ConvAddRelu`.
"""

import math
import re
from collections.abc import Collection, Mapping

from npubench.backends.rknn.placement import ADDED, ENDS, operators_of
from npubench.backends.rknn.table import Layer, Table
from npubench.domain import layers as domain
from npubench.domain.kinds import Kind
from npubench.domain.layers import BytesOf, Join, LayerTable
from npubench.domain.records import OnnxModel
from npubench.graph.layer_nodes import Joined, Node, NodeGraph, shared_macs

FUSED: Mapping[str, tuple[str, ...]] = {
    **{"Relu6": ("Clip",), "Swish": ("Sigmoid", "Mul"), "Silu": ("Sigmoid", "Mul")},
    **{"HardSwish": ("HardSwish",), "ReluN": ("Clip",), "Gelu": ("Gelu",)},
}
"""Words of the compiler's for operators that the model may spell otherwise."""

WORDS = ("Conv", "Add", "Relu", "Clip", "Mul", "PRelu", "LeakyRelu", "Sigmoid", "Tanh", "Elu", "MaxPool")
"""Operators that it fuses, in ONNX's words."""

PRODUCTS = frozenset({"Conv", "Gemm", "MatMul", "ConvTranspose", "ReduceMean", "GlobalAveragePool"})
"""Operators that it makes convolutions of, which then have the name of what they were."""

_OWN = re.compile(r"^ex(?=[A-Z])|\d+$")
_TILE = re.compile(r"_tile\d+")
_ORDER = re.compile(r"[-_](?:rs|tp|split|concat|swap|trans|cvt|pad|slice)(?![a-z])|__cvt")


def table_of(
    table: Table, kind: Kind, model: OnnxModel | None, graph: NodeGraph | None, clock_mhz: float | None = None
) -> LayerTable | None:
    """The tool's layers, None where it tells none.

    A build counts cycles, which are times by the declared clock; `eval_perf` told times itself.
    """
    if not table.layers:
        return None
    timed = any(layer.time_us is not None for layer in table.layers)
    cycles = sum(layer.cycles[2] for layer in table.layers if layer.cycles) or None
    clock_mhz = None if timed or not cycles else clock_mhz
    total_us = cycles / clock_mhz if cycles and clock_mhz else None
    head = LayerTable(
        *(kind, domain.RKNN),
        total_us=table.total_us if timed else total_us,
        total_cycles=None if timed else cycles,
        clock_mhz=clock_mhz,
        bytes_of=BytesOf.TRAFFIC,
        complete=table.complete,
    )
    joined = [joined_to(layer, graph) if graph else _without_graph(layer) for layer in table.layers]
    macs = shared_macs([one.nodes for one in joined], [_macs_of_shapes(layer) for layer in table.layers])
    operators = model.operators if model else ()
    return head.holding(
        [
            _layer(layer, one, count, operators, clock_mhz)
            for layer, one, count in zip(table.layers, joined, macs, strict=True)
        ]
    )


def _layer(
    layer: Layer, joined: Joined, macs: int | None, operators: Collection[str], clock_mhz: float | None
) -> domain.Layer:
    memory, compute, total = layer.cycles or (None, None, None)
    counted = total / clock_mhz if total is not None and clock_mhz else None
    by_name = () if joined.join in {Join.ADDED, Join.END} else operators_of(layer, operators)
    return domain.Layer(
        layer.full_name,
        layer.op_type,
        tuple(dict.fromkeys(node.operator for node in joined.nodes)) or by_name,
        tuple(node.name for node in joined.nodes),
        joined.join,
        layer.target,
        time_us=counted if layer.time_us is None else layer.time_us,
        cycles=total,
        compute_cycles=compute,
        memory_cycles=memory,
        graph_macs=macs,
        bytes=layer.rw_bytes,
        mac_utilisation=layer.mac_usage,
        workload=layer.workload,
        input_shapes=layer.input_shapes,
        output_shapes=layer.output_shapes,
        dtype=layer.data_type,
    )


def joined_to(layer: Layer, graph: NodeGraph) -> Joined:
    """The nodes that a layer holds, by its name and by what its type says of fused ones."""
    if layer.op_type in ENDS:
        return Joined(join=Join.END)
    head, _, told = layer.full_name.partition(":")
    operator = head if told else layer.op_type
    found = graph.named(told or head)
    node = found.node or _of_tensor(found.tensor, found.rest, operator, graph)
    if node is None:
        made = bool(found.tensor) and (operator in ADDED or bool(_ORDER.search(found.rest)))
        return Joined(join=Join.ADDED if made else Join.UNKNOWN)
    if operator in ADDED and _plain(operator) != node.operator:
        return Joined(join=Join.ADDED)
    types = _fused(layer.op_type, graph)
    if _TILE.search(found.rest):
        # The sums of parts are the compiler's own.
        types = [one for one in types if one != "Add"]
    nodes, whole = graph.chain(node, types)
    if not whole:
        return Joined(nodes, Join.PARTLY)
    named = bool(found.node) or not found.rest
    return Joined(nodes, Join.NAMED if named and len(nodes) == 1 else Join.FOLLOWS)


def _without_graph(layer: Layer) -> Joined:
    return Joined(join=Join.END if layer.op_type in ENDS else Join.UNKNOWN)


def _of_tensor(tensor: str, rest: str, operator: str, graph: NodeGraph) -> Node | None:
    """The node of a layer with the name of a tensor: what writes it, or the one of its type that reads it.

    With words behind it the tensor is what the compiler's own layer reads.
    """
    if not tensor:
        return None
    plain = _plain(operator)
    maker = graph.makers.get(tensor)
    if maker is not None and maker.operator == plain and not rest:
        return maker
    if not rest or _ORDER.search(rest):
        return None
    kinds = PRODUCTS if plain == "Conv" else {plain}
    readers = [one for one in graph.readers.get(tensor, ()) if one.operator in kinds]
    return readers[0] if len(readers) == 1 else None


def _plain(operator: str) -> str:
    return _OWN.sub("", _OWN.sub("", operator))


def _fused(op_type: str, graph: NodeGraph) -> list[str]:
    """Operators behind the first that a type puts together, in the model's words."""
    known = {node.operator for node in graph.nodes}
    words = sorted({*known, *FUSED, *WORDS}, key=len, reverse=True)
    rest, found = op_type, list[str]()
    while rest:
        rest = rest.removeprefix("ex").removeprefix("Ex")
        word = next((one for one in words if rest.startswith(one)), None)
        if word is None:
            break
        rest = rest[len(word) :]
        found += [word] if word in known else FUSED.get(word, (word,))
    return found[1:]


def _macs_of_shapes(layer: Layer) -> int | None:
    """What a convolution multiplies by the shapes that the tool lists; None of what is none.

    Weights, M x C/g x kernel, are the second input.
    """
    if "Conv" not in layer.op_type or len(layer.input_shapes) < 2 or not layer.output_shapes:
        return None
    return math.prod(layer.input_shapes[1][1:]) * math.prod(layer.output_shapes[0])
