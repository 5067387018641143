"""TPU-MLIR's side of a job; runs inside the environment `tpu-mlir`."""

import contextlib
import fcntl
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools" / "standalone"))
from worker_frame import aside, compared, if_any, reference, samples, serve, step
from worker_listing import elsewhere, operations
from worker_tensors import of_bmodel, of_cvimodel

IMPORTS = Path(__file__).resolve().parent / "worker_imports"
NAME = "model"
TOP = f"{NAME}.mlir"
TABLE = "calibration_table"
PROFILE = "compiler_profile_0.txt"
WAITING = "waiting for another deployment"
OLDER = ("cv180x", "cv181x", "cv182x", "cv183x")
"""These have a runtime and a format of their own; CV184x and CV186x have those of the BM168x."""


class ToolFailedError(Exception):
    """One of the commands ended with a code or a signal."""


def work(job: dict[str, Any]) -> dict[str, Any]:
    """Transform, calibrate, deploy; the compiler itself runs its cmodel against the quantised reference."""
    order = [tensor["name"] for tensor in job["tensors"]["inputs"]]
    shapes = [list(tensor["shape"]) for tensor in job["tensors"]["inputs"]]
    Path("calibration").mkdir()
    for number, sample in enumerate(samples(job["calibration"])):
        np.savez(f"calibration/{number}.npz", **sample)
    (evaluation,) = samples(job["evaluation"][:1])
    np.savez("input.npz", **evaluation)
    asked = ([{name: evaluation[name] for name in order}], samples(job["rounded"][:1]))
    expecting = [aside(reference, job["model"], one) for one in asked]
    with step("transform"):
        _call(
            # Without an input: compared with FP32 is what comes out in the end, not every tensor here.
            ["model_transform.py", "--model_name", NAME, "--model_def", job["model"],
             "--input_shapes", repr(shapes).replace(" ", ""), "--mlir", TOP]
        )  # fmt: skip
    with step("calibrate"):
        count = str(len(job["calibration"]))
        _call(
            ["run_calibration.py", TOP, "--dataset", "calibration", "--input_num", count,
             "--tune_num", str(job["tune_samples"]), "-o", TABLE]
        )  # fmt: skip
    artifact = f"{NAME}.{ending(job['processor'])}"
    with _alone(), step("deploy"):
        _call(
            ["model_deploy.py", "--mlir", TOP, "--quantize", "INT8", "--calibration_table", TABLE,
             "--processor", job["processor"], "--test_input", "input.npz",
             # How far off is ours to judge; the compiler would end with a code for its own bound.
             "--tolerance", "0.0,-1000", "--debug", "--model", artifact]
        )  # fmt: skip
    with step("reference"):
        expected, rounded = if_any(expecting)
    arrays = _outputs()
    info = _info(artifact)
    sizes = {name: array.shape for name, array in arrays.items()}
    told = of_bmodel(info, job["tensors"]) or of_cvimodel(info, sizes, job["tensors"])
    return {
        "artifact": artifact,
        "kept": [PROFILE],
        "on_cpu": sorted(set(_on_cpu())),
        "cpu_layers": _on_cpu(),
        **_made(artifact),
        "tensors": told,
        **compared([list(arrays.values())], expected, rounded),
    }


def ending(processor: str) -> str:
    """The format of a processor, which the tool takes from the ending: of the wrong one its runner aborts."""
    return "cvimodel" if processor in OLDER else "bmodel"


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """One deployment at a time: each points links inside the installation at its own chip's cmodel."""
    with (Path(sys.prefix) / "deploy.lock").open("w") as stream:
        with step(WAITING):
            fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def _outputs() -> dict[str, Any]:
    """What the cmodel gave, by name. Raises when there is no such file: an exit code says nothing."""
    found = sorted(Path().glob("*_model_outputs.npz"))
    if len(found) != 1:
        raise ToolFailedError(f"the cmodel left {len(found)} files of outputs")
    return dict(np.load(found[0]))


def _on_cpu() -> list[str]:
    """Operators of the layers that the compiler left to the host's CPU, one a layer."""
    found: list[str] = []
    for text in _listings():
        found += re.findall(r'"tpu\.GenericCpu".*?cpu_name = "(?:onnx\.)?(\w+)"', text)
    return found


def _made(artifact: str) -> dict[str, Any]:
    """The compiler's operations: `operations` that it schedules, and those `elsewhere`."""
    path = Path(f"{artifact}.json")
    return {
        "operations": operations(_text(path)) if path.is_file() else [],
        "elsewhere": [one for listing in _listings() for one in elsewhere(listing)],
    }


def _listings() -> list[str]:
    return [_text(path) for path in sorted(Path().glob("*_final.mlir"))]


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")


def _info(artifact: str) -> str:
    """What the SDK's model_tool says of a compiled file; also in the log."""
    done = subprocess.run(
        ["model_tool", "--info", artifact], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, check=False, text=True, errors="replace",
    )  # fmt: skip
    print(done.stdout)  # noqa: T201 - for the log
    return done.stdout if done.returncode == 0 else ""


def _call(argv: list[str]) -> None:
    sys.stdout.flush()
    path = os.pathsep.join(filter(None, [str(IMPORTS), os.environ.get("PYTHONPATH", "")]))
    done = subprocess.run(
        argv, stdin=subprocess.DEVNULL, stderr=subprocess.STDOUT, check=False,
        env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip
    if done.returncode != 0:
        raise ToolFailedError(f"{argv[0]} ended with code {done.returncode}")


if __name__ == "__main__":
    serve(work)
