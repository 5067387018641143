"""One part of a model as a model of its own."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from npubench.domain.failures import Failure
from npubench.graph.refusal import invalid, shown
from npubench.graph.surgery.graph_view import reads, values_of
from npubench.graph.walk import has_rank, true_inputs

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, ValueInfoProto


def part_of(model: "ModelProto", members: Sequence[int], steady: int) -> "ModelProto | Failure | None":
    """The nodes with these numbers as a model; None where there are none.

    `model` has its shapes inferred; the bits of `steady` are nodes that depend on no input: those that the
    part reads are put into it. Its inputs are what it reads of the rest, its outputs what the rest or the
    caller reads of it, both in the order of the whole. A failure where the type of one is not known.
    """
    import onnx

    if not members:
        return None
    graph = model.graph
    chosen = _with_constants(graph, members, steady)
    nodes = [graph.node[i] for i in sorted(chosen)]
    inner = {name for node in nodes for name in node.output if name}
    read = {name for node in nodes for name in reads(node)}
    weights = [one for one in graph.initializer if one.name in read]
    sparse = [one for one in graph.sparse_initializer if one.values.name in read]
    known = inner | {one.name for one in weights} | {one.values.name for one in sparse}
    own = {name for i in members for name in graph.node[i].output if name}
    elsewhere = {name for i, node in enumerate(graph.node) if i not in chosen for name in reads(node)}
    given = {value.name for value in graph.output}
    inputs = _typed(model, [name for name in _in_order(graph) if name in read - known])
    outputs = _typed(model, [name for name in _in_order(graph) if name in own & (elsewhere | given)])
    if isinstance(inputs, Failure):
        return inputs
    if isinstance(outputs, Failure):
        return outputs
    part = onnx.helper.make_graph(nodes, graph.name or "part", inputs, outputs, weights)
    part.sparse_initializer.extend(sparse)
    ends = {value.name for value in (*inputs, *outputs)}
    part.value_info.extend(one for one in graph.value_info if one.name in inner - ends)
    made = onnx.helper.make_model(part, opset_imports=model.opset_import, ir_version=model.ir_version)
    made.producer_name = "npubench"
    return made


def _with_constants(graph: "GraphProto", members: Iterable[int], steady: int) -> set[int]:
    makers = {name: i for i, node in enumerate(graph.node) for name in node.output if name}
    chosen, waiting = set(members), list(members)
    while waiting:
        for name in reads(graph.node[waiting.pop()]):
            maker = makers.get(name)
            if maker is not None and maker not in chosen and steady >> maker & 1:
                chosen.add(maker)
                waiting.append(maker)
    return chosen


def _in_order(graph: "GraphProto") -> list[str]:
    """Every tensor once: inputs, outputs of the whole in their order, then the rest as nodes write it."""
    fed = [value.name for value in true_inputs(graph)]
    given = [value.name for value in graph.output]
    written = [name for node in graph.node for name in node.output if name]
    return list(dict.fromkeys((*fed, *given, *written)))


def _typed(model: "ModelProto", names: Sequence[str]) -> "list[ValueInfoProto] | Failure":
    known = {value.name: value for value in values_of(model)}
    for name in names:
        value = known.get(name)
        if value is None or not has_rank(value):
            return invalid(
                f"the shape of '{shown(name)}', which would cross the cut, does not follow from it"
            )
    return [known[name] for name in names]
