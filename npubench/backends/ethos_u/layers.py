"""Vela's layers as a table of `domain.layers`."""

from collections.abc import Mapping, Sequence

from npubench.backends.ethos_u.vela import Layer, PerLayer, Summary
from npubench.domain import layers as domain
from npubench.domain.kinds import Kind
from npubench.domain.layers import NPU, Join, LayerTable
from npubench.domain.records import OnnxModel
from npubench.graph.layer_nodes import FOLDED, Joined, Node, NodeGraph, shared_macs

UNNAMED = "None"
"""Original operator of rows that Vela made itself."""

ONNX_NAMES = {
    "Conv2D": ("Conv",),
    "DepthwiseConv2D": ("Conv", "GlobalAveragePool"),
    "Conv2DBackpropInput": ("ConvTranspose",),
    "TransposeConv": ("ConvTranspose",),
    "FullyConnected": ("Gemm", "MatMul"),
    "BatchMatMul": ("MatMul",),
    "AvgPool": ("AveragePool", "GlobalAveragePool"),
    "Mean": ("GlobalAveragePool", "ReduceMean"),
    "Minimum": ("Min",),
    "Maximum": ("Max",),
    "ReduceMax": ("ReduceMax", "GlobalMaxPool"),
    "StridedSlice": ("Slice",),
    "Pack": ("Concat",),
    "Reshape": ("Reshape", "Flatten", "Squeeze", "Unsqueeze"),
    "ResizeBilinear": ("Resize",),
    "ResizeNearestNeighbor": ("Resize",),
    "Logistic": ("Sigmoid",),
    "TopKV2": ("TopK",),
}
"""What Vela calls a LiteRT operator, and of which ONNX operators it is made; others keep their names."""


def operators_of(layer: Layer, model: OnnxModel) -> tuple[str, ...]:
    """The model's operator types that a row stands for, by LiteRT's name for them."""
    return tuple(one for one in ONNX_NAMES.get(layer.original, (layer.original,)) if one in model.operators)


def table_of(
    rows: PerLayer, summary: Summary | None, model: OnnxModel, graph: NodeGraph | None
) -> LayerTable | None:
    """Vela's rows at its own clock, None where there are none; what it leaves to the CPU has no time."""
    if not rows.layers:
        return None
    clock_mhz = summary.core_clock_mhz if summary else None
    head = LayerTable(
        *(Kind.SIMULATED, domain.VELA),
        total_us=summary.inference_us if summary else None,
        total_cycles=summary.cycles_total if summary else None,
        clock_mhz=clock_mhz,
        complete=rows.complete,
    )
    joined = joined_to(rows.layers, graph) if graph else [Joined()] * len(rows.layers)
    macs = shared_macs([one.nodes for one in joined], [layer.macs for layer in rows.layers])
    return head.holding(
        [
            _layer(layer, one, count, operators_of(layer, model), clock_mhz)
            for layer, one, count in zip(rows.layers, joined, macs, strict=True)
        ]
    )


def _layer(
    layer: Layer, joined: Joined, macs: int | None, by_name: tuple[str, ...], clock_mhz: float | None
) -> domain.Layer:
    counted = layer.target == NPU
    operators = tuple(dict.fromkeys(node.operator for node in joined.nodes))
    return domain.Layer(
        layer.name,
        _type(layer),
        operators or (() if joined.join is Join.ADDED else by_name),
        tuple(node.name for node in joined.nodes),
        joined.join,
        layer.target,
        time_us=layer.cycles / clock_mhz if counted and clock_mhz else None,
        cycles=layer.cycles if counted else None,
        compute_cycles=layer.compute_cycles if counted else None,
        memory_cycles=layer.memory_cycles if counted else None,
        macs=layer.macs if counted else None,
        graph_macs=macs,
        mac_utilisation=layer.utilisation if counted else None,
    )


def _type(layer: Layer) -> str:
    """LiteRT's operator, and behind it Vela's where it made another one of it: Conv2D/Relu."""
    original = "" if layer.original == UNNAMED else layer.original
    return original if layer.made in {"", "Passthrough", original} else f"{original}/{layer.made}"


ACTIVATIONS: Mapping[str, tuple[str, ...]] = {
    **{"Relu": ("Relu",), "Relu6": ("Clip", "Relu"), "ReluN1To1": ("Clip",), "ReluN": ("Clip", "Relu")},
    **{"Relu0To1": ("Clip",), "Clamp": ("Clip", "Relu"), "Tanh": ("Tanh",), "Sigmoid": ("Sigmoid",)},
    **{"LeakyRelu": ("LeakyRelu",), "Prelu": ("PRelu",), "HardSwish": ("HardSwish",)},
}
"""Vela's operators for what it runs behind another one in the same pass, and the model's."""

ORDERING = frozenset(
    {
        *("Transpose", "Reshape", "Pad", "PadV2", "MirrorPad", "Quantize", "Dequantize", "Cast", "Concat"),
        *("Slice", "StridedSlice", "Split", "Squeeze", "ExpandDims", "Pack", "Unpack", "MemoryCopy"),
    }
)
"""What onnx2tf and Vela add by themselves to bring data into order, or into their type."""

MADE_OF: Mapping[str, tuple[str, ...]] = {"Mul": ("Pow",), "SquaredDifference": ("Sub", "Pow")}
"""What onnx2tf makes another operator of by itself, such as a product of a square."""

BETWEEN = frozenset({*FOLDED, *(one for names in ACTIVATIONS.values() for one in names)})
"""What stands between the node of a layer and the tensor that the layer writes."""


def joined_to(layers: Sequence[Layer], graph: NodeGraph) -> list[Joined]:
    """The nodes of each row, by the tensor that it writes and by what it does to it.

    onnx2tf calls a tensor as the model does, or by a node of the model and its side: `conv2_input_nhwc`
    is what conv2 reads. Names that begin with `/` have `wa` before it.
    """
    found = []
    for number, layer in enumerate(layers):
        following = layers[number + 1] if number + 1 < len(layers) else None
        apart = following is not None and following.name == layer.name and following.made in ACTIVATIONS
        found.append(_joined(layer, graph, apart))
    return found


def _joined(layer: Layer, graph: NodeGraph, apart: bool) -> Joined:
    """`apart`: the activation behind it has a row of its own."""
    if layer.original == UNNAMED:
        return Joined(join=Join.ADDED)
    writer, rest = _writer(layer.name, graph)
    wanted = (*ONNX_NAMES.get(layer.original, (layer.original,)), *MADE_OF.get(layer.original, ()))
    if writer is not None and layer.made in ACTIVATIONS and layer.made != layer.original:
        named = writer.operator in ACTIVATIONS[layer.made]
        return Joined((writer,), Join.NAMED) if named else Joined()
    path = _back(writer, wanted, graph) if writer else ()
    if not path:
        ordering = layer.original in ORDERING or layer.made in ORDERING
        # Words behind the name of a tensor are steps on the way to it, of the node that writes it.
        step = writer is not None and bool(rest) and not ordering
        return Joined((writer,) if step and writer else (), _why(ordering, step))
    nodes = path[:-1] if apart and len(path) > 1 else path
    return Joined(nodes, Join.NAMED if len(path) == 1 and not rest else Join.FOLLOWS)


def _why(ordering: bool, step: bool) -> Join:
    if ordering:
        return Join.ADDED
    return Join.FOLLOWS if step else Join.UNKNOWN


def _writer(name: str, graph: NodeGraph) -> tuple[Node | None, str]:
    """The node that writes the tensor of that name, and the words behind the model's own name of it."""
    told = graph.named(name.removeprefix("wa") if name.startswith("wa/") else name)
    if told.node is None:
        return graph.makers.get(told.tensor), told.rest
    if not told.rest.startswith("_input_"):
        return told.node, "" if told.rest.startswith("_output_") else told.rest
    made = [graph.makers[one] for one in told.node.inputs if one in graph.makers]
    return (made[0] if made else None), ""


def _back(writer: Node, wanted: Sequence[str], graph: NodeGraph) -> tuple[Node, ...]:
    """From a node of one of these types to `writer`, with what stands between them; empty without one."""
    path = [writer]
    while path[0].operator not in wanted:
        before = [graph.makers[one] for one in path[0].inputs if one in graph.makers]
        if path[0].operator not in BETWEEN or len(path) > MOST_BETWEEN or not before:
            return ()
        path.insert(0, before[0])
    return tuple(path)


MOST_BETWEEN = 3
"""Nodes between a layer's own and the tensor that it writes: more are no pattern of an exporter's."""
