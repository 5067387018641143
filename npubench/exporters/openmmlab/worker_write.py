"""Writes a model as ONNX inside the OpenMMLab environment; imports nothing of npubench."""

from pathlib import Path
from typing import Any

PROTOBUF_LIMIT_BYTES = 1_900_000_000
"""Protocol buffers end at 2 GiB."""

SIMPLIFIER_LIMIT_BYTES = 600_000_000
"""A model of 1.3 GB took 6 GB in onnxsim, and several workers share a machine."""


def export(model: Any, sample: Any, name: str, outputs: list[str], opset: int, folder: Path) -> Path:
    """Export with a fixed shape into `folder`, which is made: beyond 2 GiB it gets a file a tensor, too.

    The TorchScript exporter, because the newer one writes another opset than it is asked for.
    """
    import torch

    folder.mkdir()
    raw = folder / "raw.onnx"
    torch.onnx.export(
        model,
        (sample,),
        str(raw),
        dynamo=False,
        opset_version=opset,
        input_names=[name],
        output_names=outputs,
    )
    return raw


def size_bytes(model: Any) -> int:
    """Of all its tensors."""
    return sum(tensor.numel() * tensor.element_size() for tensor in model.state_dict().values())


def simplify(raw: Path, path: Path) -> None:
    """Fold constants, infer shapes, take out what does nothing."""
    import onnx
    import onnxsim

    simple, _unchecked = onnxsim.simplify(onnx.load(raw))
    path.write_bytes(simple.SerializeToString(deterministic=True))


def simplify_by_runtime(raw: Path, path: Path, beside: bool) -> None:
    """The same by ONNX Runtime, to standard operators alone; weights `beside` the file or in it.

    For what onnxsim cannot do: it keeps several copies of a model and takes none beyond 2 GiB; and for what
    it would compute otherwise.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(path)
    if beside:
        entry = "session.optimized_model_external_initializers_file_name"
        options.add_session_config_entry(entry, f"{path.name}.data")
    onnxruntime.InferenceSession(str(raw), options, providers=["CPUExecutionProvider"])
