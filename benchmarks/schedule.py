"""The operator suite on an emulated AX620A pair against the same work one case after the other.

A build takes 0.5 s and the board 0.2 s a case; both only wait, so what is measured is how well
npubench keeps builds and board busy. The other side is the way of the published benchmark: build,
copy, run, next case. It starts the same programs on the same models and does nothing else, with a
calibration set made once; so npubench is asked for one calibration sample. Its builds and board
calls are timed one by one, which gives the bound: no schedule can be faster than
max(builds / workers, board time).
"""

import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import onnx
from onnx import helper

from benchmarks.paired import Paired, show
from npubench.storage.hashing import sha256_of_file

HERE = Path(__file__).parent
RUN_JOINT = HERE.parent / "tests" / "emulators" / "run_joint"
SUITE = "ax620a-operators"
BUILD_S = 0.5
BOARD_S = 0.2
WORKERS = 4
BOARD = """\
transport = "local"
emulated = true
[backend_options]
run_joint = "{run_joint}"
simulate = false
"""


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        models = _export(root, dict(os.environ))
        environment = prepare(root, models)
        builds_s, board_s = _one_after_the_other(root, models, environment)
        started = time.perf_counter()
        _run([sys.executable, "-m", "npubench", *words(root)], root, environment)
        ours_s = time.perf_counter() - started
        rows = _measured(root, environment)
    assert rows == len(models), f"{rows} of {len(models)} cases were measured"
    count, serial_s = len(models), builds_s + board_s
    title = f"{count} cases, {BUILD_S} s a build, {BOARD_S} s a case on the board, {WORKERS} workers"
    names = ("one after the other", f"npubench run --jobs {WORKERS}")
    show(title, *names, Paired((serial_s,), (ours_s,)), "ratio at least 3")
    for what, floor_s in (
        ("as the programs took one by one", max(builds_s / WORKERS, board_s)),
        ("by the seconds they wait", max(count * BUILD_S / WORKERS, count * BOARD_S)),
    ):
        print(f"  max(builds / workers, board) {what}: {floor_s:.1f} s, npubench {ours_s / floor_s - 1:+.1%}")
    print("  (bound: at most +10 %)\n")


def prepare(root: Path, models: Sequence[Path]) -> dict[str, str]:
    """Lay out the emulated pair for these models below `root`; the variables that make it found."""
    board, boards, bin_ = root / "opt", root / "catalog" / "boards", root / "bin"
    tensors = root / "tensors"
    for folder in (board, boards, bin_, tensors):
        folder.mkdir(parents=True)
    shutil.copy(RUN_JOINT, board)
    (board / "run_joint.seconds").write_text(f"{BOARD_S}\n")
    shutil.copy(HERE / "waiting_pulsar", bin_ / "pulsar")
    (boards / "axera-pi.toml").write_text(BOARD.format(run_joint=board / "run_joint"))
    for model in models:
        (tensors / sha256_of_file(model)).write_text("".join(_tensors(model)))
    return {
        **os.environ,
        "PATH": f"{bin_}:{os.environ['PATH']}",
        "EMULATED_PULSAR_SECONDS": str(BUILD_S),
        "EMULATED_PULSAR_TENSORS": str(tensors),
    }


def _tensors(model: Path) -> Iterator[str]:
    """Inputs and outputs as the emulated runner prints them: npubench compares them with its model."""
    graph = onnx.load(model, load_external_data=False).graph
    for kind, values in (("input", graph.input), ("output", graph.output)):
        for value in values:
            shape = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
            dtype = helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
            yield f"{kind} {math.prod(shape) * dtype.itemsize} {shape} NHWC {dtype} {value.name}\n"


def _export(root: Path, environment: dict[str, str]) -> list[Path]:
    command = [sys.executable, "-m", "npubench", "export", "--suite", SUITE, "--out", str(root / "models")]
    _run(command, root, environment)
    return sorted((root / "models").glob("*.onnx"))


def _one_after_the_other(root: Path, models: list[Path], environment: dict[str, str]) -> tuple[float, float]:
    """Seconds of all builds and of all copies and runs."""
    builds_s = board_s = 0.0
    joint = root / "opt" / "m.joint"
    for model in models:
        work = Path(tempfile.mkdtemp(dir=root))
        (work / "config.prototxt").touch()
        started = time.perf_counter()
        words = ["--input", str(model), "--output", "m.joint", "--config", "config.prototxt"]
        _run(["pulsar", "build", *words], work, environment)
        built = time.perf_counter()
        shutil.copy(work / "m.joint", joint)
        _run([str(root / "opt" / "run_joint"), str(joint), "--repeat", "64"], work, environment)
        builds_s += built - started
        board_s += time.perf_counter() - built
    return builds_s, board_s


def words(root: Path) -> list[str]:
    """Arguments of npubench for the whole suite on the pair below `root`."""
    return [
        *("run", "--board", "axera-pi", "--suite", SUITE, "--catalog", str(root / "catalog")),
        *("--min-duration", "0", "--rounds", "1", "--calibration-samples", "1", "--quiet"),
        *("--jobs", str(WORKERS), "--out", str(root / "out")),
    ]


def _measured(root: Path, environment: dict[str, str]) -> int:
    command = [sys.executable, "-m", "npubench", "results", "--json", "--out", str(root / "out")]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
    return sum(row["kind"] == "measured" for row in json.loads(done.stdout))


def _run(argv: list[str], cwd: Path, environment: dict[str, str]) -> None:
    subprocess.run(argv, cwd=cwd, env=environment, stdout=subprocess.DEVNULL, check=True)


if __name__ == "__main__":
    main()
