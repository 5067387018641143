"""Builds, exports and checks one model inside the OpenMMLab environment: see `worker_server`.

Imports nothing of npubench. JOB is JSON: `step` (`export` or `identify`), `codebase`, `config` (a name of
that codebase, or a .py file), `weights` (`random`, `auto` or a checkpoint), `seed`, `input`, `shape` (empty:
the config's own), `opset`, `output`, `data` (file name for weights that do not fit into `output`). ANSWER is
{"max_relative_error", "tolerance", "weights", "described", "tools", "seconds"}, for `identify`
{"network", "described", "seconds"}, or {"error": {"class", "message", "operators", "detail"}}, its class
one of npubench's.
"""

import hashlib
import json
import time
import traceback
from contextlib import nullcontext
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from npubench.exporters.openmmlab import (
        worker_codebases,
        worker_defaults,
        worker_errors,
        worker_rewrites,
        worker_weights,
        worker_write,
    )
    from npubench.exporters.openmmlab.worker_errors import Refused
else:
    import worker_codebases
    import worker_defaults
    import worker_errors
    import worker_rewrites
    import worker_weights
    import worker_write
    from worker_errors import Refused

THREADS = 1
"""Several workers share a machine better than several threads, and one adds up in one order."""

SAME_KERNELS = {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_CBWR": "AVX2"}
"""Statistics of random models are computed: these make x86 machines that have AVX2 add up alike."""

TOOLS = ("torch", "torchvision", "mmengine", "mmcv", "mmcv-lite", "onnx", "onnxsim", "onnxruntime")


def main(job_path: Path, answer_path: Path) -> None:
    """Do the job and write the answer, which appears at once and whole."""
    job = json.loads(job_path.read_text(encoding="utf-8"))
    started = time.monotonic()
    try:
        answer = identify(job) if job["step"] == "identify" else export(job)
        answer["seconds"] = round(time.monotonic() - started, 3)
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


def identify(job: dict[str, Any]) -> dict[str, Any]:
    """What an export would say of the config, and a digest of all that decides its file, where known."""
    worker_codebases.prepare(job["codebase"])
    zoo, config, described = opened(job)
    answer = {"described": described, "network": ""}
    decided = zoo.network(config)
    if decided is not None and job["weights"] == "random":
        shape = job["shape"] or described["shape"]
        decides = [decided, shape, job["seed"], job["opset"], job["input"]]
        text = json.dumps(decides, sort_keys=True, default=str)
        answer["network"] = hashlib.sha256(text.encode()).hexdigest()
    return answer


def opened(job: dict[str, Any]) -> tuple[Any, Any, dict[str, Any]]:
    """The codebase, the config, and what it says of its input."""
    zoo = worker_codebases.CODEBASES[job["codebase"]]
    config = zoo.config(job["config"])
    return zoo, config, worker_defaults.describe(job["codebase"], job["config"], config)


def export(job: dict[str, Any]) -> dict[str, Any]:
    """The answer for a job that works. Raises Refused and whatever the model raises."""
    import torch

    torch.set_num_threads(THREADS)
    worker_codebases.prepare(job["codebase"])
    try:
        return attempt(job, job["weights"])
    except worker_errors.TooNoisyError as error:
        if job["weights"] != "random":
            raise
        print(f"{error}: once more with the weights that PyTorch starts from")  # noqa: T201 - for the log
        return attempt(job, "started")


def attempt(job: dict[str, Any], weights: str) -> dict[str, Any]:
    """Build, fill, export and check once."""
    import torch

    torch.manual_seed(job["seed"])
    zoo, config, described = opened(job)
    shape, path = tuple(job["shape"] or described["shape"]), Path(job["output"])
    with worker_weights.uninitialised() if weights == "random" else nullcontext():
        inner = worker_rewrites.without_sync(zoo.build(config)).eval()
    model = exported(inner, zoo.forward)
    fill(model, inner, shape, {**job, "weights": weights})
    sample = torch.randn(shape, generator=torch.Generator().manual_seed(job["seed"] + 1))
    with torch.no_grad():
        want = [tensor.clone() for tensor in model(sample)]
    deploy(inner)
    with worker_rewrites.fixed_shapes():
        names = output_names(described["task"], len(want))
        raw = worker_write.export(model, sample, job["input"], names, job["opset"])
    error = simplified(raw, path, job, sample, want, model)
    return {
        "max_relative_error": error,
        "tolerance": worker_errors.TOLERANCE,
        "weights": weights,
        "described": described,
        "tools": versions(job["codebase"]),
    }


def simplified(
    raw: "worker_write.Raw", path: Path, job: dict[str, Any], sample: Any, want: list[Any], model: Any
) -> float:
    """Write `path` from the model as it was exported; the difference to PyTorch. Raises Refused."""
    too_large = worker_write.size_bytes(raw.weights) >= worker_write.PROTOBUF_LIMIT_BYTES
    data = job["data"] if too_large else None
    try:
        worker_write.simplify(raw, path, data)
        return worker_errors.check(run(path, job["input"], sample), want, model, sample)
    except worker_write.TooLargeError as error:
        print(f"{error}: simplified by ONNX Runtime")  # noqa: T201 - for the log
    except Refused as error:
        if error.failure_class != "export_mismatch":
            raise
        print(f"{error}: once more, simplified by ONNX Runtime")  # noqa: T201 - for the log
    worker_write.simplify_by_runtime(raw, path, data)
    return worker_errors.check(run(path, job["input"], sample), want, model, sample)


@cache
def versions(codebase: str) -> dict[str, str]:
    """Versions of what decides the file; of mmcv whichever form. Found once: it takes a while."""
    from importlib.metadata import distributions

    wanted = {*TOOLS, "mmdet" if codebase == "mmdetection" else codebase}
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
    """Fold branches that only training needs into one convolution each (RepVGG, MobileOne and their kind).

    What cannot be exported as it stands is replaced by what gives the same outputs.
    """
    for part in list(model.modules())[1:]:
        if hasattr(part, "switch_to_deploy") and not getattr(part, "deploy", False):
            part.switch_to_deploy()
    worker_rewrites.keep_excitation(model)
    worker_rewrites.without_fourier(model)


def run(path: Path, name: str, sample: Any) -> list[Any]:
    """The outputs of the written file in ONNX Runtime."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    outputs: list[Any] = session.run(None, {name: sample.numpy()})
    return outputs
