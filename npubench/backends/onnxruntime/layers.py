"""ONNX Runtime's profile as a table of `domain.layers`, its optimised nodes joined to the model's own.

A fused node writes a tensor of the model, is called after one, or after a node; what it holds is what
makes that tensor of those that it reads. Convolutions in blocks of channels (NCHWc) write tensors of new
names: they are called after the tensor that they stood for, and hold the sum and the activation behind it
that they are given.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from npubench.backends.onnxruntime.computed import OPTIMISED, profile_in
from npubench.backends.onnxruntime.profile import Kernel, NodeTime, Times, read_runs, tensors, times_of
from npubench.domain.kinds import Kind
from npubench.domain.layers import CPU, ONNX_RUNTIME, Beside, Besides, BytesOf, Join, Layer, LayerTable
from npubench.domain.notes import NoteCode
from npubench.domain.specs import Shape
from npubench.graph.layer_nodes import Joined, Node, NodeGraph, node_graph, shared_macs
from npubench.graph.walk import attribute_of, fixed_shapes

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

ADDED = frozenset(
    {"ReorderInput", "ReorderOutput", "QuantizeLinear", "DequantizeLinear", "Cast", "Transpose"}
)
"""What it puts in to bring data into order or into another type; the model may have such of its own."""

STATISTIC = NoteCode.FASTEST_OF_PROFILER.text

BLOCKS, FUSED_SUM = "com.microsoft.nchwc", "FusedConv"
"""The domain of convolutions in blocks of channels, and another one's type: a fourth input is a sum's."""

MOST_IN_BLOCK = 16
"""Channels; 8 where the processor has shorter vectors."""

CLIPPING = frozenset({"Relu", "Clip"})
"""Integers of the right range need none: the quantiser, or ONNX Runtime, leaves these out."""

ORDERING = frozenset({"Reshape", "Squeeze", "Unsqueeze"})
"""What it puts in behind operators that it makes others of."""

_INTEGER = re.compile("^(?:QLinear|Nhwc|Q(?=[A-Z]))")
"""What operators in integers have before their name."""

PROVIDERS = {"CPUExecutionProvider": CPU}
"""Units by the names of providers; others are told as they are."""


def layers_of(scratch: Path, model: Path) -> LayerTable:
    """The layers of the profile that `computed.profiled` left. Raises ValueError of one without any run."""
    import onnx

    times = times_of(read_runs(profile_in(scratch)))
    if times is None:
        raise ValueError("no run stands in it")
    optimised = onnx.load(scratch / OPTIMISED, load_external_data=False)
    return table_of(times, optimised, node_graph(model))


def table_of(times: Times, optimised: "ModelProto", graph: NodeGraph | None) -> LayerTable:
    """The profile's layers. `optimised` is the graph that ran, `graph` that of the model."""
    nodes = _nodes(times.nodes, optimised)
    joined = _joined(nodes, graph) if graph else [Joined()] * len(nodes)
    macs = shared_macs([one.nodes for one in joined], [None] * len(nodes))
    layers = [_layer(node, one, count) for node, one, count in zip(times.nodes, joined, macs, strict=True)]
    what = Besides.OVERLAP if times.outside_us < 0 else Besides.OUTSIDE_OF_LAYERS
    beside = (Beside(what, times.outside_us), Beside(Besides.INTERRUPTIONS, times.interrupted_us))
    head = LayerTable(
        *(Kind.MEASURED, ONNX_RUNTIME),
        total_us=times.total_us,
        beside=tuple(one for one in beside if one.time_us),
        bytes_of=BytesOf.TENSORS,
        statistic=STATISTIC.format(fastest=times.fastest, counted=times.counted),
        complete=times.complete,
    )
    return head.holding(layers)


def _nodes(times: Sequence[NodeTime], optimised: "ModelProto") -> "list[NodeProto | None]":
    """The optimised node of each: they run in the order in which they stand.

    None of those whose names and shapes do not tell it, where not all nodes ran.
    """
    nodes, shapes = list(optimised.graph.node), fixed_shapes(optimised.graph)
    if len(nodes) == len(times) and all(map(_may_be, times, nodes)):
        found: list[NodeProto | None] = [*nodes]
    else:
        found = _by_names(times, nodes)
    return [
        node if node is not None and _fits(time.kernel, node, shapes) else None
        for time, node in zip(times, found, strict=True)
    ]


def _may_be(time: NodeTime, node: "NodeProto") -> bool:
    return node.op_type == time.kernel.operator and node.name in {"", time.kernel.name}


def _by_names(times: Sequence[NodeTime], nodes: "Sequence[NodeProto]") -> "list[NodeProto | None]":
    """By name and operator, where as many nodes have both as ran."""
    standing: defaultdict[tuple[str, str], list[NodeProto]] = defaultdict(list)
    for node in nodes:
        standing[node.name, node.op_type].append(node)
    keys = []
    for time in times:
        key = (time.kernel.name, time.kernel.operator)
        # A node without a name is profiled under its operator and its number.
        keys.append(key if key in standing else ("", time.kernel.operator))
    ran, seen = Counter(keys), Counter[tuple[str, str]]()
    found: list[NodeProto | None] = []
    for key in keys:
        ones = standing.get(key, [])
        found.append(ones[seen[key]] if len(ones) == ran[key] else None)
        seen[key] += 1
    return found


def _fits(kernel: Kernel, node: "NodeProto", shapes: Mapping[str, Shape]) -> bool:
    """Whether what it wrote has the shape that the node's outputs have by the graph, as far as both tell."""
    written = [shape for _, shape in tensors(kernel, "output")]
    there = [name for name in node.output if name]
    return len(written) != len(there) or all(
        _filled_up(shapes.get(name, shape)) == _filled_up(shape)
        for name, shape in zip(there, written, strict=True)
    )


def _filled_up(shape: Shape) -> Shape:
    """Channels of images in whole blocks, as far as which they are filled with zeros."""
    if len(shape) != 4:
        return shape
    return (shape[0], -(-shape[1] // MOST_IN_BLOCK) * MOST_IN_BLOCK, *shape[2:])


def _layer(time: NodeTime, joined: Joined, macs: int | None) -> Layer:
    kernel = time.kernel
    outputs = tensors(kernel, "output")
    operators = tuple(dict.fromkeys(node.operator for node in joined.nodes))
    provider = str(kernel.arguments.get("provider", ""))
    return Layer(
        *(kernel.name, kernel.operator, operators, tuple(node.name for node in joined.nodes), joined.join),
        PROVIDERS.get(provider, provider),
        time_us=time.time_us,
        graph_macs=macs,
        bytes=_bytes(kernel.arguments),
        input_shapes=tuple(shape for _, shape in tensors(kernel, "input")),
        output_shapes=tuple(shape for _, shape in outputs),
        dtype=outputs[0][0] if outputs else "",
    )


def _bytes(arguments: Any) -> int | None:
    """Tensors read and written, weights among them: the profile has each as a text."""
    sizes = [str(arguments.get(f"{what}_size", "")) for what in ("activation", "parameter", "output")]
    return sum(map(int, sizes)) if all(one.isdecimal() for one in sizes) else None


def _joined(nodes: "Sequence[NodeProto | None]", graph: NodeGraph) -> list[Joined]:
    """The model's nodes of each optimised one, in the order in which they ran."""
    ran = [node for node in nodes if node is not None]
    told = frozenset(name for node in ran for name in (node.name, *node.output))
    stands_for: dict[str, str] = {}
    return [Joined() if node is None else _join(node, graph, told, stands_for) for node in nodes]


def _join(node: "NodeProto", graph: NodeGraph, told: Collection[str], stands_for: dict[str, str]) -> Joined:
    """`told` has all names that ran, `stands_for` the model's tensor of each new one: this one's is added."""
    read = [stands_for.get(name) or _tensor(name, graph) for name in node.input if name]
    last = _last(node, graph) or _reader(node, read, graph)
    own = last is not None and last.operator == node.op_type
    if not own and (node.op_type in ADDED or (last is None and node.op_type in ORDERING)):
        stands_for |= {name: read[0] for name in node.output if read and name not in graph.makers}
        return Joined(join=Join.ADDED)
    if last is None:
        return Joined()
    nodes, whole = graph.between(last, {one for one in read if one}), True
    if nodes and not any(name in graph.makers for name in node.output):
        there = {one.operator for one in nodes}
        behind, whole = graph.chain(last, [one for one in _behind(node) if one not in there])
        nodes = _with_clipping((*nodes, *behind[1:]), graph, told)
    if not nodes:
        return Joined((last,), Join.PARTLY)
    stands_for |= {node.output[0]: nodes[-1].outputs[0]} if node.output and nodes[-1].outputs else {}
    if not whole:
        return Joined(nodes, Join.PARTLY)
    return Joined(nodes, Join.NAMED if len(nodes) == 1 else Join.FOLLOWS)


def _with_clipping(nodes: tuple[Node, ...], graph: NodeGraph, told: Collection[str]) -> tuple[Node, ...]:
    """With what follows and clips, where nothing that ran is called after it."""
    readers = [one for name in nodes[-1].outputs for one in graph.readers.get(name, ())]
    if len(readers) != 1 or readers[0].operator not in CLIPPING:
        return nodes
    names = (readers[0].name, *readers[0].outputs)
    return nodes if any(name in told for name in names) else (*nodes, readers[0])


def _tensor(name: str, graph: NodeGraph) -> str:
    """The model's tensor that another one is by its name: it is called after that, or after its node."""
    if name in graph.makers or name in graph.readers:
        return name
    told = graph.named(name)
    if told.node is None:
        return told.tensor
    if not told.rest:
        return next(iter(told.node.outputs), "")
    return told.node.name if told.node.name in told.node.outputs else ""


def _last(node: "NodeProto", graph: NodeGraph) -> Node | None:
    """The model's node that writes what the optimised one writes, by that tensor's name, else by its own."""
    for name in node.output:
        if maker := graph.makers.get(_tensor(name, graph)):
            return maker
    told = graph.named(node.name)
    return told.node or graph.makers.get(told.tensor)


def _reader(node: "NodeProto", read: Sequence[str], graph: NodeGraph) -> Node | None:
    """Where no name tells it: the one node of the same operator that reads what the optimised one reads."""
    plain = _INTEGER.sub("", node.op_type)
    first = read[0] if read else ""
    readers = [one for one in graph.readers.get(first, ()) if one.operator == plain]
    return readers[0] if len(readers) == 1 else None


def _behind(node: "NodeProto") -> list[str]:
    """Operators that a fused convolution does behind itself."""
    summed = (node.domain == BLOCKS or node.op_type == FUSED_SUM) and len(node.input) > 3 and node.input[3]
    activation = attribute_of(node, "activation", b"")
    told = activation.decode() if isinstance(activation, bytes) else str(activation)
    return [*(["Add"] if summed else []), *([told] if told else [])]
