"""Runs inside the OpenMMLab environment: `python worker.py job.json answer.json`.

Imports nothing of npubench. The answer is {"path": ...} with what was made and checked, or
{"error": {"class": ..., "message": ..., "operators": [...], "traceback": ...}}; `class` is one of
npubench's failure classes.
"""

import json
import re
import sys
import traceback
from importlib.metadata import version
from pathlib import Path
from typing import Any

RELATIVE_TOLERANCE = 1e-3
CALIBRATION_BATCHES = 2
CALIBRATION_BATCH = 4
PACKAGES = ("torch", "mmengine", "mmcv-lite", "mmpretrain", "onnx", "onnxslim", "onnxruntime")


class Refused(Exception):  # noqa: N818 - it carries a failure, with its class
    """The case is at fault, in a known way."""

    def __init__(self, failure_class: str, message: str, operators: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.failure_class = failure_class
        self.operators = operators


def main() -> None:
    """Do the job; whatever happens is an answer."""
    job = json.loads(Path(sys.argv[1]).read_text())
    try:
        answer = export(job)
    except Refused as error:
        answer = {"error": _error(error.failure_class, str(error), error.operators)}
    except Exception as error:  # noqa: BLE001 - sorted here, told there
        answer = {"error": sort_out(error)}
    print(json.dumps(answer))  # noqa: T201 - for the log
    Path(sys.argv[2]).write_text(json.dumps(answer))


def export(job: dict[str, Any]) -> dict[str, Any]:
    """Build, weigh, export, simplify and check one model."""
    define_missing_torchvision_operators()
    import torch

    torch.set_num_threads(job["threads"])
    torch.manual_seed(job["seed"])
    model = build(job["config"])
    shape = tuple(job["shape"])
    if job["weights"] == "random":
        settle_normalisation(model, shape)
    else:
        load_weights(model, job["weights"])
    model.eval()
    sample = torch.randn(shape, generator=torch.Generator().manual_seed(job["seed"]))
    with torch.no_grad():
        expected = first_tensor(model(sample))
        deploy(model)
        deployed_error = relative_error(first_tensor(model(sample)), expected)
    path = Path(job["output"])
    write_onnx(model, sample, path, job)
    error = max(
        deployed_error, relative_error(torch.from_numpy(run_onnx(path, job["input"], sample)), expected)
    )
    if not error <= RELATIVE_TOLERANCE:
        raise Refused(
            "export_mismatch",
            f"outputs of the exported model differ from PyTorch's by {error:.2g} of their range"
            f" (limit {RELATIVE_TOLERANCE:g}): try another opset",
        )
    return {
        "path": str(path),
        "relative_error": error,
        "relative_tolerance": RELATIVE_TOLERANCE,
        "parameters": sum(p.numel() for p in model.parameters()),
        "tools": {package: version(package) for package in PACKAGES},
    }


def define_missing_torchvision_operators() -> None:
    """torchvision from the package index does not load its C++ operators beside a CPU build of torch.

    mmpretrain imports torchvision, which only needs the operators' schemas; none of them is run here.
    Where a matching torchvision works they exist already.
    """
    import torch

    try:
        import torchvision  # noqa: F401
    except (ImportError, RuntimeError, OSError):
        library = torch.library.Library("torchvision", "FRAGMENT")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        define_missing_torchvision_operators.library = library  # type: ignore[attr-defined]
        for module in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[module]


def build(config: str) -> Any:
    """The model of a zoo name, of a config file's name in the installed zoo, or of a config's path."""
    from mmpretrain import get_model, list_models

    if config in list_models():
        return get_model(config, pretrained=False)
    if config.endswith(".py"):
        if not Path(config).is_file():
            raise Refused("not_found", f"no config file {config}: correct the path")
        return get_model(config, pretrained=False)
    import mmpretrain

    found = sorted((Path(mmpretrain.__file__).parent / ".mim" / "configs").rglob(f"{config}.py"))
    if not found:
        raise Refused(
            "not_found", f"mmpretrain {version('mmpretrain')} has no model and no config {config!r}"
        )
    return get_model(str(found[0]), pretrained=False)


def settle_normalisation(model: Any, shape: tuple[int, ...]) -> None:
    """Give batch normalisations of a random network the statistics of seeded normal input.

    Left at mean 0 and variance 1 they let activations vanish or overflow with depth, and a network
    whose outputs hardly depend on its input says nothing about INT8.
    """
    import torch

    layers = [m for m in model.modules() if isinstance(m, torch.nn.modules.batchnorm._BatchNorm)]
    model.eval()
    for layer in layers:
        layer.train()
        layer.reset_running_stats()
        layer.momentum = None
    with torch.no_grad():
        for _ in range(CALIBRATION_BATCHES if layers else 0):
            model(torch.randn((CALIBRATION_BATCH, *shape[1:])))


def load_weights(model: Any, checkpoint: str) -> None:
    """Load a checkpoint; every weight of the model has to be in it."""
    state = read_checkpoint(checkpoint)
    own = model.state_dict()
    missing = [name for name in own if name not in state and not name.endswith("num_batches_tracked")]
    wrong = [name for name in own if name in state and own[name].shape != state[name].shape]
    if missing or wrong:
        first = (missing or wrong)[0]
        raise Refused(
            "invalid_model",
            f"{checkpoint} is a checkpoint of another model: {len(missing)} of {len(own)} weights are missing and"
            f" {len(wrong)} have another shape, first {first}: give the checkpoint of this config",
        )
    model.load_state_dict(state, strict=False)


def read_checkpoint(checkpoint: str) -> Any:
    """A state dict; nothing in the file is executed (torch's weights_only)."""
    import numpy
    import torch
    from mmengine.logging.history_buffer import HistoryBuffer

    plain = [HistoryBuffer, numpy.ndarray, numpy.dtype, numpy._core.multiarray._reconstruct]
    plain += [type(numpy.dtype(name)) for name in ("float64", "float32", "int64")]
    try:
        with torch.serialization.safe_globals(plain):
            loaded = torch.load(checkpoint, map_location="cpu", weights_only=True)
    except Exception as error:
        raise Refused(
            "invalid_model", f"{checkpoint} is no readable checkpoint: {first_line(error)}"
        ) from error
    state = loaded.get("state_dict", loaded) if isinstance(loaded, dict) else None
    if not isinstance(state, dict) or not all(hasattr(value, "shape") for value in state.values()):
        raise Refused("invalid_model", f"{checkpoint} holds no weights: give a checkpoint with a state_dict")
    return state


def deploy(model: Any) -> None:
    """Merge the training branches of RepVGG and MobileOne, as they are meant to run."""
    backbone = getattr(model, "backbone", None)
    if hasattr(backbone, "switch_to_deploy"):
        backbone.switch_to_deploy()


def write_onnx(model: Any, sample: Any, path: Path, job: dict[str, Any]) -> None:
    """TorchScript export (the dynamo exporter ignores the opset), then constants folded by onnxslim."""
    import onnx
    import onnxslim
    import torch

    torch.onnx.export(
        model,
        (sample,),
        str(path),
        dynamo=False,
        opset_version=job["opset"],
        input_names=[job["input"]],
        output_names=["output"],
    )
    slim = onnxslim.slim(onnx.load(str(path)))
    path.write_bytes(slim.SerializeToString(deterministic=True))


def run_onnx(path: Path, name: str, sample: Any) -> Any:
    """The first output in ONNX Runtime."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 2
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return session.run(None, {name: sample.numpy()})[0]


def first_tensor(output: Any) -> Any:
    """The first tensor of whatever a model returns."""
    while isinstance(output, (tuple, list)):
        output = output[0]
    return output


def relative_error(ours: Any, expected: Any) -> float:
    """Greatest difference as a share of the greatest magnitude."""
    return float((ours - expected).abs().max() / expected.abs().max().clamp(min=1e-12))


def sort_out(error: Exception) -> dict[str, Any]:
    """The class of an exception that a library raised."""
    text = first_line(error)
    chain = " ".join(f"{type(e).__name__} {e}" for e in causes(error))
    if isinstance(error, MemoryError) or "not enough memory" in chain or "DefaultCPUAllocator" in chain:
        return _error("out_of_memory", f"not enough memory: {text}")
    if found := re.search(
        r"No module named '([\w.]+)'|requires? (?:the )?`?([\w-]+)`? (?:package|library)", chain
    ):
        return _error("missing_package", f"needs the package {found[1] or found[2]}, not in the environment")
    if re.search(r"URLError|ConnectionError|HTTPError|name resolution|Max retries|LocalEntryNotFound", chain):
        return _error("export_failed", f"wants to download something while it is built, and cannot: {text}")
    if found := re.search(r"operator '?(?:aten::)?([\w:]+)'? to ONNX opset|Unsupported.*aten::(\w+)", chain):
        name = found[1] or found[2]
        return _error("unsupported_operator", f"PyTorch cannot export {name}: {text}", (name,))
    return _error("export_failed", f"{type(error).__name__}: {text}")


def causes(error: BaseException | None) -> list[BaseException]:
    """An exception and what it came from."""
    found: list[BaseException] = []
    while error is not None and error not in found:
        found.append(error)
        error = error.__cause__ or error.__context__
    return found


def first_line(error: BaseException) -> str:
    """One line of an exception's text."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


def _error(failure_class: str, message: str, operators: tuple[str, ...] = ()) -> dict[str, Any]:
    return {
        "class": failure_class,
        "message": message,
        "operators": list(operators),
        "traceback": traceback.format_exc(),
    }


if __name__ == "__main__":
    main()
