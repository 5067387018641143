"""`pulsar2 run`: the compiled model executed on the build host, its outputs against FP32's.

Formats: Pulsar 2 documentation. A tensor's file is its name with all but letters, digits, `_` and `-`
replaced, and `.bin`; a sample is a folder, and a list names the folders.
"""

import json
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from npubench.backends.axera import calibration_files
from npubench.backends.axera.build import Deadline
from npubench.backends.axera.lines import DamagedError, put_once, unparsed, whole_lines
from npubench.backends.axera.toolchain import Bench
from npubench.backends.onnxruntime import compare
from npubench.domain.records import Accuracy, Failure, OnnxModel, Stage
from npubench.domain.specs import Preprocessing, Target
from npubench.measure.calibration import evaluation_inputs
from npubench.storage.files import is_regular, text_of, write_new
from npubench.tools import process

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

SAMPLES = 2
"""Of the evaluation set: each takes the simulator seconds and more."""
INPUTS, OUTPUTS, LIST = "sim_inputs", "sim_outputs", "sim_list.txt"
RUN_LOG = "simulated_run.log"
ANSWER = "simulated_run.json"
REFERENCE = "reference"
WORKER = "npubench.backends.axera.reference_worker"
_PREFIX = r"\s*(?:.*\| (?:DEBUG|INFO|WARNING|SUCCESS) +\| [\w.<>]+:[\w<>]+:[0-9]+ - )?"
_EDGE = re.compile(rf"{_PREFIX}>>> \[(.+)\] (start|finish)\s*")
_WRITTEN = re.compile(rf"{_PREFIX}write \[(.+)\] to \[(.+)\] successfully(?:, size: ([0-9]{{1,15}}))?\s*")
_KNOWN = re.compile(r">>> \[|write \[.*successfully")
_ESCAPED = re.compile(r"[^a-zA-Z0-9_-]")


@dataclass(frozen=True, slots=True)
class Written:
    """An output that the tool says it wrote; bytes where it tells them."""

    path: str
    size_bytes: int | None = None


def file_name(tensor: str) -> str:
    """The name of a tensor's file."""
    return f"{_ESCAPED.sub('_', tensor)}.bin"


def run_argv(command: str, artifact: str) -> list[str]:
    """The command line, relative to the job's folder."""
    return [
        command, "run", "--model", artifact, "--input_dir", INPUTS, "--output_dir", OUTPUTS, "--list", LIST
    ]  # fmt: skip


def tells(line: str) -> bool:
    """Whether a line is one of those that tell of a sample or of an output."""
    return bool(_EDGE.fullmatch(line) or _WRITTEN.fullmatch(line))


def parse_run(text: str) -> Mapping[str, Mapping[str, Written]] | Failure:
    """The outputs of each sample by name, as the tool says it wrote them; UNPARSED_OUTPUT when damaged.

    A sample whose end is not told has none where its beginning is: the next lines may have been lost.
    """
    samples: dict[str, dict[str, Written]] = {}
    current: str | None = None
    try:
        for line in whole_lines(text):
            if (match := _EDGE.fullmatch(line)) and match[2] == "start":
                current = match[1]
                if current in samples:
                    raise DamagedError(f"sample {current[:40]} begins twice")
                samples[current] = {}
            elif match:
                if match[1] != current:
                    raise DamagedError(f"sample {match[1][:40]} ends without a beginning")
                current = None
            elif match := _WRITTEN.fullmatch(line):
                if current is None:
                    raise DamagedError(f"output {match[1][:40]} is of no sample")
                put_once(samples[current], match[1], Written(match[2], int(match[3]) if match[3] else None))
            elif _KNOWN.search(line):
                raise DamagedError(f"the line {line.strip()[:80]!r} is not whole")
    except DamagedError as damage:
        return unparsed(Stage.COMPILE, "pulsar2 run", str(damage), text)
    return samples


def lay_out(model: OnnxModel, target: Target, pictures: bool, workdir: Path) -> str | None:
    """Put samples into the folder: the tool's, and FP32's beside them. Why there are none, else None."""
    import numpy as np

    names = [file_name(tensor.name) for tensor in model.inputs]
    if len(set(names)) < len(names) or len({file_name(t.name) for t in model.outputs}) < len(model.outputs):
        return "not done: two tensors of this model have one file name"
    samples = evaluation_inputs(model.fed, target.calibration)[:SAMPLES]
    picture = model.preprocessing if pictures else None
    for number, sample in enumerate(samples):
        folder = workdir / INPUTS / str(number)
        folder.mkdir(parents=True)
        (workdir / OUTPUTS / str(number)).mkdir(parents=True)
        floats: dict[str, Array] = {}
        for tensor, name in zip(model.inputs, names, strict=True):
            given, floats[tensor.name] = _forms(sample[tensor.name], picture)
            (folder / name).write_bytes(np.ascontiguousarray(given).tobytes())
        # Positions, for a name may be one of numpy's own arguments.
        np.savez(workdir / f"{REFERENCE}-{number}.npz", *floats.values())
    (workdir / LIST).write_text("".join(f"{number}\n" for number in range(len(samples))), encoding="ascii")
    return None


def simulate(
    model: OnnxModel, argv: list[str], bench: Bench, workdir: Path, deadline: Deadline, log: Path
) -> str:
    """Run the compiled model and compare; what became of it in a line. The figures lie in ANSWER."""
    completed = bench.run(argv, deadline.left(), log)
    write_new(workdir / RUN_LOG, completed.output)
    if completed.timed_out:
        return "did not end in time"
    if completed.returncode != 0:
        return f"failed with exit code {completed.returncode}"
    bench.collect()
    told = parse_run(completed.output)
    if isinstance(told, Failure):
        return told.message
    count = len((workdir / LIST).read_text(encoding="ascii").split())
    for number in range(count):
        missing = [t.name for t in model.outputs if t.name not in told.get(str(number), {})]
        if missing:
            return f"wrote no output {missing[0]} of sample {number}"
    job = {
        "model": str(model.path),
        "samples": count,
        "inputs": [tensor.name for tensor in model.inputs],
        "outputs": [[t.name, list(t.shape), t.dtype, file_name(t.name)] for t in model.outputs],
        "classification": model.task == "classification",
    }
    write_new(workdir / "reference.json", json.dumps(job))
    argv = [sys.executable, "-m", WORKER, str(workdir)]
    done = process.run(argv, timeout_s=deadline.left(), log=log)
    if done.timed_out or not is_regular(workdir / ANSWER):
        return "done, but FP32's outputs could not be computed to compare with: see the log"
    answer = json.loads(text_of(workdir / ANSWER))
    return "done" if answer.get("accuracy") else f"done, not compared: {answer.get('why')}"


def accuracy_of(files: Sequence[Path]) -> Accuracy | None:
    """The accuracy that `simulate` found, from the files kept with the artifact."""
    return compare.accuracy_of(answer_of(files))


def answer_of(files: Sequence[Path]) -> dict[str, Any]:
    """What `simulate` found, from the files kept with the artifact; empty where it did not compare."""
    for path in files:
        if path.name == ANSWER and path.is_file():
            found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            return found
    return {}


def _forms(array: "Array", picture: Preprocessing | None) -> "tuple[Array, Array]":
    """A sample as the compiled model takes it, and as the ONNX model does: the same picture in both."""
    import numpy as np

    if picture is None:
        return array, array
    rgb = calibration_files.pixels(array, picture)
    own = rgb[:, :, ::-1] if picture.color == "bgr" else rgb
    floats = (own.astype(np.float64) - np.asarray(picture.mean)) / np.asarray(picture.std)
    ordered = floats.transpose(2, 0, 1) if picture.layout == "nchw" else floats
    return own[np.newaxis], ordered[np.newaxis].astype(array.dtype)
