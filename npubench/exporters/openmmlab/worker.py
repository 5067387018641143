"""Builds, exports and checks one model inside the OpenMMLab environment: `worker.py JOB ANSWER`.

Imports nothing of npubench. JOB is JSON: `config` (a model or config of mmpretrain by name, or a .py
file), `weights` (`random` or a checkpoint), `seed`, `input`, `shape`, `opset`, `output`. ANSWER is
{"path", "max_relative_error", "tolerance", "parameters", "seed", "tools"}, or {"error": {"class",
"message", "operators", "detail"}} with a class of npubench's failure classes.
"""

import json
import os
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from npubench.exporters.openmmlab import worker_errors, worker_weights
    from npubench.exporters.openmmlab.worker_errors import Refused
else:
    # The environment's interpreter is isolated (-I) and does not look beside the script by itself.
    sys.path.insert(0, str(Path(__file__).parent))
    import worker_errors
    import worker_weights
    from worker_errors import Refused

THREADS = 2
TOLERANCE = 1e-3
"""Largest difference to PyTorch's output that is accepted, relative to that output's largest magnitude."""

SAME_KERNELS = {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_CBWR": "AVX2"}
"""Statistics of random models are computed: these make x86 machines that have AVX2 add up alike."""

TOOLS = ("torch", "torchvision", "mmengine", "mmcv-lite", "mmpretrain", "onnx", "onnxslim", "onnxruntime")


def main(job_path: Path, answer_path: Path) -> None:
    """Do the job and write the answer, which appears at once and whole."""
    job = json.loads(job_path.read_text(encoding="utf-8"))
    try:
        answer = export(job)
    except Exception as error:  # noqa: BLE001 - whatever a third-party model raises becomes the answer
        traceback.print_exc()
        refused = error if isinstance(error, Refused) else worker_errors.classify(error)
        answer = {
            "error": {
                "class": refused.failure_class,
                "message": str(refused),
                "operators": list(refused.operators),
                "detail": traceback.format_exc()[-8000:],
            }
        }
    partial = answer_path.with_suffix(".partial")
    partial.write_text(json.dumps(answer), encoding="utf-8")
    partial.replace(answer_path)


def export(job: dict[str, Any]) -> dict[str, Any]:
    """The answer for a job that works. Raises Refused and whatever the model raises."""
    from importlib.metadata import version

    import torch

    torch.set_num_threads(THREADS)
    define_torchvision_schemas()
    shape, path = tuple(job["shape"]), Path(job["output"])
    torch.manual_seed(job["seed"])
    model = build(job["config"]).eval()
    fill(model, shape, job)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    sample = torch.randn(shape, generator=torch.Generator().manual_seed(job["seed"] + 1))
    with torch.no_grad():
        want = logits_of(model, sample)
    deploy(model)
    write(model, sample, job["input"], job["opset"], path)
    return {
        "path": str(path),
        "max_relative_error": check(run(path, job["input"], sample), want.numpy()),
        "tolerance": TOLERANCE,
        "parameters": parameters,
        "seed": job["seed"],
        "tools": {name: version(name) for name in TOOLS},
    }


def define_torchvision_schemas() -> None:
    """Let torchvision be imported where its compiled operators do not load; mmpretrain calls none of them."""
    import torch

    try:
        import torchvision  # noqa: F401
    except (ImportError, RuntimeError, OSError):
        for module in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[module]
        for name in ("nms", "qnms"):
            schema = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
            torch.library.define(f"torchvision::{name}", schema)


def build(config: str) -> Any:
    """The model by its name, by its config's name, or by the path of a config; weights are PyTorch's."""
    import mmpretrain

    if Path(config).suffix == ".py":
        if not Path(config).is_file():
            raise Refused("not_found", f"the config {config} does not exist: correct the path")
        return mmpretrain.get_model(config, pretrained=False)
    names = mmpretrain.list_models()
    if config in names:
        return mmpretrain.get_model(config, pretrained=False)
    folder = Path(mmpretrain.__file__).parent / ".mim" / "configs"
    files = {file.stem: file for file in folder.rglob("*.py") if "_base_" not in file.parts}
    if config in files:
        return mmpretrain.get_model(str(files[config]), pretrained=False)
    from difflib import get_close_matches

    near = get_close_matches(config[:100], {*names, *files}, n=3)
    hint = f" (did you mean {' or '.join(near)}?)" if near else ""
    raise Refused("not_found", f"mmpretrain has no model {config[:100]!r}{hint}")


def fill(model: Any, shape: tuple[int, ...], job: dict[str, Any]) -> None:
    """Give the model its weights: seeded ones, or those of a checkpoint."""
    if job["weights"] == "random":
        worker_weights.randomise(model, shape, job["seed"])
        return
    try:
        worker_weights.load(model, job["weights"])
    except (worker_weights.WrongCheckpointError, OSError) as error:
        message = f"{job['weights']} is not a checkpoint of {job['config']}: {error}"
        raise Refused("invalid_model", message) from error


def deploy(model: Any) -> None:
    """Fold branches that only training needs into one convolution each (RepVGG, MobileOne and their kind)."""
    for part in model.children():
        if hasattr(part, "switch_to_deploy"):
            part.switch_to_deploy()


def write(model: Any, sample: Any, name: str, opset: int, path: Path) -> None:
    """Export with a fixed shape, fold constants, write to `path`.

    The TorchScript exporter, because the newer one writes another opset than it is asked for.
    """
    import onnx
    import onnxslim
    import torch

    raw = path.with_name("raw.onnx")
    torch.onnx.export(
        model,
        (sample,),
        str(raw),
        dynamo=False,
        opset_version=opset,
        input_names=[name],
        output_names=["logits"],
    )
    slimmed = onnxslim.slim(onnx.load(raw))
    path.write_bytes(slimmed.SerializeToString(deterministic=True))
    raw.unlink()


def run(path: Path, name: str, sample: Any) -> Any:
    """The output of the written file in ONNX Runtime."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return session.run(None, {name: sample.numpy()})[0]


def check(have: Any, want: Any) -> float:
    """Largest difference over the largest magnitude of PyTorch's output before deployment. Raises Refused."""
    import numpy as np

    if not np.isfinite(want).all() or not want.any():
        raise Refused("export_failed", "PyTorch's own output is not finite, or zero: use another seed")
    error = float(np.abs(have - want).max() / np.abs(want).max()) if have.shape == want.shape else np.inf
    if not error <= TOLERANCE:
        message = f"the exported model differs from PyTorch by {error:.2g} of the largest output"
        raise Refused("export_mismatch", f"{message} (at most {TOLERANCE:g}): use another opset")
    return error


def logits_of(model: Any, sample: Any) -> Any:
    """The model's output, which has to be one tensor."""
    import torch

    output = model(sample)
    if not isinstance(output, torch.Tensor):
        kind = type(output).__name__
        raise Refused("export_failed", f"the model returns a {kind}, not logits: it is no classifier")
    return output


if __name__ == "__main__":
    os.environ.update(SAME_KERNELS)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
