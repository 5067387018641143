"""Operator cases as ONNX files, built by `onnx.helper` alone: the same spec gives the same bytes."""

import hashlib
import math
from dataclasses import replace
from functools import cache
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from npubench.domain.records import Failure, FailureClass, OnnxModel
from npubench.domain.specs import CaseSpec, NodeSpec, OperatorSpec, WeightSpec
from npubench.graph.check import invalid, refused, why_not
from npubench.graph.read import LARGE_BYTES, describe_inferred
from npubench.graph.walk import has_rank, static_shape

if TYPE_CHECKING:
    import numpy as np
    import onnx

FORMAT = 1
"""Changes when the same spec is written differently, so that kept files are made anew."""

PRODUCER = "npubench"
LOWEST_IR = 4
"""Since IR version 4 a weight need not be a graph input as well (ONNX IR specification)."""

KEPT_NUMBERS = 2**23
KEPT_SEQUENCES = 16
"""How much of random sequences is kept for the next operator: 512 MB at most, and 30 of the catalogue's."""

SIZE_LIMIT_BYTES = 2**31 - 2**20
"""A protobuf message ends at 2 GiB; the rest of the graph fits into what is left."""


class OperatorExporter:
    """Exporter of `OperatorSpec`."""

    def version(self, spec: CaseSpec) -> str:  # noqa: ARG002 - the protocol's
        """The writer's format and the libraries that decide bytes and random numbers."""
        tools = (f"{name} {version}" for name, version in _tools().items())
        return ", ".join((f"operators {FORMAT}", *tools))

    def export(self, spec: CaseSpec, workdir: Path, log: Path) -> OnnxModel | Failure:  # noqa: ARG002
        """Write `workdir/model.onnx` with static shapes throughout, checked by onnx.checker."""
        if not isinstance(spec, OperatorSpec):
            raise TypeError(f"{type(spec).__name__} is not an operator")
        path = workdir / "model.onnx"
        made = write(spec, path)
        found = made if isinstance(made, Failure) else describe_inferred(path, spec.name, made, made)
        return found if isinstance(found, Failure) else replace(found, tools=_tools(), seed=spec.seed)


def write(spec: OperatorSpec, path: Path) -> "onnx.ModelProto | Failure":
    """Write the graph of `spec` to `path`; a Failure when ONNX does not accept it.

    The graph that is given back has its shapes but not the data of large weights: these are copied as
    seldom as can be, since the catalogue's operators hold 440 MB of them.
    """
    if failure := _refused(spec):
        return failure
    import onnx

    try:
        model = onnx.shape_inference.infer_shapes(
            build(spec), check_type=True, strict_mode=True, data_prop=True
        )
        if unknown := [
            output.name
            for output in model.graph.output
            if not has_rank(output) or None in static_shape(output)
        ]:
            message = f"the shape of output {unknown[0]!r} does not follow from the graph: make it static"
            return refused(FailureClass.DYNAMIC_SHAPE, message)
        content = _with_weights(model, spec).SerializeToString(deterministic=True)
        onnx.checker.check_model(content)
    except (
        onnx.checker.ValidationError,
        onnx.shape_inference.InferenceError,
        ValueError,
        TypeError,
    ) as error:
        summary = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        return invalid(f"ONNX refuses the graph: {summary}", str(error))
    path.write_bytes(content)
    return model


def build(spec: OperatorSpec) -> "onnx.ModelProto":
    """The graph as declared, output types left to shape inference and data of large weights left out.

    Raises ValueError or TypeError.
    """
    from onnx import ValueInfoProto, helper

    inputs = [helper.make_tensor_value_info(t.name, _element_type(t.dtype), t.shape) for t in spec.inputs]
    graph = helper.make_graph(
        [_node(node) for node in spec.nodes],
        spec.name,
        inputs,
        [ValueInfoProto(name=name) for name in spec.outputs],
        [_initializer(weight, spec.seed) for weight in spec.weights],
    )
    domains = sorted({node.domain for node in spec.nodes} - {""})
    opsets = [helper.make_opsetid("", spec.opset), *(helper.make_opsetid(domain, 1) for domain in domains)]
    ir_version = max(LOWEST_IR, helper.find_min_ir_version_for(opsets[:1]))
    return helper.make_model(
        graph,
        opset_imports=opsets,
        ir_version=ir_version,
        producer_name=PRODUCER,
        producer_version=str(FORMAT),
    )


def _with_weights(model: "onnx.ModelProto", spec: OperatorSpec) -> "onnx.ModelProto":
    """A copy of `build`'s graph with all data."""
    large = {weight.tensor.name: weight for weight in spec.weights if _size(weight) > LARGE_BYTES}
    if not large:
        return model
    import onnx

    whole = onnx.ModelProto()
    whole.CopyFrom(model)
    for tensor in whole.graph.initializer:
        if weight := large.get(tensor.name):
            tensor.raw_data = _raw_data(weight, spec.seed)
    return whole


def weight_values(weight: WeightSpec, seed: int) -> "np.ndarray[Any, Any]":
    """The given values, or normal numbers scaled by 1/sqrt(fan-in), which keeps activations near unit size.

    Fan-in is K of a K x N matrix and the product of all axes but the first of a convolution's
    O x I x kH x kW; a vector (a bias) is not scaled. The numbers depend on seed and tensor name alone.
    """
    import numpy as np

    tensor = weight.tensor
    if weight.values is not None:
        return np.array(weight.values, dtype=tensor.dtype).reshape(tensor.shape)
    shape = tensor.shape
    fan_in = 1 if len(shape) < 2 else shape[0] if len(shape) == 2 else math.prod(shape[1:])
    entropy = int.from_bytes(hashlib.sha256(f"{seed}:{tensor.name}".encode()).digest())
    numbers = _normal(entropy, math.prod(shape)).reshape(shape)
    return (numbers * np.float32(1 / math.sqrt(fan_in))).astype(tensor.dtype, copy=False)


_drawn: "dict[int, np.ndarray[Any, Any]]" = {}


def _normal(entropy: int, count: int) -> "np.ndarray[Any, Any]":
    """The first numbers of a generator's sequence; that of a tensor's name serves hundreds of operators."""
    import numpy as np

    kept = _drawn.get(entropy)
    if kept is None or kept.size < count:
        # Twice as many as before, since sizes of a sweep grow step by step.
        ahead = count if kept is None else max(count, 2 * kept.size)
        kept = np.random.default_rng(entropy).standard_normal(
            ahead if ahead <= KEPT_NUMBERS else count, dtype=np.float32
        )
        if kept.size <= KEPT_NUMBERS and len(_drawn) < KEPT_SEQUENCES:
            _drawn[entropy] = kept
    return kept[:count]


@cache
def _tools() -> dict[str, str]:
    """The libraries that decide bytes and random numbers."""
    return {name: installed_version(name) for name in ("onnx", "numpy")}


def _refused(spec: OperatorSpec) -> Failure | None:
    """What onnx itself reports badly or not at all: operators it does not know, files over its limit."""
    from onnx import defs

    latest = defs.onnx_opset_version()
    if spec.opset > latest:
        message = f"opset {spec.opset} is newer than the installed onnx knows: use at most {latest}"
        return refused(FailureClass.UNSUPPORTED_OPSET, message)
    unknown = {node.op for node in spec.nodes if not node.domain and why_not("", node.op, spec.opset)}
    if unknown:
        names = tuple(sorted(unknown))
        message = f"ONNX opset {spec.opset} has no operator {', '.join(names)}"
        return refused(FailureClass.UNSUPPORTED_OPERATOR, message, names)
    size = sum(map(_size, spec.weights))
    if size > SIZE_LIMIT_BYTES:
        return invalid(f"weights of {size} bytes: an ONNX file holds at most {SIZE_LIMIT_BYTES}")
    return None


def _node(node: NodeSpec) -> "onnx.NodeProto":
    from onnx import helper

    made = helper.make_node(node.op, node.inputs, node.outputs, name=node.outputs[0], domain=node.domain)
    # Through make_attribute: make_node takes its own parameters' names, such as `name`, for itself.
    made.attribute.extend(helper.make_attribute(key, node.attributes[key]) for key in sorted(node.attributes))
    return made


def _size(weight: WeightSpec) -> int:
    """Bytes; above LARGE_BYTES its data can be neither a shape nor an index: inference does without."""
    import numpy as np

    return math.prod(weight.tensor.shape) * np.dtype(weight.tensor.dtype).itemsize


def _initializer(weight: WeightSpec, seed: int) -> "onnx.TensorProto":
    from onnx import TensorProto, numpy_helper

    tensor = weight.tensor
    if _size(weight) > LARGE_BYTES:
        return TensorProto(name=tensor.name, dims=tensor.shape, data_type=_element_type(tensor.dtype))
    return numpy_helper.from_array(weight_values(weight, seed), tensor.name)


def _raw_data(weight: WeightSpec, seed: int) -> bytes:
    """What ONNX keeps of the values: little-endian, types of fewer bits than a byte packed."""
    from onnx import numpy_helper

    values = weight_values(weight, seed)
    if values.dtype.kind in "fiu":
        return values.astype(values.dtype.newbyteorder("<"), copy=False).tobytes()
    return numpy_helper.from_array(values).raw_data


def _element_type(dtype: str) -> int:
    import numpy as np
    from onnx import helper

    return helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
