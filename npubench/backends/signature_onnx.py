"""Inputs and outputs of a file that is an ONNX graph, as a quantised model or an .axmodel is one."""

from pathlib import Path
from typing import TYPE_CHECKING

from npubench.backends.signature import UNKNOWN, Signature, Told
from npubench.graph.walk import true_inputs

if TYPE_CHECKING:
    from onnx import ValueInfoProto


def signature_of_file(path: Path) -> Signature:
    """What the graph of an ONNX file takes and gives; nothing is told by a file that is no such graph."""
    import onnx
    from google.protobuf.message import DecodeError

    try:
        graph = onnx.load(path, load_external_data=False).graph
    except (DecodeError, ValueError, OSError):
        return Signature()
    if not graph.node:
        return Signature()
    inputs, outputs = true_inputs(graph), graph.output
    return Signature(tuple(map(_told, inputs)), tuple(map(_told, outputs)))


def _told(value: "ValueInfoProto") -> Told:
    import onnx

    of = value.type.tensor_type
    shape = None
    if of.HasField("shape"):
        shape = tuple(one.dim_value if one.HasField("dim_value") else UNKNOWN for one in of.shape.dim)
    try:
        dtype = onnx.helper.tensor_dtype_to_np_dtype(of.elem_type).name if of.elem_type else None
    except KeyError:
        dtype = None
    return Told(value.name, shape, dtype)
