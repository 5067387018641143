"""Writes a model as ONNX inside the OpenMMLab environment; imports nothing of npubench.

Its weights stay where PyTorch has them until the file is written: serialised with the graph they would be
copied a dozen times on the way, which takes longer than everything else.
"""

import contextlib
import io
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROTOBUF_LIMIT_BYTES = 1_900_000_000
"""Protocol buffers end at 2 GiB."""

SIMPLIFIER_LIMIT_BYTES = 600_000_000
"""A model of 1.3 GB took 6 GB in onnxsim, and several workers share a machine."""

LARGE_BYTES = 2**20
"""Nothing that shapes are computed of takes so much."""

PRODUCTS = ("Conv", "ConvTranspose", "Gemm", "MatMul")


class TooLargeError(Exception):
    """More weights than the simplifier takes may be folded."""


@dataclass(frozen=True, slots=True)
class Raw:
    """A model as it was exported: its graph (`onnx.ModelProto`), weights being inputs of it, and those."""

    graph: Any
    weights: dict[str, Any]


def export(model: Any, sample: Any, name: str, outputs: list[str], opset: int) -> Raw:
    """Export with a fixed shape.

    The TorchScript exporter, because the newer one writes another opset than it is asked for.
    """
    import onnx
    import torch

    written = io.BytesIO()
    with weights_kept() as weights:
        torch.onnx.export(
            model,
            (sample,),
            written,
            dynamo=False,
            export_params=False,
            opset_version=opset,
            input_names=[name],
            output_names=outputs,
        )
    return Raw(onnx.load_model_from_string(written.getvalue()), weights)


@contextlib.contextmanager
def weights_kept() -> Iterator[dict[str, Any]]:
    """Tensors by name that PyTorch's exporter (2.13) gives to a graph, folded and fused as it leaves them.

    It also hands all of them to an inference of shapes, twice, for which it writes the whole model: only
    small ones can be shapes.
    """
    import torch
    from torch.onnx._internal.torchscript_exporter import utils

    weights: dict[str, Any] = {}

    class Passes:
        def __getattr__(self, name: str) -> Any:
            return getattr(torch._C, name)

        def _jit_pass_onnx_graph_shape_type_inference(self, graph: Any, known: Any, opset: int) -> None:
            small = {name: tensor for name, tensor in known.items() if tensor.nbytes < LARGE_BYTES}
            torch._C._jit_pass_onnx_graph_shape_type_inference(graph, small, opset)

        def _jit_pass_onnx_deduplicate_initializers(self, *words: Any) -> Any:
            weights.update(torch._C._jit_pass_onnx_deduplicate_initializers(*words))
            return weights

    utils._C = Passes()
    try:
        yield weights
    finally:
        utils._C = torch._C


def size_bytes(weights: dict[str, Any]) -> int:
    """Of all these tensors."""
    return sum(int(tensor.nbytes) for tensor in weights.values())


def apart(raw: Raw) -> dict[str, Any]:
    """Large weights whose numbers no simplification needs: only multiplied with what follows from the input.

    BatchNormalization behind a convolution would be folded into its weights.
    """
    nodes = raw.graph.graph.node
    follows = {tensor.name for tensor in raw.graph.graph.input if tensor.name not in raw.weights}
    for node in nodes:
        if not follows.isdisjoint(node.input):
            follows.update(node.output)
    normalised = {node.input[0] for node in nodes if node.op_type == "BatchNormalization"}
    users: dict[str, list[bool]] = {}
    for node in nodes:
        product = node.op_type in PRODUCTS and node.output[0] not in normalised
        for name in node.input:
            users.setdefault(name, []).append(product and not follows.isdisjoint(node.input))
    return {
        name: tensor
        for name, tensor in raw.weights.items()
        if tensor.nbytes >= LARGE_BYTES and all(users.get(name, [False]))
    }


def simplify(raw: Raw, path: Path, data: str | None) -> None:
    """Fold constants, infer shapes, take out what does nothing; see `write` for `data`.

    Raises TooLargeError.
    """
    import onnxsim

    aside = apart(raw)
    inside = {name: tensor for name, tensor in raw.weights.items() if name not in aside}
    if size_bytes(inside) > SIMPLIFIER_LIMIT_BYTES:
        raise TooLargeError(f"the simplifier would take a copy of {size_bytes(inside)} bytes of weights")
    graph = with_weights(raw.graph, inside)
    if aside:
        graph = merged(graph, aside, path.parent)
    simple, _unchecked = onnxsim.simplify(graph)
    write(Raw(simple, aside), path, data)


def merged(graph: Any, aside: dict[str, Any], folder: Path) -> Any:
    """The graph simplified with an empty file in place of these weights, which are inputs again afterwards.

    onnxsim makes a Gemm of a product and an addition only where the weights are initializers; it takes all
    that lie in a file for equal ones, so this leaves equal ones for later.
    """
    import onnx
    import onnxsim

    whole = without_inputs(graph, set(aside))
    with contextlib.chdir(folder), tempfile.NamedTemporaryFile(dir=".") as empty:
        empty.truncate(size_bytes(aside))
        offset = 0
        for name, tensor in aside.items():
            whole.graph.initializer.append(elsewhere(name, tensor, Path(empty.name).name, offset))
            offset += tensor.nbytes
        simple, _unchecked = onnxsim.simplify(whole, skipped_optimizers=["eliminate_duplicate_initializer"])
    kept = [tensor for tensor in simple.graph.initializer if tensor.name not in aside]
    for tensor in simple.graph.initializer:
        if tensor.name in aside:
            value = onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
            simple.graph.input.append(value)
    del simple.graph.initializer[:]
    simple.graph.initializer.extend(kept)
    return simple


def elsewhere(name: str, tensor: Any, file: str, offset: int) -> Any:
    """An initializer whose numbers lie in a file."""
    import onnx

    entry = unfilled(name, array(tensor))
    entry.raw_data = b""
    onnx.external_data_helper.set_external_data(entry, file, offset, tensor.nbytes)
    entry.ClearField("raw_data")
    return entry


def unfilled(name: str, values: Any) -> Any:
    """An initializer without its numbers."""
    import onnx

    element = onnx.helper.np_dtype_to_tensor_dtype(values.dtype)
    return onnx.TensorProto(name=name, dims=values.shape, data_type=element)


def simplify_by_runtime(raw: Raw, path: Path, data: str | None) -> None:
    """The same by ONNX Runtime, to standard operators alone.

    For what onnxsim would compute otherwise, and for what is too much for it.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(path)
    if data:
        options.add_session_config_entry("session.optimized_model_external_initializers_file_name", data)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        whole = Path(folder) / "raw.onnx"
        write(raw, whole, data)
        onnxruntime.InferenceSession(str(whole), options, providers=["CPUExecutionProvider"])


def with_weights(graph: Any, weights: dict[str, Any]) -> Any:
    """A copy of the graph that holds these of its inputs as initializers."""
    import onnx

    whole = without_inputs(graph, set(weights))
    for name, tensor in weights.items():
        whole.graph.initializer.append(onnx.numpy_helper.from_array(array(tensor), name))
    return whole


def without_inputs(graph: Any, names: set[str]) -> Any:
    """A copy of the graph without these inputs."""
    import onnx

    copy = onnx.ModelProto()
    copy.CopyFrom(graph)
    kept = [tensor for tensor in graph.graph.input if tensor.name not in names]
    del copy.graph.input[:]
    copy.graph.input.extend(kept)
    return copy


def array(tensor: Any) -> Any:
    """The tensor's own memory, where its elements lie in order."""
    return tensor.detach().contiguous().numpy()


def write(raw: Raw, path: Path, data: str | None) -> None:
    """The graph and its weights as one file, or with those in a file `data` beside it."""
    if data is None:
        write_whole(raw, path)
        return
    model = without_inputs(raw.graph, set(raw.weights))
    with path.with_name(data).open("wb") as file:
        for name, tensor in raw.weights.items():
            model.graph.initializer.append(elsewhere(name, tensor, data, file.tell()))
            file.write(array(tensor))
    path.write_bytes(model.SerializeToString(deterministic=True))


def write_whole(raw: Raw, path: Path) -> None:
    """One file, the weights straight from their own memory.

    Messages as https://protobuf.dev/programming-guides/encoding lays them out, field numbers of onnx.proto:
    a graph is field 7 of a model, a tensor field 5 of a graph, raw data field 9 of a tensor.
    """
    model = without_inputs(raw.graph, set(raw.weights))
    graph = model.graph.SerializeToString(deterministic=True)
    model.ClearField("graph")
    pieces: list[Any] = []
    size = len(graph)
    for name, tensor in raw.weights.items():
        values = array(tensor)
        entry = unfilled(name, values).SerializeToString() + field(9, values.nbytes)
        entry = field(5, len(entry) + values.nbytes) + entry
        pieces += [entry, values]
        size += len(entry) + values.nbytes
    with path.open("wb") as file:
        file.write(model.SerializeToString(deterministic=True) + field(7, size) + graph)
        for piece in pieces:
            file.write(piece)


def field(number: int, size: int) -> bytes:
    """What stands before `size` bytes of that field."""
    numbers = [number << 3 | 2]
    while size >= 0x80:
        numbers.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes([*numbers, size])
