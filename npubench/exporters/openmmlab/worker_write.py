"""Writes a model as ONNX inside the OpenMMLab environment; imports nothing of npubench."""

import shutil
from pathlib import Path
from typing import Any

PROTOBUF_LIMIT_BYTES = 1_900_000_000
"""Protocol buffers end at 2 GiB."""

SLIM_LIMIT_BYTES = 600_000_000
"""A model of 1.2 GB took 10 GB in onnxslim, and several workers share a machine."""


def write(model: Any, sample: Any, name: str, outputs: list[str], opset: int, path: Path) -> None:
    """Export with a fixed shape, fold constants, write to `path`.

    The TorchScript exporter, because the newer one writes another opset than it is asked for.
    """
    import torch

    size = sum(tensor.numel() * tensor.element_size() for tensor in model.state_dict().values())
    # Into a folder of its own: beyond 2 GiB PyTorch writes every tensor beside the file.
    raw = _new_folder(path, "raw") / "raw.onnx"
    torch.onnx.export(
        model,
        (sample,),
        str(raw),
        dynamo=False,
        opset_version=opset,
        input_names=[name],
        output_names=outputs,
    )
    if size < SLIM_LIMIT_BYTES:
        simplify(raw, path)
    else:
        simplify_large(raw, path, beside=size >= PROTOBUF_LIMIT_BYTES)
    shutil.rmtree(raw.parent)


def simplify(raw: Path, path: Path) -> None:
    """Fold constants, infer shapes, take out what does nothing."""
    import onnx
    import onnxslim

    path.write_bytes(onnxslim.slim(onnx.load(raw)).SerializeToString(deterministic=True))


def simplify_large(raw: Path, path: Path, beside: bool) -> None:
    """The same by ONNX Runtime, to standard operators alone; weights `beside` the file or in it.

    onnxslim keeps several copies of a model, and takes none beyond 2 GiB.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(path)
    if beside:
        entry = "session.optimized_model_external_initializers_file_name"
        options.add_session_config_entry(entry, f"{path.name}.data")
    onnxruntime.InferenceSession(str(raw), options, providers=["CPUExecutionProvider"])


def _new_folder(path: Path, name: str) -> Path:
    folder = path.with_name(name)
    folder.mkdir()
    return folder
