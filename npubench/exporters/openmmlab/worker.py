"""Builds, exports and checks one model inside the OpenMMLab environment: see `worker_server`.

Imports nothing of npubench. JOB is JSON: `codebase`, `config` (a name of that codebase, or a .py file),
`weights` (`random`, `auto` or a checkpoint), `seed`, `input`, `shape` (empty: the config's own), `opset`,
`output`. ANSWER is {"path", "max_relative_error", "tolerance", "parameters", "seed", "described", "tools",
"seconds"}, or {"error": {"class", "message", "operators", "detail"}}, its class one of npubench's.
"""

import importlib
import json
import shutil
import time
import traceback
from contextlib import nullcontext
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from npubench.exporters.openmmlab import (
        worker_defaults,
        worker_errors,
        worker_rewrites,
        worker_stack,
        worker_weights,
        worker_write,
    )
    from npubench.exporters.openmmlab.worker_errors import Refused
else:
    import worker_defaults
    import worker_errors
    import worker_rewrites
    import worker_stack
    import worker_weights
    import worker_write
    from worker_errors import Refused

THREADS = 1
"""Several workers share a machine better than several threads, and one adds up in one order."""

TOLERANCE = 1e-3
"""Largest difference to PyTorch's output that is accepted, relative to that output's largest magnitude."""

ROUNDING_LIMIT = 0.05
"""Where PyTorch's own floats are further from double precision than this, nothing can be compared."""

SAME_KERNELS = {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_CBWR": "AVX2"}
"""Statistics of random models are computed: these make x86 machines that have AVX2 add up alike."""

TOOLS = ("torch", "torchvision", "mmengine", "mmcv", "mmcv-lite", "onnx", "onnxsim", "onnxruntime")
DISTRIBUTIONS = {"mmdetection": "mmdet"}
"""Codebases whose package has another name."""


class TooNoisyError(Refused):
    """With these weights the network multiplies rounding until nothing can be compared."""


def main(job_path: Path, answer_path: Path) -> None:
    """Do the job and write the answer, which appears at once and whole."""
    job = json.loads(job_path.read_text(encoding="utf-8"))
    started = time.monotonic()
    try:
        answer = {**export(job), "seconds": round(time.monotonic() - started, 3)}
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
    import torch

    torch.set_num_threads(THREADS)
    worker_stack.prepare(job["codebase"])
    try:
        return attempt(job, job["weights"])
    except TooNoisyError as error:
        if job["weights"] != "random":
            raise
        print(f"{error}: once more with the weights that PyTorch starts from")  # noqa: T201 - for the log
        return attempt(job, "started")


def attempt(job: dict[str, Any], weights: str) -> dict[str, Any]:
    """Build, fill, export and check once."""
    import torch

    codebase = job["codebase"]
    zoo = importlib.import_module(f"worker_{codebase}")
    torch.manual_seed(job["seed"])
    config = zoo.config(job["config"])
    described = worker_defaults.describe(codebase, job["config"], config)
    shape, path = tuple(job["shape"] or described["shape"]), Path(job["output"])
    with worker_weights.uninitialised() if weights == "random" else nullcontext():
        inner = worker_rewrites.without_sync(zoo.build(config)).eval()
    model = exported(inner, zoo.forward)
    fill(model, inner, shape, {**job, "weights": weights})
    parameters = sum(parameter.numel() for parameter in inner.parameters())
    sample = torch.randn(shape, generator=torch.Generator().manual_seed(job["seed"] + 1))
    with torch.no_grad():
        want = [tensor.clone() for tensor in model(sample)]
    deploy(inner)
    with worker_rewrites.fixed_shapes():
        names, folder = output_names(described["task"], len(want)), path.with_name("raw")
        raw = worker_write.export(model, sample, job["input"], names, job["opset"], folder)
    error = simplified(raw, path, job["input"], sample, want, model)
    return {
        "path": str(path),
        "max_relative_error": error,
        "tolerance": TOLERANCE,
        "weights": weights,
        "parameters": parameters,
        "seed": job["seed"],
        "described": described,
        "tools": versions(codebase),
    }


def simplified(raw: Path, path: Path, name: str, sample: Any, want: list[Any], model: Any) -> float:
    """Write `path` from the file as it was exported; the difference to PyTorch. Raises Refused."""
    size = worker_write.size_bytes(model)
    try:
        if size < worker_write.SIMPLIFIER_LIMIT_BYTES:
            worker_write.simplify(raw, path)
            try:
                return check(run(path, name, sample), want, model, sample)
            except Refused as error:
                if error.failure_class != "export_mismatch":
                    raise
                print(f"{error}: once more, simplified by ONNX Runtime")  # noqa: T201 - for the log
        worker_write.simplify_by_runtime(raw, path, size >= worker_write.PROTOBUF_LIMIT_BYTES)
        return check(run(path, name, sample), want, model, sample)
    finally:
        shutil.rmtree(raw.parent)


@cache
def versions(codebase: str) -> dict[str, str]:
    """Versions of what decides the file; of mmcv whichever form. Found once: it takes a while."""
    from importlib.metadata import distributions

    wanted = {*TOOLS, DISTRIBUTIONS.get(codebase, codebase)}
    return {found.name: found.version for found in distributions() if found.name in wanted}


def exported(inner: Any, forward: Any) -> Any:
    """What is exported of a model: `forward` of it, its tensors one after the other."""
    import torch

    class Exported(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.model = inner

        def forward(self, x: Any) -> Any:
            return tuple(tensors(forward(self.model, x)))

    return Exported().eval()


def tensors(output: Any) -> list[Any]:
    """All tensors of nested lists, tuples and tables, in order. Raises Refused where there is none."""
    import torch

    found: list[Any] = []
    waiting = [output]
    while waiting:
        item = waiting.pop(0)
        if isinstance(item, torch.Tensor):
            found.append(item)
        elif isinstance(item, dict):
            waiting[:0] = list(item.values())
        elif isinstance(item, (list, tuple)):
            waiting[:0] = list(item)
    if not found:
        kind = type(output).__name__
        raise Refused("export_failed", f"the model returns a {kind} without tensors: it cannot be exported")
    return found


def output_names(task: str, count: int) -> list[str]:
    """`logits` of a classifier, `output`, or numbered ones."""
    if count == 1:
        return ["logits" if task == "classification" else "output"]
    return [f"output_{index}" for index in range(count)]


def fill(model: Any, inner: Any, shape: tuple[int, ...], job: dict[str, Any]) -> None:
    """Give the model its weights: seeded ones, OpenMMLab's own, or those of a checkpoint."""
    if job["weights"] == "started":
        return
    if job["weights"] == "random":
        worker_weights.randomise(model, shape, job["seed"])
        return
    path = job["weights"]
    if path == "auto":
        path = worker_weights.fetch(job["codebase"], job["config"])
    try:
        worker_weights.load(inner, path)
    except (worker_weights.WrongCheckpointError, OSError) as error:
        message = f"{path} is not a checkpoint of {job['config']}: {error}"
        raise Refused("invalid_model", message) from error


def deploy(model: Any) -> None:
    """Fold branches that only training needs into one convolution each (RepVGG, MobileOne and their kind)."""
    for part in list(model.modules())[1:]:
        if hasattr(part, "switch_to_deploy") and not getattr(part, "deploy", False):
            part.switch_to_deploy()
    worker_rewrites.keep_excitation(model)


def run(path: Path, name: str, sample: Any) -> list[Any]:
    """The outputs of the written file in ONNX Runtime."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    outputs: list[Any] = session.run(None, {name: sample.numpy()})
    return outputs


def check(have: list[Any], want: list[Any], model: Any, sample: Any) -> float:
    """Largest difference over the largest magnitude of PyTorch's output, of all outputs. Raises Refused.

    A deep network with random weights may add up rounding beyond the tolerance by itself. Then the same
    network in double precision is the judge, and the export may be as far from it as PyTorch's own floats.
    """
    import numpy as np

    if len(have) != len(want):
        message = f"the exported model has {len(have)} outputs, PyTorch's {len(want)}"
        raise Refused("export_mismatch", f"{message}: one of them is an input or constant")
    theirs = [tensor.numpy() for tensor in want]
    if not all(np.isfinite(one).all() for one in theirs) or not any(one.any() for one in theirs):
        raise Refused("export_failed", "PyTorch's own output is not finite, or zero: use another seed")
    error = _largest(have, theirs)
    if error > TOLERANCE and np.isfinite(error):
        error = _largest(have, exact := _in_double(model, sample))
        own = _largest(theirs, exact)
        print(f"in double precision: PyTorch's floats are off by {own:.3g}, the export by {error:.3g}")  # noqa: T201
        if own > ROUNDING_LIMIT:
            raise TooNoisyError(
                "export_failed", f"rounding alone changes PyTorch's output by {own:.2g} of it"
            )
        if error <= 2 * own:
            return error
    if not error <= TOLERANCE:
        message = f"the exported model differs from PyTorch by {error:.2g} of the largest output"
        raise Refused("export_mismatch", f"{message} (at most {TOLERANCE:g}): use another opset")
    return error


def _in_double(model: Any, sample: Any) -> list[Any]:
    import torch

    with torch.no_grad():
        return [tensor.numpy() for tensor in model.double()(sample.double())]


def _largest(have: list[Any], want: list[Any]) -> float:
    return max((_difference(ours, theirs) for ours, theirs in zip(have, want, strict=True)), default=0.0)


def _difference(have: Any, want: Any) -> float:
    import numpy as np

    if have.shape != want.shape:
        return float("inf")
    scale = float(np.abs(want).max()) if want.size else 0.0
    return float(np.abs(have - want).max()) / scale if scale else float(np.abs(have).max(initial=0.0))
