"""Writes a model as ONNX inside the OpenMMLab environment; imports nothing of npubench."""

import io
from pathlib import Path
from typing import Any

PROTOBUF_LIMIT_BYTES = 1_900_000_000
"""Protocol buffers end at 2 GiB."""

SIMPLIFIER_LIMIT_BYTES = 600_000_000
"""A model of 1.3 GB took 6 GB in onnxsim, and several workers share a machine."""


Raw = Path | bytes
"""A model as it was exported: in memory, or in a folder of its own with a file a tensor beyond 2 GiB."""


def export(model: Any, sample: Any, name: str, outputs: list[str], opset: int, folder: Path) -> Raw:
    """Export with a fixed shape: to memory, or where the simplifier does not reach into `folder`, then made.

    The TorchScript exporter, because the newer one writes another opset than it is asked for.
    """
    import torch

    in_memory = size_bytes(model) < SIMPLIFIER_LIMIT_BYTES
    written = io.BytesIO()
    if not in_memory:
        folder.mkdir()
    torch.onnx.export(
        model,
        (sample,),
        written if in_memory else str(folder / "raw.onnx"),
        dynamo=False,
        opset_version=opset,
        input_names=[name],
        output_names=outputs,
    )
    return written.getvalue() if in_memory else folder / "raw.onnx"


def size_bytes(model: Any) -> int:
    """Of all its tensors."""
    return sum(tensor.numel() * tensor.element_size() for tensor in model.state_dict().values())


def simplify(raw: bytes, path: Path) -> None:
    """Fold constants, infer shapes, take out what does nothing."""
    import onnx
    import onnxsim

    simple, _unchecked = onnxsim.simplify(onnx.load_model_from_string(raw))
    path.write_bytes(simple.SerializeToString(deterministic=True))


def simplify_by_runtime(raw: Raw, path: Path, data: str | None) -> None:
    """The same by ONNX Runtime, to standard operators alone; weights in `path` or in a file `data` beside it.

    For what onnxsim cannot do: it keeps several copies of a model and takes none beyond 2 GiB; and for what
    it would compute otherwise.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(path)
    if data:
        options.add_session_config_entry("session.optimized_model_external_initializers_file_name", data)
    onnxruntime.InferenceSession(
        raw if isinstance(raw, bytes) else str(raw), options, providers=["CPUExecutionProvider"]
    )
