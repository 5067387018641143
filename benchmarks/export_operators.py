"""Exporting every operator of the catalogue against onnx reading and writing the same files."""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.paired import measure, show

COPY = """
import sys, pathlib, onnx
source, target = map(pathlib.Path, sys.argv[1:])
target.mkdir(exist_ok=True)
for file in sorted(source.glob("*.onnx")):
    model = onnx.load(file)
    onnx.checker.check_model(model)
    onnx.save(onnx.shape_inference.infer_shapes(model), target / file.name)
"""


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        ours, copies = Path(folder) / "ours", Path(folder) / "copies"

        def export() -> None:
            shutil.rmtree(ours, ignore_errors=True)
            command = [sys.executable, "-m", "npubench", "export", "--suite", "operators"]
            subprocess.run([*command, "--out", str(ours)], check=True, stdout=subprocess.DEVNULL)

        def copy() -> None:
            subprocess.run([sys.executable, "-c", COPY, str(ours), str(copies)], check=True)

        result = measure(export, copy, 3)
        count = len(list(ours.glob("*.onnx")))
    title = f"export of {count} operators"
    show(title, "npubench export", "onnx load, check, infer, save", result, "at most 20 s")


if __name__ == "__main__":
    main()
