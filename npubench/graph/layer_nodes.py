"""Nodes of an ONNX model by the names that compilers make of them, and what each of them multiplies.

Compilers name what they make after a node, or after the tensor that it writes, and add words of their own.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self

from npubench.domain.layers import Join
from npubench.domain.records import Failure
from npubench.graph.macs import macs_of_nodes
from npubench.graph.walk import fixed_shapes, operator_name, true_inputs

if TYPE_CHECKING:
    from onnx import GraphProto, NodeProto

SEPARATORS = "_#-.:/ "
"""What stands between a name of the model and the words that a compiler adds."""

FOLDED = frozenset({"BatchNormalization", "Identity", "Dropout", "QuantizeLinear", "DequantizeLinear"})
"""Nodes that leave no layer of their own: they become part of the weights beside them, or nothing."""

MOST_FOLDED = 8
"""Of these in a row: more of them are no pattern of an exporter's."""

MOST_HELD = 64
"""Nodes that one layer holds at most: attention, the longest that is fused, is of some thirty."""


@dataclass(frozen=True, slots=True)
class Node:
    """A node of the main graph. Without a name of its own it is called by its first output."""

    name: str  # that it alone has
    operator: str  # its type; with the domain outside of the standard
    inputs: tuple[str, ...] = ()  # tensors, absent ones left out
    outputs: tuple[str, ...] = ()  # tensors, absent ones left out
    macs: int | None = None  # multiply-accumulates; None where shapes do not tell


@dataclass(frozen=True, slots=True)
class Joined:
    """The nodes of a layer, and how they were found."""

    nodes: tuple[Node, ...] = ()  # in the order in which they run
    join: Join = Join.UNKNOWN  # how sure that is


@dataclass(frozen=True, slots=True)
class Named:
    """What of a model a compiler's name begins with, and what it adds."""

    node: Node | None = None  # whose name it is
    tensor: str = ""  # whose name it is; empty where it is a node's
    rest: str = ""  # what the compiler added


@dataclass(frozen=True, slots=True)
class NodeGraph:
    """Nodes by name, by what they write and by what they read."""

    nodes: tuple[Node, ...] = ()  # in the order of the file
    by_name: Mapping[str, Node] = field(default_factory=dict)  # every node once
    makers: Mapping[str, Node] = field(default_factory=dict)  # tensor -> the node that writes it
    readers: Mapping[str, tuple[Node, ...]] = field(default_factory=dict)  # tensor -> nodes that read it
    fed: frozenset[str] = frozenset()  # tensors that the model is given
    order: Mapping[str, int] = field(default_factory=dict)  # node -> its place in the file
    shared: frozenset[str] = frozenset()  # names that tell no node: several have them in the file

    @classmethod
    def of(cls, nodes: Iterable[Node], fed: Iterable[str] = (), shared: Iterable[str] = ()) -> Self:
        """The graph of these nodes, which is given the tensors `fed`; `shared` names several nodes have."""
        found = tuple(nodes)
        readers: defaultdict[str, list[Node]] = defaultdict(list)
        for node in found:
            for tensor in dict.fromkeys(node.inputs):
                readers[tensor].append(node)
        return cls(
            found,
            {node.name: node for node in found},
            {tensor: node for node in found for tensor in node.outputs},
            {tensor: tuple(ones) for tensor, ones in readers.items()},
            frozenset(fed),
            {node.name: number for number, node in enumerate(found)},
            frozenset(shared),
        )

    def named(self, told: str) -> Named:
        """The longest name of a node, else of a tensor, that a name begins with before one of SEPARATORS.

        Nothing where that may be one of several: nodes of one name, or a node and what another one writes.
        """
        for end in range(len(told), 0, -1):
            if end < len(told) and told[end] not in SEPARATORS:
                continue
            head, rest = told[:end], told[end:]
            node = self.by_name.get(head)
            if head in self.shared or (node and self.makers.get(head, node) is not node):
                break
            if node:
                return Named(node, "", rest)
            if head in self.makers or head in self.readers:
                return Named(None, head, rest)
        return Named(rest=told)

    def after(self, node: Node, operator: str, between: int = MOST_FOLDED) -> tuple[Node, ...]:
        """The one node of that type that reads what `node` writes, behind those between that leave no layer.

        Empty where there is none, or more than one.
        """
        found = {
            path[-1].name: path
            for tensor in node.outputs
            for reader in self.readers.get(tensor, ())
            if (path := self._through(reader, operator, between))
        }
        return next(iter(found.values())) if len(found) == 1 else ()

    def _through(self, node: Node, operator: str, between: int) -> tuple[Node, ...]:
        if node.operator == operator:
            return (node,)
        path = self.after(node, operator, between - 1) if between and node.operator in FOLDED else ()
        return (node, *path) if path else ()

    def between(self, last: Node, read: Collection[str]) -> tuple[Node, ...]:
        """The nodes that make what `last` writes of the tensors `read` and of weights, in their order.

        Constants are weights. Empty where something else is needed, too, or more than a fused node holds.
        """
        found = {last.name: last}
        asked = list(last.inputs)
        while asked:
            tensor = asked.pop()
            maker = self.makers.get(tensor)
            if tensor in read:
                continue
            if maker is None:
                if tensor in self.fed:
                    return ()
            elif maker.name in found or maker.operator == "Constant":
                continue
            elif len(found) >= MOST_HELD:
                return ()
            else:
                found[maker.name] = maker
                asked += maker.inputs
        return tuple(sorted(found.values(), key=lambda one: self.order[one.name]))

    def chain(self, first: Node, operators: Sequence[str]) -> tuple[tuple[Node, ...], bool]:
        """Nodes of these types, each reading the one before; and whether all of them were found."""
        chain = [first]
        for operator in operators:
            following = self.after(chain[-1], operator)
            if not following:
                return tuple(chain), False
            chain += following
        return tuple(chain), True


def node_graph(path: Path) -> NodeGraph | None:
    """The nodes of the file's main graph, local functions inlined; None of a file that is no ONNX model."""
    from npubench.graph.read import load, prepared

    try:
        model = load(path)
    except OSError:
        return None
    inferred = model if isinstance(model, Failure) else prepared(model)
    return None if isinstance(inferred, Failure) else node_graph_of(inferred.graph)


def node_graph_of(graph: "GraphProto") -> NodeGraph:
    """The same of a graph whose shapes are inferred."""
    shapes = fixed_shapes(graph)
    times = Counter(node.name for node in graph.node)
    nodes = (
        Node(
            _own_name(node, times),
            operator_name(node),
            tuple(filter(None, node.input)),
            tuple(filter(None, node.output)),
            macs_of_nodes([node], shapes),
        )
        for node in graph.node
    )
    shared = (name for name, count in times.items() if name and count > 1)
    return NodeGraph.of(nodes, (value.name for value in true_inputs(graph)), shared)


def _own_name(node: "NodeProto", times: Mapping[str, int]) -> str:
    """Its name where no other node has it, else that of what it writes, which may be another node's name."""
    if node.name and times[node.name] == 1:
        return node.name
    written: list[str] = [name for name in node.output if name]
    free = [name for name in written if name not in times]
    return [*free, *(f"{node.op_type} of {name}" for name in written), ""][0]


def shared_macs(held: Sequence[Collection[Node]], weights: Sequence[int | None]) -> list[int | None]:
    """Each layer's multiply-accumulates by the graph, from the nodes that it holds.

    What several layers hold is divided by `weights`, which tell how much of it each of them does; where one
    of these is not known, and more than one may have a part, none of them has a figure.
    """
    holders: defaultdict[str, list[int]] = defaultdict(list)
    for number, nodes in enumerate(held):
        for node in nodes:
            holders[node.name].append(number)
    return [
        _sum_known([_part(node, number, holders[node.name], weights) for node in nodes]) if nodes else None
        for number, nodes in enumerate(held)
    ]


def _part(node: Node, number: int, holders: Sequence[int], weights: Sequence[int | None]) -> int | None:
    if node.macs is None or node.macs == 0 or len(holders) == 1:
        return node.macs
    known = [weights[one] for one in holders]
    own, total = weights[number], sum(one for one in known if one)
    if own is None or None in known or not total:
        return None
    return round(node.macs * own / total)


def _sum_known(parts: Sequence[int | None]) -> int | None:
    known = [one for one in parts if one is not None]
    return sum(known) if len(known) == len(parts) else None
