"""Reading a parsed ONNX model: its nodes, tensors, names, shapes and element types. Nothing here judges."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from npubench.domain.specs import Shape

if TYPE_CHECKING:
    import numpy as np
    from onnx import (
        FunctionProto,
        GraphProto,
        ModelProto,
        NodeProto,
        SparseTensorProto,
        TensorProto,
        ValueInfoProto,
    )


STANDARD_DOMAINS = ("", "ai.onnx")


def bodies(model: "ModelProto") -> "tuple[GraphProto | FunctionProto, ...]":
    """What a run executes: the main graph and the local functions."""
    return (model.graph, *model.functions)


def all_nodes(body: "GraphProto | FunctionProto") -> "Iterator[NodeProto]":
    """Nodes of a graph or function and of the graphs inside its nodes (If, Loop, Scan)."""
    for node in body.node:
        yield node
        for graph in subgraphs(node):
            yield from all_nodes(graph)


def subgraphs(node: "NodeProto") -> "Iterator[GraphProto]":
    """Graphs that a node holds as attributes."""
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def attribute_of(node: "NodeProto", name: str, default: Any) -> Any:
    """An attribute as Python has it."""
    from onnx import helper

    return next((helper.get_attribute_value(one) for one in node.attribute if one.name == name), default)


def all_graphs(model: "ModelProto") -> "Iterator[GraphProto]":
    """The main graph, those inside nodes, and those of training information."""
    training = [graph for info in model.training_info for graph in (info.initialization, info.algorithm)]
    yield from (*training, model.graph)
    for body in (*bodies(model), *training):
        for node in all_nodes(body):
            yield from subgraphs(node)


def all_tensors(model: "ModelProto") -> "Iterator[TensorProto]":
    """Every tensor that the file holds, wherever it stands."""
    graphs = list(all_graphs(model))
    for graph in graphs:
        yield from graph.initializer
        yield from _dense(graph.sparse_initializer)
    nodes = (node for body in (*graphs, *model.functions) for node in body.node)
    defaults = (attribute for function in model.functions for attribute in function.attribute_proto)
    for attribute in (*defaults, *(attribute for node in nodes for attribute in node.attribute)):
        if attribute.HasField("t"):
            yield attribute.t
        yield from attribute.tensors
        if attribute.HasField("sparse_tensor"):
            yield from _dense([attribute.sparse_tensor])
        yield from _dense(attribute.sparse_tensors)


def _dense(tensors: "Iterable[SparseTensorProto]") -> "Iterator[TensorProto]":
    for sparse in tensors:
        yield from (sparse.values, sparse.indices)


def weights(model: "ModelProto") -> "Iterator[tuple[str, TensorProto]]":
    """Initializers and the tensors of Constant nodes by the name that nodes read them by, each once however
    often a function is called."""
    for graph in all_graphs(model):
        yield from ((tensor.name, tensor) for tensor in graph.initializer)
        yield from ((sparse.values.name, sparse.values) for sparse in graph.sparse_initializer)
    for body in bodies(model):
        for node in all_nodes(body):
            if node.op_type == "Constant":
                name = node.output[0] if node.output else ""
                yield from ((name, attribute.t) for attribute in node.attribute if attribute.HasField("t"))


def texts(model: "ModelProto") -> Iterator[str]:
    """Every name that is read anywhere; one that is not UTF-8 comes as bytes from protobuf."""
    for entry in model.opset_import:
        yield entry.domain
    for function in model.functions:
        yield from (function.domain, function.name, *function.input, *function.output)
        yield from (entry.domain for entry in function.opset_import)
    for graph in all_graphs(model):
        for value in (*graph.input, *graph.output, *graph.value_info):
            yield value.name
            yield from (dim.dim_param for dim in value.type.tensor_type.shape.dim)
    for tensor in all_tensors(model):
        yield tensor.name
        for pair in tensor.external_data:
            yield from (pair.key, pair.value)
    for body in bodies(model):
        for node in all_nodes(body):
            yield from (node.op_type, node.domain, node.name, *node.input, *node.output)
            yield from (attribute.name for attribute in node.attribute)


def true_inputs(graph: "GraphProto") -> "list[ValueInfoProto]":
    """What a caller has to feed: inputs that are not initializers."""
    initializers = {tensor.name for tensor in graph.initializer}
    initializers |= {sparse.values.name for sparse in graph.sparse_initializer}
    return [value for value in graph.input if value.name not in initializers]


def operator_name(node: "NodeProto") -> str:
    """`Conv`, or `com.microsoft.Gelu` outside the standard domain."""
    return node.op_type if node.domain in STANDARD_DOMAINS else f"{node.domain}.{node.op_type}"


def default_opset(model: "ModelProto") -> int:
    """Version of the standard operator set; 1 where a file uses other sets alone."""
    versions = [entry.version for entry in model.opset_import if entry.domain in STANDARD_DOMAINS]
    return max(versions, default=1)


def is_tensor(value: "ValueInfoProto") -> bool:
    """Whether a value is a dense tensor: no sequence, map, optional or sparse one."""
    return bool(value.type.WhichOneof("value") == "tensor_type")


def has_rank(value: "ValueInfoProto") -> bool:
    """Whether so much as the number of dimensions is declared."""
    return is_tensor(value) and value.type.tensor_type.HasField("shape")


def static_shape(value: "ValueInfoProto") -> tuple[int | None, ...]:
    """Dimensions of a tensor value; None for one that is symbolic, negative or not given."""
    dims = value.type.tensor_type.shape.dim
    return tuple(dim.dim_value if dim.HasField("dim_value") and dim.dim_value >= 0 else None for dim in dims)


def dimensions(value: "ValueInfoProto") -> tuple[int | str | None, ...]:
    """Dimensions as they are declared: a size, the name of an open one, or None; empty without a rank."""
    dims = value.type.tensor_type.shape.dim if has_rank(value) else ()
    return tuple(
        dim.dim_value if dim.HasField("dim_value") and dim.dim_value > 0 else dim.dim_param or None
        for dim in dims
    )


def is_dynamic(value: "ValueInfoProto") -> bool:
    """Whether an input's shape is open; old exporters write 0 for a dimension that they leave open."""
    return is_tensor(value) and (not has_rank(value) or not all(static_shape(value)))


def typed_values(graph: "GraphProto") -> "tuple[ValueInfoProto, ...]":
    """Every tensor of the graph itself that has a type."""
    return (*graph.input, *graph.value_info, *graph.output)


def fixed_shapes(graph: "GraphProto") -> dict[str, Shape]:
    """Shapes that are fixed, by tensor, of a graph whose shapes are inferred."""
    shapes: dict[str, Shape] = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    for value in filter(has_rank, typed_values(graph)):
        dims = static_shape(value)
        fixed = tuple(dim for dim in dims if dim is not None)
        if fixed == dims:
            shapes.setdefault(value.name, fixed)
    return shapes


def infer_shapes(model: "ModelProto") -> "ModelProto":
    """The model with shapes inferred, or as it is where inference fails: whether it runs, a runtime says."""
    import onnx
    from google.protobuf.message import EncodeError

    refusals = (onnx.shape_inference.InferenceError, onnx.checker.ValidationError, EncodeError)
    try:
        return onnx.shape_inference.infer_shapes(model, data_prop=True)
    except (*refusals, RuntimeError, ValueError):
        return model


def numpy_dtype(name: str) -> "np.dtype[Any]":
    """The type of a `TensorSpec`. Raises TypeError for a name that neither numpy nor ml_dtypes knows."""
    # Importing it teaches numpy bfloat16, float8, int4 and the like.
    import ml_dtypes  # noqa: F401
    import numpy as np

    return np.dtype(name)


def plain(array: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
    """The same numbers in a type of numpy's own that holds all of them: float32 or int8."""
    import numpy as np

    if array.dtype.isbuiltin == 1:
        return array
    return array.astype(np.int8 if "int" in array.dtype.name else np.float32)
