"""A warm conversion of ResNet-18 by RKNN-Toolkit2 against a bare script with the toolkit's calls.

Both do the same: load, quantise with the same eight samples, build, export, and simulate the same four.
What npubench does besides (its start, the reference in ONNX Runtime, comparing, keeping) is the difference,
less what the toolkit gains in npubench's worker: there it keeps its memory (`process.KEEP_MEMORY`) and is not
taken apart in the end; the bare script runs as a user's would.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.paired import measure, show
from npubench.backends.rknn.backend import RknnBackend
from npubench.domain.specs import CalibrationSpec, ModelInputs, TensorSpec
from npubench.measure.calibration import calibration_inputs, evaluation_inputs
from npubench.tools.environments import installer
from tests.resnet18 import INPUT_SHAPE, write_resnet18

PLATFORM = "rk3588"
ROUNDS = 5
BARE = f"""
from pathlib import Path
import numpy as np
from rknn.api import RKNN
tool = RKNN(verbose=True)
assert tool.config(target_platform={PLATFORM!r}) == 0
assert tool.load_onnx("resnet18.onnx") == 0
assert tool.build(do_quantization=True, dataset="calibration.txt") == 0
assert tool.export_rknn("bare.rknn") == 0
assert tool.init_runtime() == 0
for path in Path("evaluation.txt").read_text().split():
    tool.inference(inputs=[np.load(path)], data_format=["nchw"])
"""


def main() -> None:
    python = installer.install(RknnBackend.environment, print).python
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_resnet18(root / "resnet18.onnx")
        _write_samples(root)
        out = root / "out"
        words = ["resnet18.onnx", "--board", PLATFORM, "--fresh", "--jobs", "1", "--out", str(out)]
        ours = [sys.executable, "-m", "npubench", "convert", *words]
        result = measure(
            lambda: _run(ours, root), lambda: _run([str(python), "-I", "-c", BARE], root), ROUNDS
        )
        (answer,) = out.glob("*.answer.json")
        seconds = json.loads(answer.read_text())["seconds"]
        same = (root / "bare.rknn").stat().st_size == next(out.glob("*.rknn")).stat().st_size
    title = "warm conversion of ResNet-18 by rknn"
    show(title, "npubench convert", "the toolkit's calls alone", result, "at most 1.0 s more")
    told = ", ".join(f"{name} {value:.2f} s" for name, value in seconds.items())
    print(f"  inside npubench's worker: {told}")
    print(f"  artifacts of the same size: {'yes' if same else 'no'}\n")


def _write_samples(root: Path) -> None:
    """The data that npubench lays out for this model, as files."""
    inputs = ModelInputs((TensorSpec("input", INPUT_SHAPE),))
    sets = {
        "calibration": calibration_inputs(inputs, CalibrationSpec()),
        "evaluation": evaluation_inputs(inputs, CalibrationSpec())[: RknnBackend.evaluated],
    }
    for kind, samples in sets.items():
        files = [f"{kind}-{number}.npy" for number in range(len(samples))]
        for file, sample in zip(files, samples, strict=True):
            np.save(root / file, sample["input"])
        (root / f"{kind}.txt").write_text("\n".join([*files, ""]))


def _run(argv: list[str], root: Path) -> None:
    shutil.rmtree(root / "check", ignore_errors=True)
    subprocess.run(argv, cwd=root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)


if __name__ == "__main__":
    main()
