"""Where a model is cut so that its middle holds nothing that a target lacks, and the parts as models."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING

from npubench.domain.records import Failure, FailureClass, Stage
from npubench.graph.check import invalid, shown
from npubench.graph.macs import macs_of_nodes
from npubench.graph.surgery.graph_view import pruned, reads
from npubench.graph.walk import (
    fixed_shapes,
    has_rank,
    infer_shapes,
    operator_name,
    subgraphs,
    true_inputs,
    typed_values,
)

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto, ValueInfoProto


LARGEST_SHARE = 0.1
"""Of the multiply-accumulates: with more of them on the CPU the cut is in the middle, not at the ends."""

MOVES_ONLY = frozenset(
    {"Identity", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Cast", "Constant", "Shape"}
)


@dataclass(frozen=True)
class Cut:
    """Three models that do one after another what the whole does.

    `unsupported_ops` are the operators cut off. `share` is the part of the multiply-accumulates that head
    and tail hold; None where the model has none that can be counted.
    """

    head: "ModelProto | None"
    body: "ModelProto"
    tail: "ModelProto | None"
    unsupported_ops: tuple[str, ...]
    share: float | None


def cut(model: "ModelProto", unsupported_ops: Collection[str]) -> Cut | Failure:
    """Cut what holds operators of these types off at head or tail, whichever leaves more between.

    Every such node takes along all that comes before it (into the head) or all that depends on it (into the
    tail). What depends on no input is in every part that reads it. A failure where nothing is left, where
    more than `LARGEST_SHARE` of the multiply-accumulates would leave the target, or where the type of a
    tensor across the cut is not known. Local functions have to be inlined, external data loaded.
    """
    whole = infer_shapes(pruned(model))
    nodes = list(whole.graph.node)
    ties = _Ties(nodes, {value.name for value in true_inputs(whole.graph)}, unsupported_ops, whole)
    found = tuple(dict.fromkeys(operator_name(nodes[i]) for i in ties.unsupported_ops))
    weights = [macs_of_nodes([node], shapes) or 0 for shapes in [fixed_shapes(whole.graph)] for node in nodes]
    head, tail = ties.sides(weights)
    body = ties.free & ~head & ~tail
    if not any(nodes[i].op_type not in MOVES_ONLY for i in _members(body)):
        return _refused(found, "nothing is left between head and tail for the target")
    total = sum(weights)
    share = sum(weights[i] for i in _members(head | tail)) / total if total else None
    if share is not None and share > LARGEST_SHARE:
        of_macs = (
            f"{share:.0%} of its multiply-accumulates would run on the CPU, {LARGEST_SHARE:.0%} at most may"
        )
        return _refused(found, f"they stand in the middle of the graph: {of_macs}")
    made = [extract_subgraph(whole, _members(side), ties.constant_nodes) for side in (head, body, tail)]
    for one in made:
        if isinstance(one, Failure):
            return _refused(found, one.message)
    before, middle, after = (one for one in made if not isinstance(one, Failure))
    assert middle is not None
    return Cut(before, middle, after, found, share)


def _refused(operators: tuple[str, ...], reason: str) -> Failure:
    message = f"no cut at {', '.join(operators)}: {reason}"
    return Failure(Stage.COMPILE, FailureClass.UNSUPPORTED_OPERATOR, message, operators)


def is_of(node: "NodeProto", types: Collection[str]) -> bool:
    """Whether a node is of one of these types, or holds one in a branch or loop.

    Tools name types of foreign domains with or without the domain.
    """
    if node.op_type in types or operator_name(node) in types:
        return True
    return any(is_of(inner, types) for graph in subgraphs(node) for inner in graph.node)


class _Ties:
    """Which nodes need which: sets of node numbers as the bits of an integer."""

    def __init__(
        self,
        nodes: "Sequence[NodeProto]",
        inputs: set[str],
        unsupported_ops: Collection[str],
        model: "ModelProto",
    ) -> None:
        self.unsupported_ops = [i for i, node in enumerate(nodes) if is_of(node, unsupported_ops)]
        makers = {name: i for i, node in enumerate(nodes) for name in node.output if name}
        outputs = {value.name for value in model.graph.output}
        sources = [{makers[name] for name in reads(node) if name in makers} for node in nodes]
        self.constant_nodes = 0
        for i, node in enumerate(nodes):
            settled = all(self.constant_nodes >> source & 1 for source in sources[i])
            apart = i in self.unsupported_ops or outputs & set(node.output) or inputs & set(reads(node))
            if settled and not apart:
                self.constant_nodes |= 1 << i
        self.free = ((1 << len(nodes)) - 1) & ~self.constant_nodes
        self._before, self._after = [0] * len(nodes), [0] * len(nodes)
        for i in range(len(nodes)):
            self._before[i] = (1 << i) | reduce(or_, (self._before[s] for s in sources[i]), 0)
        readers: list[list[int]] = [[] for _ in nodes]
        for i, found in enumerate(sources):
            for source in found:
                readers[source].append(i)
        for i in reversed(range(len(nodes))):
            self._after[i] = (1 << i) | reduce(or_, (self._after[r] for r in readers[i]), 0)

    def sides(self, weights: Sequence[int]) -> tuple[int, int]:
        """Head and tail: each unsupported node goes where fewer MACs, then fewer nodes, go along.

        The order is the same for all nodes, so that none is pulled to both sides: what comes before a node
        that goes into the head has even less before it, and even more behind it.
        """
        head = tail = 0
        for i in self.unsupported_ops:
            sides = (self._before[i] & self.free, self._after[i] & self.free)
            costs = [(sum(weights[n] for n in _members(side)), side.bit_count()) for side in sides]
            if costs[0] < costs[1]:
                head |= sides[0]
            else:
                tail |= sides[1]
        return head, tail


def _members(bits: int) -> list[int]:
    """Numbers of the bits that are set, in order: nodes stand in an order in which they can run."""
    return [i for i, bit in enumerate(reversed(f"{bits:b}")) if bit == "1"]


def extract_subgraph(
    model: "ModelProto", members: Sequence[int], constant_nodes: int
) -> "ModelProto | Failure | None":
    """The nodes with these numbers as a model; None where there are none.

    `model` has its shapes inferred. The bits of `constant_nodes` are nodes that depend on no input: those
    that the part reads are put into it. Its inputs are what it reads of the rest, its outputs what the rest
    or the caller reads of it, both in the order of the whole. A failure where the type of one is not known.
    """
    import onnx

    if not members:
        return None
    graph = model.graph
    chosen = _with_constants(graph, members, constant_nodes)
    nodes = [graph.node[i] for i in sorted(chosen)]
    inner = {name for node in nodes for name in node.output if name}
    read = {name for node in nodes for name in reads(node)}
    weights = [one for one in graph.initializer if one.name in read]
    sparse = [one for one in graph.sparse_initializer if one.values.name in read]
    known = inner | {one.name for one in weights} | {one.values.name for one in sparse}
    own = {name for i in members for name in graph.node[i].output if name}
    elsewhere = {name for i, node in enumerate(graph.node) if i not in chosen for name in reads(node)}
    whole_outputs = {value.name for value in graph.output}
    inputs = _typed(model, [name for name in _in_order(graph) if name in read - known])
    outputs = _typed(model, [name for name in _in_order(graph) if name in own & (elsewhere | whole_outputs)])
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


def _with_constants(graph: "GraphProto", members: Iterable[int], constant_nodes: int) -> set[int]:
    makers = {name: i for i, node in enumerate(graph.node) for name in node.output if name}
    chosen, waiting = set(members), list(members)
    while waiting:
        for name in reads(graph.node[waiting.pop()]):
            maker = makers.get(name)
            if maker is not None and maker not in chosen and constant_nodes >> maker & 1:
                chosen.add(maker)
                waiting.append(maker)
    return chosen


def _in_order(graph: "GraphProto") -> list[str]:
    """Every tensor once: inputs, outputs of the whole in their order, then the rest as nodes write it."""
    inputs = [value.name for value in true_inputs(graph)]
    outputs = [value.name for value in graph.output]
    written = [name for node in graph.node for name in node.output if name]
    return list(dict.fromkeys((*inputs, *outputs, *written)))


def _typed(model: "ModelProto", names: Sequence[str]) -> "list[ValueInfoProto] | Failure":
    known = {value.name: value for value in filter(has_rank, typed_values(model.graph))}
    for name in names:
        if name not in known:
            return invalid(
                f"the shape of '{shown(name)}', which would cross the cut, does not follow from it"
            )
    return [known[name] for name in names]
