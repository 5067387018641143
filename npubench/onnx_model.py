"""What an ONNX file says of itself: shapes, operators, sizes, MACs; or why it cannot be used."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from npubench.identity import sha256_of_bundle
from npubench.onnx_macs import Shapes, macs_of_nodes
from npubench.records import Failure, FailureClass, OnnxModel, Stage
from npubench.specs import Preprocessing, Shape, TensorSpec

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto, ValueInfoProto

STANDARD_DOMAINS = ("", "ai.onnx")
LARGE_BYTES = 16 * 1024
"""Initializers above this cannot be shapes or indices, so shape inference does without their data."""


def describe(
    path: Path,
    case: str,
    *,
    task: str = "",
    preprocessing: Preprocessing | None = None,
    tools: Mapping[str, str] | None = None,
    seed: int | None = None,
) -> OnnxModel | Failure:
    """Load, check and measure the graph at `path`; inputs must be numeric tensors of fixed shape.

    An output dimension that only a run decides is -1. The hash covers external data, too; files of
    external data are expected beside the model (see `exporters.files`, which checks a user's).
    """
    model = load(path)
    if isinstance(model, Failure):
        return model
    external = external_files(model, path.parent)
    if failure := refusal(model) or _checked(path):
        return failure
    size = path.stat().st_size + sum(file.stat().st_size for file in external)
    parameters = _parameter_count(model)
    opset = default_opset(model)
    inferred = _inferred(model)
    inputs = [_tensor_spec(value) for value in true_inputs(inferred.graph)]
    outputs = [_tensor_spec(value) for value in inferred.graph.output]
    for spec in (*inputs, *outputs):
        if isinstance(spec, Failure):
            return spec
    shapes = _shapes(inferred)
    return OnnxModel(
        case=case,
        path=path,
        sha256=sha256_of_bundle(path, external),
        opset=opset,
        inputs=tuple(spec for spec in inputs if isinstance(spec, TensorSpec)),
        outputs=tuple(spec for spec in outputs if isinstance(spec, TensorSpec)),
        operators=dict(Counter(operator_name(node) for node in all_nodes(inferred.graph)).most_common()),
        macs=macs_of_nodes(inferred.graph.node, shapes),
        parameters=parameters,
        activation_bytes=_activation_bytes(inferred.graph, shapes),
        size_bytes=size,
        task=task,
        preprocessing=preprocessing,
        tools=dict(tools or {}),
        seed=seed,
        external=external,
    )


def load(path: Path) -> "ModelProto | Failure":
    """Parse the file without its external data."""
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load_model(path, format="protobuf", load_external_data=False)
    except (DecodeError, ValueError, RuntimeError) as error:
        return _invalid(f"{path.name} is not a readable ONNX file ({error}): it is damaged, or not ONNX")
    if not model.opset_import or not (model.graph.node or model.graph.output):
        return _invalid(f"{path.name} holds no ONNX graph: export the model again")
    return model


def refusal(model: "ModelProto") -> Failure | None:
    """What onnx alone knows to be impossible: an opset or a standard operator it has not heard of."""
    import onnx

    newest = onnx.defs.onnx_opset_version()
    opset = default_opset(model)
    if opset > newest:
        message = f"opset {opset} is newer than {newest}, the newest known here: export at {newest} or below"
        return Failure(Stage.EXPORT, FailureClass.UNSUPPORTED_OPSET, message)
    own = {(f.domain, f.name) for f in model.functions}
    unknown = sorted(
        {
            node.op_type
            for node in all_nodes(model.graph)
            if node.domain in STANDARD_DOMAINS
            and (node.domain, node.op_type) not in own
            and not onnx.defs.has(node.op_type)
        }
    )
    if unknown:
        message = (
            f"no ONNX operator is called {', '.join(unknown)}: give it its domain, or correct the export"
        )
        return Failure(Stage.EXPORT, FailureClass.UNSUPPORTED_OPERATOR, message, tuple(unknown))
    return None


def default_opset(model: "ModelProto") -> int:
    """Version of the standard operator set; 1 where a file declares none, as ONNX defines it."""
    versions = [entry.version for entry in model.opset_import if entry.domain in STANDARD_DOMAINS]
    return max(versions, default=1)


def all_nodes(graph: "GraphProto") -> "Iterator[NodeProto]":
    """Nodes of a graph and of the graphs inside its nodes (If, Loop, Scan)."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                if inner.node:
                    yield from all_nodes(inner)


def true_inputs(graph: "GraphProto") -> "list[ValueInfoProto]":
    """What a caller has to feed: inputs that are not initializers."""
    initializers = {tensor.name for tensor in graph.initializer}
    return [value for value in graph.input if value.name not in initializers]


def operator_name(node: "NodeProto") -> str:
    """`Conv`, or `com.microsoft.Gelu` outside the standard domain."""
    return node.op_type if node.domain in STANDARD_DOMAINS else f"{node.domain}.{node.op_type}"


def external_locations(model: "ModelProto") -> list[str]:
    """Locations of external data as the file writes them, each once, in order."""
    locations = [
        entry.value
        for tensor in _tensors(model.graph)
        if tensor.data_location == tensor.EXTERNAL
        for entry in tensor.external_data
        if entry.key == "location"
    ]
    return list(dict.fromkeys(locations))


def external_files(model: "ModelProto", folder: Path) -> tuple[Path, ...]:
    """Files of external data below `folder`."""
    return tuple(folder / location for location in external_locations(model))


def _checked(path: Path) -> Failure | None:
    import onnx

    try:
        onnx.checker.check_model(str(path))
    except (onnx.checker.ValidationError, ValueError, RuntimeError) as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        first = lines[0] if lines else type(error).__name__
        if "Field 'shape' of 'type' is required but missing" in first:
            # Only the checker minds outputs without a declared shape: every runtime infers them.
            return None
        return _invalid(f"ONNX's checker refuses the model: {first}", str(error))
    return None


def _inferred(model: "ModelProto") -> "ModelProto":
    """The model with local functions inlined and shapes inferred, without the data of large weights."""
    import onnx
    from onnx import inliner

    if model.functions:
        model = inliner.inline_local_functions(model)
    for tensor in _tensors(model.graph):
        if len(tensor.raw_data) > LARGE_BYTES:
            tensor.ClearField("raw_data")
    try:
        return onnx.shape_inference.infer_shapes(model, data_prop=True)
    except (onnx.shape_inference.InferenceError, RuntimeError, ValueError):
        # Shapes that cannot be inferred leave MACs unknown; whether the model runs is the runtime's to say.
        return model


def _tensors(graph: "GraphProto") -> Iterator[Any]:
    yield from graph.initializer
    for node in all_nodes(graph):
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            for inner in (attribute.g, *attribute.graphs):
                yield from inner.initializer


def _parameter_count(model: "ModelProto") -> int:
    """Elements of floating-point and 8-bit initializers and constants, shapes and indices left out."""
    from onnx import TensorProto

    counted = {
        *(TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE),
        *(TensorProto.INT8, TensorProto.UINT8),
    }
    return sum(math.prod(tensor.dims) for tensor in _tensors(model.graph) if tensor.data_type in counted)


def _tensor_spec(value: "ValueInfoProto") -> TensorSpec | Failure:
    kind = value.type.WhichOneof("value")
    if kind != "tensor_type" or value.type.tensor_type.elem_type in (0, 8):
        what = "text" if kind == "tensor_type" else str(kind or "nothing")
        return _invalid(f"{value.name!r} is {what}: npubench runs models with numeric tensors only")
    shape = static_shape(value)
    dims = tuple(-1 if dim is None else dim for dim in shape)
    return TensorSpec(value.name, dims, dtype_name(value.type.tensor_type.elem_type))


def static_shape(value: "ValueInfoProto") -> tuple[int | None, ...]:
    """Dimensions of a tensor value; None for one that is symbolic or not given."""
    dims = value.type.tensor_type.shape.dim
    return tuple(dim.dim_value if dim.HasField("dim_value") else None for dim in dims)


def dtype_name(element_type: int) -> str:
    """numpy's name of an ONNX element type."""
    from onnx import helper

    return str(helper.tensor_dtype_to_np_dtype(element_type))


def _shapes(model: "ModelProto") -> Shapes:
    graph = model.graph
    shapes: dict[str, Shape] = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    for value in (*graph.input, *graph.value_info, *graph.output):
        if value.type.WhichOneof("value") == "tensor_type" and value.type.tensor_type.HasField("shape"):
            dims = static_shape(value)
            if None not in dims:
                shapes.setdefault(value.name, tuple(dim for dim in dims if dim is not None))
    return shapes


def _activation_bytes(graph: "GraphProto", shapes: Shapes) -> int | None:
    types = {v.name: v.type.tensor_type.elem_type for v in (*graph.value_info, *graph.output)}
    sizes = [
        _tensor_bytes(shapes.get(name), types.get(name))
        for node in graph.node
        for name in node.output
        if name and node.op_type != "Constant"
    ]
    return None if None in sizes else sum(size for size in sizes if size is not None)


def _tensor_bytes(shape: Shape | None, element_type: int | None) -> int | None:
    from onnx import helper

    if shape is None or not element_type:
        return None
    return math.prod(shape) * int(helper.tensor_dtype_to_np_dtype(element_type).itemsize)


def _invalid(message: str, detail: str = "") -> Failure:
    return Failure(Stage.EXPORT, FailureClass.INVALID_MODEL, message, detail=detail)
