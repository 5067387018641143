"""Where a model is cut so that its middle holds nothing that a target lacks."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from npubench.domain.failures import Failure, FailureClass, Stage
from npubench.graph.macs import macs_of_nodes
from npubench.graph.surgery.graph_view import inferred, pruned, reads, shapes_of
from npubench.graph.surgery.parts import part_of
from npubench.graph.walk import operator_name, subgraphs, true_inputs

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

LARGEST_SHARE = 0.1
"""Of the multiply-accumulates: with more of them on the CPU the cut is in the middle, not at the ends."""

MOVES_ONLY = frozenset(
    {"Identity", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Cast", "Constant", "Shape"}
)


@dataclass(frozen=True)
class Cut:
    """Three models that do one after another what the whole does; `lacking` are the operators cut off.

    `share` is the part of the multiply-accumulates that head and tail hold; None where the model has none
    that can be counted.
    """

    head: "ModelProto | None"
    body: "ModelProto"
    tail: "ModelProto | None"
    lacking: tuple[str, ...]
    share: float | None


def cut(model: "ModelProto", lacking: Collection[str]) -> Cut | Failure:
    """Cut what holds operators of these types off at head or tail, whichever leaves more between.

    Every such node takes along all that comes before it (into the head) or all that depends on it (into the
    tail). What depends on no input is in every part that reads it. A failure where nothing is left, where
    more than `LARGEST_SHARE` of the multiply-accumulates would leave the target, or where the type of a
    tensor across the cut is not known. Local functions have to be inlined, external data loaded.
    """
    whole = inferred(pruned(model))
    nodes = list(whole.graph.node)
    ties = _Ties(nodes, {value.name for value in true_inputs(whole.graph)}, lacking, whole)
    found = tuple(dict.fromkeys(operator_name(nodes[i]) for i in ties.lacking))
    weights = [macs_of_nodes([node], shapes) or 0 for shapes in [shapes_of(whole)] for node in nodes]
    head, tail = ties.sides(weights)
    body = ties.free & ~head & ~tail
    if not any(nodes[i].op_type not in MOVES_ONLY for i in _members(body)):
        return _refused(found, "nothing is left between head and tail for the target")
    total = sum(weights)
    share = sum(weights[i] for i in _members(head | tail)) / total if total else None
    if share is not None and share > LARGEST_SHARE:
        return _refused(
            found,
            f"they stand in the middle of the graph: {share:.0%} of its multiply-accumulates would run on the"
            f" CPU, {LARGEST_SHARE:.0%} at most may",
        )
    made = [part_of(whole, _members(side), ties.steady) for side in (head, body, tail)]
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
        self, nodes: "Sequence[NodeProto]", fed: set[str], lacking: Collection[str], model: "ModelProto"
    ) -> None:
        self.lacking = [i for i, node in enumerate(nodes) if is_of(node, lacking)]
        makers = {name: i for i, node in enumerate(nodes) for name in node.output if name}
        given = {value.name for value in model.graph.output}
        sources = [{makers[name] for name in reads(node) if name in makers} for node in nodes]
        self.steady = 0
        for i, node in enumerate(nodes):
            settled = all(self.steady >> source & 1 for source in sources[i])
            apart = i in self.lacking or given & set(node.output) or fed & set(reads(node))
            if settled and not apart:
                self.steady |= 1 << i
        self.free = ((1 << len(nodes)) - 1) & ~self.steady
        self._before, self._after = [0] * len(nodes), [0] * len(nodes)
        for i in range(len(nodes)):
            self._before[i] = (1 << i) | _union(self._before[s] for s in sources[i])
        readers: list[list[int]] = [[] for _ in nodes]
        for i, found in enumerate(sources):
            for source in found:
                readers[source].append(i)
        for i in reversed(range(len(nodes))):
            self._after[i] = (1 << i) | _union(self._after[r] for r in readers[i])

    def sides(self, weights: Sequence[int]) -> tuple[int, int]:
        """Head and tail: each lacking node goes where fewer multiply-accumulates, then fewer nodes, go along.

        The order is the same for all nodes, so that none is pulled to both sides: what comes before a node
        that goes into the head has even less before it, and even more behind it.
        """
        head = tail = 0
        for i in self.lacking:
            sides = (self._before[i] & self.free, self._after[i] & self.free)
            costs = [(sum(weights[n] for n in _members(side)), side.bit_count()) for side in sides]
            if costs[0] < costs[1]:
                head |= sides[0]
            else:
                tail |= sides[1]
        return head, tail


def _union(sets: Iterable[int]) -> int:
    total = 0
    for one in sets:
        total |= one
    return total


def _members(bits: int) -> list[int]:
    """Numbers of the bits that are set, in order: nodes stand in an order in which they can run."""
    return [i for i, bit in enumerate(reversed(f"{bits:b}")) if bit == "1"]
