"""What an ONNX file says of itself: shapes, operators, sizes, MACs; or why it cannot be used."""

import math
import stat
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from npubench.domain.records import Failure, FailureClass, OnnxModel
from npubench.domain.specs import Preprocessing, TensorSpec
from npubench.graph.check import checked, inlined, invalid, refusal, refused, shown
from npubench.graph.input_contents import contents_of
from npubench.graph.macs import Shapes, macs_of_nodes, packed_weights
from npubench.graph.walk import (
    all_nodes,
    all_tensors,
    bodies,
    default_opset,
    fixed_shapes,
    has_rank,
    infer_shapes,
    is_dynamic,
    is_tensor,
    operator_name,
    static_shape,
    texts,
    true_inputs,
    weights,
)
from npubench.storage.hashing import sha256_of_bundle

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, TensorProto, ValueInfoProto


LARGE_BYTES = 16 * 1024
"""Tensors above this cannot be shapes or indices, so shape inference does without their data."""


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

    Operators count nodes in branches and loops and, once a call, in local functions. An output
    dimension that does not follow from the graph is -1, and so is one whose rank does not: (-1,).
    Hash and size cover external data, which must lie beside the model (`hashing.sha256_of_bundle`).
    """
    source = read(path)
    if isinstance(source, Failure):
        return source
    model, external = source.model, source.external
    if failure := refusal(model) or checked(path, model, bool(external)):
        return failure
    inferred = prepared(model)
    if isinstance(inferred, Failure):
        return inferred
    found = describe_inferred(path, case, model, inferred, external)
    if isinstance(found, Failure):
        return found
    return replace(found, task=task, preprocessing=preprocessing, tools=dict(tools or {}), seed=seed)


def describe_inferred(
    path: Path, case: str, model: "ModelProto", inferred: "ModelProto", external: tuple[Path, ...] = ()
) -> OnnxModel | Failure:
    """The same of a model that is in memory and was checked; `inferred` is it without local functions and
    with its shapes. Neither needs the data of large tensors.
    """
    graph = inferred.graph
    inputs = true_inputs(graph)
    if failure := _not_fixed(inputs) or _not_numeric([*inputs, *graph.output]):
        return failure
    shapes = fixed_shapes(graph)
    specs = tuple(_tensor_spec(value) for value in inputs)
    return OnnxModel(
        case=case,
        path=path,
        sha256=sha256_of_bundle(path, external),
        opset=default_opset(model),
        inputs=specs,
        outputs=tuple(_tensor_spec(value) for value in graph.output),
        operators=dict(Counter(operator_name(node) for node in all_nodes(graph)).most_common()),
        macs=macs_of_nodes(graph.node, shapes),
        parameters=parameter_count(model, inferred),
        activation_bytes=_activation_bytes(graph, shapes),
        size_bytes=sum(file.stat().st_size for file in (path, *external)),
        external=external,
        contents=contents_of(graph, shapes, specs),
    )


@dataclass(frozen=True, slots=True)
class Source:
    """A model parsed without its external data, and the files of these."""

    model: "ModelProto"
    external: tuple[Path, ...]


def read(path: Path) -> Source | Failure:
    """Parse the model at `path` and find its external data; a failure when either cannot be used."""
    try:
        model = load(path)
    except OSError as error:
        name = shown(str(path))
        return invalid(f"{name} cannot be read ({error.strerror}): correct the path or its permissions")
    if isinstance(model, Failure):
        return model
    external = external_files(model, path)
    return external if isinstance(external, Failure) else Source(model, external)


def load(path: Path) -> "ModelProto | Failure":
    """Parse the file without its external data. Raises OSError where it cannot be read."""
    import onnx
    from google.protobuf.message import DecodeError

    name = shown(path.name)
    try:
        model = onnx.load_model(path, format="protobuf", load_external_data=False)
    except (DecodeError, ValueError, RuntimeError):
        return invalid(
            f"{name} cannot be parsed: it is truncated, damaged or not ONNX: export or copy it again"
        )
    if not model.HasField("graph"):
        return invalid(f"{name} holds no ONNX graph: it is truncated or of another format: export it again")
    if not model.opset_import:
        return invalid(f"{name} names no opset: it is truncated, or not made by an exporter: export it again")
    if not model.graph.node:
        return invalid(f"the graph in {name} has no nodes: there is nothing to run: export the model again")
    if any(isinstance(text, bytes) for text in texts(model)):
        return invalid(f"{name} has names that are not UTF-8: the file is damaged: export or copy it again")
    return model


def prepared(model: "ModelProto") -> "ModelProto | Failure":
    """The model with local functions inlined and shapes inferred; takes the data of large tensors away."""
    for tensor in all_tensors(model):
        for field in ("raw_data", "float_data", "int32_data", "int64_data", "double_data", "uint64_data"):
            if len(getattr(tensor, field)) > LARGE_BYTES:
                tensor.ClearField(field)
    whole = inlined(model)
    return whole if isinstance(whole, Failure) else infer_shapes(whole)


def parameter_count(model: "ModelProto", inferred: "ModelProto") -> int:
    """Elements of initializers and Constant nodes, shapes, indices and 32-bit biases of INT8 left out.

    That is: of floating-point type, or integers of at most 8 bits, which are quantised weights. Weights that
    share a byte count one each; `inferred`, without functions, tells which do. Scales and zero points are
    numbers of the model like any other.
    """
    from onnx import TensorProto

    left_out = {
        *(TensorProto.UNDEFINED, TensorProto.BOOL, TensorProto.STRING),
        *(TensorProto.INT16, TensorProto.INT32, TensorProto.INT64),
        *(TensorProto.UINT16, TensorProto.UINT32, TensorProto.UINT64),
    }
    found = [(name, one) for name, one in weights(model) if all(dim >= 0 for dim in one.dims)]
    nodes = [node for body in (*bodies(model), inferred.graph) for node in all_nodes(body)]
    packed = packed_weights(nodes, {name: one for name, one in found if name})
    return sum(
        packed.get(name, 0 if one.data_type in left_out else math.prod(one.dims)) for name, one in found
    )


def _not_fixed(inputs: "list[ValueInfoProto]") -> Failure | None:
    dynamic = [value.name for value in inputs if is_dynamic(value)]
    if not dynamic:
        return None
    names = ", ".join(f"'{shown(name)}'" for name in dynamic)
    message = f"the shape of input {names} is not fixed: export it with fixed shapes"
    return refused(FailureClass.DYNAMIC_SHAPE, message)


def _not_numeric(values: "list[ValueInfoProto]") -> Failure | None:
    from onnx import TensorProto

    for value in values:
        element_type = value.type.tensor_type.elem_type
        if is_tensor(value) and element_type != TensorProto.STRING and _numpy_type(element_type) is not None:
            continue
        kind = (value.type.WhichOneof("value") or "unknown").removesuffix("_type").replace("_", " ")
        if is_tensor(value):
            kind = "text" if element_type == TensorProto.STRING else f"element type {element_type}"
        return invalid(f"'{shown(value.name)}' is of type {kind}: only numeric tensors run here: cut it off")
    return None


def _tensor_spec(value: "ValueInfoProto") -> TensorSpec:
    shape = static_shape(value) if has_rank(value) else (None,)
    dims = tuple(-1 if dim is None else dim for dim in shape)
    return TensorSpec(value.name, dims, str(_numpy_type(value.type.tensor_type.elem_type)))


def _numpy_type(element_type: int) -> Any:
    """numpy's type of an ONNX element type; None for one that this onnx does not know."""
    from onnx import helper

    try:
        return helper.tensor_dtype_to_np_dtype(element_type)
    except KeyError:
        return None


def _activation_bytes(graph: "GraphProto", shapes: Shapes) -> int | None:
    """Bytes of what nodes write and something reads, as numpy holds it; None where a size is unknown.

    Constants are no activations, and neither are outputs that nobody reads, such as Dropout's mask.
    """
    types = {v.name: v.type.tensor_type.elem_type for v in (*graph.value_info, *graph.output)}
    read_names = {name for node in all_nodes(graph) for name in node.input} | {v.name for v in graph.output}
    read_names.discard("")
    total = 0
    for node in graph.node:
        for name in read_names.intersection(node.output) if node.op_type != "Constant" else ():
            dtype = _numpy_type(types.get(name, 0))
            if name not in shapes or dtype is None or dtype.hasobject:
                return None
            total += math.prod(shapes[name]) * int(dtype.itemsize)
    return total


FEWER_BITS = {"UINT4": 4, "INT4": 4, "FLOAT4E2M1": 4, "UINT2": 2, "INT2": 2}
"""Element types that share bytes in a file (ONNX IR specification), numpy gives each a byte."""


def external_files(model: "ModelProto", path: Path) -> tuple[Path, ...] | Failure:
    """Files of external data of the model at `path`, each once, in order; none of them has been read.

    They lie below the model's folder with links resolved, are regular, readable and long enough for
    every tensor; otherwise a failure names the file.
    """
    from onnx import TensorProto

    found: dict[PurePosixPath, int | Failure] = {}
    for tensor in all_tensors(model):
        if tensor.data_location != TensorProto.EXTERNAL:
            continue
        entries = {entry.key: entry.value for entry in tensor.external_data}
        if not entries.get("location"):
            return _failure(path, f"tensor '{shown(tensor.name)}' names no file: export it again")
        location = PurePosixPath(entries["location"])
        if location not in found:
            found[location] = _usable_size(path, location)
        size = found[location]
        if isinstance(size, Failure):
            return size
        end, name = _end(tensor, entries), shown(tensor.name)
        if end is None:
            return _failure(
                path, f"offset or length of tensor '{name}' is no number of bytes: export it again"
            )
        if end > size:
            short = f"'{shown(str(location))}' ends at {size} bytes, before the data of tensor '{name}'"
            return _failure(path, f"{short}, which end at {end}: copy it again")
    return tuple(path.parent / location for location in found)


def _usable_size(path: Path, location: PurePosixPath) -> int | Failure:
    folder, name = path.parent.resolve(), shown(str(location))
    try:
        file = (folder / location).resolve()
        if location.is_absolute() or ".." in location.parts or not file.is_relative_to(folder):
            return _failure(
                path, f"'{name}' lies outside the model's folder: not read; put it beside the model"
            )
        status = file.stat()
        if not stat.S_ISREG(status.st_mode):
            return _failure(path, f"'{name}' is no regular file: put the data there")
        with file.open("rb"):
            return status.st_size
    except (FileNotFoundError, NotADirectoryError):
        return _failure(path, f"'{name}' is not there: put it beside the model")
    except (OSError, ValueError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or error
        return _failure(path, f"'{name}' cannot be read ({reason}): correct its name or permissions")


def _end(tensor: "TensorProto", entries: dict[str, str]) -> int | None:
    """Where the tensor's data end in its file, in bytes; None where the entries are no numbers."""
    try:
        offset = int(entries.get("offset", 0))
        length = int(entries["length"]) if "length" in entries else _bytes_of(tensor)
    except ValueError:
        return None
    return offset + length if offset >= 0 and length >= 0 else None


def _bytes_of(tensor: "TensorProto") -> int:
    from onnx import TensorProto, helper

    try:
        bits = FEWER_BITS.get(TensorProto.DataType.Name(tensor.data_type))
        bits = bits or 8 * int(helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize)
    except (KeyError, ValueError):
        return 0
    return (math.prod(int(dim) for dim in tensor.dims) * bits + 7) // 8


def _failure(path: Path, what: str) -> Failure:
    return refused(FailureClass.EXTERNAL_DATA, f"external data of {path.name}: {what}")
