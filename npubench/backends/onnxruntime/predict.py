"""A data set through a model, and each tensor of a quantised graph beside the same one of FP32."""

from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from npubench.domain.specs import TensorSpec
from npubench.graph.walk import numpy_dtype
from npubench.measure.onnx_session import open_session

LAYER_SAMPLES = 8


def outputs_of(model: Path, tensor: TensorSpec, samples: Path, target: Path) -> None:
    """Write the first output for all samples, samples x what it is without batch, as .npy."""
    session = open_session(model)
    name = session.get_outputs()[0].name
    found = [session.run([name], {tensor.name: batch})[0] for batch in _batches(tensor, samples)]
    total = len(np.load(samples, mmap_mode="r"))
    # A model of one sample a call may give its scores without an axis for it.
    calls = [
        one[None] if tensor.shape[0] == 1 and one.shape[:1] != (1,) else one for one in map(np.asarray, found)
    ]
    np.save(target, np.concatenate(calls)[:total])


def layer_losses(
    quantised: Path, reference: Path, tensor: TensorSpec, samples: Path, scratch: Path
) -> list[dict[str, Any]]:
    """Name, operator and cosine of every tensor that both graphs have, over the first samples.

    The graphs are given all their tensors as outputs, by ONNX Runtime's own debugging tool.
    """
    from onnxruntime.quantization.qdq_loss_debug import (
        collect_activations,
        create_activation_matching,
        modify_model_output_intermediate_tensors,
    )

    feeds = [{tensor.name: batch} for batch in islice(_batches(tensor, samples), LAYER_SAMPLES)]
    collected = []
    for number, model in enumerate((quantised, reference)):
        opened = scratch / f"all-outputs-{number}.onnx"
        modify_model_output_intermediate_tensors(str(model), str(opened))
        collected.append(collect_activations(str(opened), feeds))
    matched = create_activation_matching(*collected)
    makers = _makers(reference)
    return [
        {"name": makers[name][0] or name, "op": makers[name][1], "cosine": cosine}
        for name, pair in matched.items()
        if name in makers
        and "float" in pair
        and (cosine := _cosine(pair["post_qdq"], pair["float"])) is not None
    ]


def _batches(tensor: TensorSpec, samples: Path) -> Iterator[np.ndarray[Any, Any]]:
    """Samples by the model's batch, the last one filled up with its own last sample."""
    data = np.load(samples, mmap_mode="r", allow_pickle=False)
    size = tensor.shape[0]
    for start in range(0, len(data), size):
        batch = np.asarray(data[start : start + size], dtype=numpy_dtype(tensor.dtype))
        missing = size - len(batch)
        yield np.concatenate([batch, np.repeat(batch[-1:], missing, axis=0)]) if missing else batch


def _makers(model: Path) -> Mapping[str, tuple[str, str]]:
    """Tensor -> name and operator of the node that makes it."""
    graph = onnx.load(model, load_external_data=False).graph
    return {output: (node.name, node.op_type) for node in graph.node for output in node.output}


def _cosine(ours: Any, theirs: Any) -> float | None:
    a, b = (np.concatenate([np.asarray(x, dtype=np.float64).ravel() for x in one]) for one in (ours, theirs))
    norm = float(np.linalg.norm(a) * np.linalg.norm(b))
    if a.shape != b.shape or not norm or not np.isfinite(norm):
        return None
    return min(1.0, float(a @ b) / norm)
