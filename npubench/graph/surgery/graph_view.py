"""What a rewriting sees of a graph, and how a graph is rewritten node by node."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from npubench.graph.walk import (
    all_nodes,
    attribute_of,
    default_opset,
    fixed_shapes,
    infer_shapes,
    subgraphs,
    true_inputs,
    typed_values,
)

if TYPE_CHECKING:
    import numpy as np
    from onnx import ModelProto, NodeProto

    Rewriting = Callable[[NodeProto, "GraphView"], Sequence[NodeProto] | None]


class GraphView:
    """A model that is being rewritten: its constants, shapes, opset, and who reads and makes a tensor."""

    def __init__(self, model: "ModelProto") -> None:
        graph = model.graph
        self.opset = default_opset(model)
        whole = infer_shapes(model)
        self.shapes = fixed_shapes(whole.graph)
        self._types = {v.name: v.type.tensor_type.elem_type for v in typed_values(whole.graph)}
        self.outputs = {value.name for value in graph.output}
        inputs = {value.name for value in graph.input}
        # An initializer that is an input, too, may be overridden by whoever runs the model.
        self._constants = {tensor.name: tensor for tensor in graph.initializer if tensor.name not in inputs}
        self._arrays: dict[str, np.ndarray[Any, Any]] = {}
        self._makers = {name: node for node in graph.node for name in node.output if name}
        self._reads = Counter(name for node in graph.node for name in set(reads(node)))
        self._taken = {name for node in all_nodes(graph) for name in (*node.input, *node.output, node.name)}
        self._taken |= inputs | {tensor.name for tensor in graph.initializer}
        self.added: dict[str, np.ndarray[Any, Any]] = {}

    def constant(self, name: str) -> "np.ndarray[Any, Any] | None":
        """The value of a tensor that does not depend on the model's inputs; None for others."""
        from onnx import numpy_helper

        if name not in self._arrays:
            value, maker = self._constants.get(name), self.maker(name)
            if value is None and maker is not None and maker.op_type == "Constant":
                value = attribute_of(maker, "value", None)
            if value is not None:
                self._arrays[name] = numpy_helper.to_array(value)
        return self._arrays.get(name)

    def is_float32(self, name: str) -> bool:
        """Whether a tensor is known to hold 32-bit floating-point numbers."""
        from onnx import TensorProto

        return bool(self._types.get(name) == TensorProto.FLOAT)

    def maker(self, name: str) -> "NodeProto | None":
        """The node that writes a tensor; None for inputs and initializers."""
        return self._makers.get(name)

    def is_read_once(self, name: str) -> bool:
        """Whether one node alone reads a tensor, and the model does not give it out."""
        return self._reads[name] == 1 and name not in self.outputs

    def fresh(self, hint: str) -> str:
        """A name that nothing has."""
        name, number = hint, 0
        while name in self._taken:
            number += 1
            name = f"{hint}_{number}"
        self._taken.add(name)
        return name

    def add(self, array: "np.ndarray[Any, Any]", hint: str) -> str:
        """Make an initializer; its name."""
        name = self.fresh(hint)
        self.settle(name, array)
        return name

    def settle(self, name: str, array: "np.ndarray[Any, Any]") -> None:
        """Make a tensor that a node wrote an initializer of the same name."""
        self.added[name] = self._arrays[name] = array


def rewrite(model: "ModelProto", rewriting: "Rewriting") -> "tuple[ModelProto, int]":
    """The model with every node replaced for which `rewriting` gives others, and how many those were.

    The model that is handed in stays as it is, and is what comes back where nothing applies. Nodes in
    branches and loops are left alone. External data have to be loaded.
    """
    from onnx import numpy_helper

    view = GraphView(model)
    nodes: list[NodeProto] = []
    replaced = 0
    for node in model.graph.node:
        made = rewriting(node, view)
        replaced += made is not None
        nodes += [node] if made is None else made
    if not replaced:
        return model, 0
    changed = deepcopy(model)
    del changed.graph.node[:]
    changed.graph.node.extend(nodes)
    changed.graph.initializer.extend(numpy_helper.from_array(a, name) for name, a in view.added.items())
    _prune(changed)
    return changed, replaced


def pruned(model: "ModelProto") -> "ModelProto":
    """The model without nodes, initializers and shapes that lead to no output."""
    copy = deepcopy(model)
    _prune(copy)
    return copy


def attributes(node: "NodeProto") -> dict[str, Any]:
    """Attributes by name, as Python values."""
    from onnx import helper

    return {one.name: helper.get_attribute_value(one) for one in node.attribute}


def reads(node: "NodeProto") -> Iterator[str]:
    """Tensors that a node reads, those of an outer graph in its branches and loops included."""
    yield from (name for name in node.input if name)
    for graph in subgraphs(node):
        own = {value.name for value in graph.input} | {tensor.name for tensor in graph.initializer}
        own |= {name for inner in graph.node for name in inner.output}
        for inner in graph.node:
            yield from (name for name in reads(inner) if name not in own)
        yield from (value.name for value in graph.output if value.name not in own)


def _prune(model: "ModelProto") -> None:
    """Take out nodes, initializers and shapes that lead to no output any more."""
    graph = model.graph
    needed = {value.name for value in graph.output}
    kept = []
    for node in reversed(graph.node):
        if any(name in needed for name in node.output):
            needed.update(reads(node))
            kept.append(node)
    del graph.node[:]
    graph.node.extend(reversed(kept))
    written = {name for node in kept for name in node.output}
    inputs = {value.name for value in true_inputs(graph)}
    for field, wanted in (
        (graph.initializer, needed - written),
        (graph.value_info, written),
        (graph.input, needed | inputs),
    ):
        left = [one for one in field if one.name in wanted]
        del field[:]
        field.extend(left)
