"""Names of nodes: ONNX lets a node have none, or another's; ONNX Runtime refuses two of one name."""

from collections import Counter
from typing import TYPE_CHECKING

from npubench.graph.walk import bodies, subgraphs

if TYPE_CHECKING:
    from onnx import FunctionProto, GraphProto, ModelProto


def rename_repeated(model: "ModelProto") -> int:
    """Give each node that has the name of one before it in its graph another one; how many these are.

    Branches, loops and local functions have names of their own.
    """
    return sum(_renamed(body) for body in bodies(model))


def _renamed(body: "GraphProto | FunctionProto") -> int:
    count = sum(_renamed(graph) for node in body.node for graph in subgraphs(node))
    names = Counter(node.name for node in body.node if node.name)
    if all(times == 1 for times in names.values()):
        return count
    seen: set[str] = set()
    for node in body.node:
        if node.name in seen:
            node.name = _free(node.name, names)
            names[node.name] += 1
            count += 1
        elif node.name:
            seen.add(node.name)
    return count


def _free(name: str, taken: Counter[str]) -> str:
    # From where the last search for this name ended: many nodes may have it.
    taken[name] += 1
    while (found := f"{name}_{taken[name] - 1}") in taken:
        taken[name] += 1
    return found
