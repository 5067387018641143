"""`pulsar2 run`: the compiled model executed on the build host, its outputs against FP32's.

Formats: Pulsar 2 documentation. A tensor's file is its name with all but letters, digits, `_` and `-`
replaced, and `.bin`; a sample is a folder, and a list names the folders.
"""

import json
import math
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from npubench.backends.axera import job_files
from npubench.backends.axera.base import Work, outcome_of
from npubench.domain.records import Completed, Failure, FailureClass, OnnxModel, Stage
from npubench.domain.specs import Preprocessing, Target
from npubench.measure.calibration import evaluation_inputs
from npubench.measure.onnx_session import open_session
from npubench.measure.outputs import similarity, top1_agreement, with_samples
from npubench.storage.files import open_regular, text_named, write_new
from npubench.tools import process
from npubench.tools.logs import (
    DamagedError,
    Field,
    need,
    not_whole,
    note_line,
    put_once,
    reading,
    whole_lines,
    whole_lines_and_rest,
)
from npubench.tools.worker_protocol import Worker, ask_module, serve

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]


SAMPLES = 2
"""Of the evaluation set: each takes the simulator seconds and more."""
INPUTS, OUTPUTS, LIST = "sim_inputs", "sim_outputs", "sim_list.txt"
RUN_LOG = "simulated_run.log"
ANSWER = "simulated_run.json"
REFERENCE = "reference"
WORKER = "npubench.backends.axera.pulsar2_run"
_PREFIX = r"\s*(?:.*\| (?:DEBUG|INFO|WARNING|SUCCESS) +\| [\w.<>]+:[\w<>]+:[0-9]+ - )?"
_EDGE = re.compile(rf"{_PREFIX}>>> \[(.+)\] (start|finish)\s*")
_WRITTEN = re.compile(rf"{_PREFIX}write \[(.+)\] to \[(.+)\] successfully(?:, size: ([0-9]{{1,15}}))?\s*")
_KNOWN = re.compile(r">>> \[|write \[.*successfully")
_ESCAPED = re.compile(r"[^a-zA-Z0-9_-]")


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


@reading(Stage.COMPILE, "pulsar2 run")
def parse_run(text: str) -> Mapping[str, Mapping[str, dict[str, Any]]]:
    """Path and bytes (None where not told) of each sample's outputs by name; UNPARSED_OUTPUT when damaged.

    A sample whose end is not told has none where its beginning is: the next lines may have been lost.
    """
    samples: dict[str, dict[str, dict[str, Any]]] = {}
    current: str | None = None
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
            written = {"path": match[2], "bytes": int(match[3]) if match[3] else None}
            put_once(samples[current], match[1], written)
        elif _KNOWN.search(line):
            raise not_whole(line)
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


def simulate(argv: list[str], work: Work) -> str:
    """Run the compiled model and compare; what became of it in a line. The figures lie in ANSWER."""
    model, workdir = work.model, work.workdir
    completed = work.run(argv)
    write_new(workdir / RUN_LOG, completed.output)
    if (outcome := outcome_of(completed)) != "done":
        return outcome
    work.bench.collect()
    written = parse_run(completed.output)
    if isinstance(written, Failure):
        return written.message
    count = len((workdir / LIST).read_text(encoding="ascii").split())
    for number in range(count):
        missing = [t.name for t in model.outputs if t.name not in written.get(str(number), {})]
        if missing:
            return f"wrote no output {missing[0]} of sample {number}"
    job = {
        "step": "compare",
        "folder": str(workdir.absolute()),
        "model": str(model.path.absolute()),
        "samples": count,
        "inputs": [tensor.name for tensor in model.inputs],
        "outputs": [[t.name, list(t.shape), t.dtype, file_name(t.name)] for t in model.outputs],
        "classification": model.task == "classification",
    }

    def start(command: list[str]) -> Completed:
        return process.run(command, timeout_s=work.left_s(), log=work.log)

    answer = ask_module(WORKER, Worker("the comparison with FP32", Stage.COMPILE), job, start)
    if isinstance(answer, Failure):
        return "done, but FP32's outputs could not be computed to compare with: see the log"
    if "error" in answer:
        # Whatever ONNX Runtime raises: the artifact is none the worse.
        error = answer["error"]
        line = next(iter(error["text"].splitlines()), "")
        answer = {"why": f"{error['type']}: {line}"[:300]}
    write_new(workdir / ANSWER, json.dumps(answer))
    return "done" if answer.get("accuracy") else f"done, not compared: {answer.get('why')}"


def answer_of(files: Sequence[Path]) -> dict[str, Any]:
    """What `simulate` found, from the files kept with the artifact; empty where it did not compare."""
    found: dict[str, Any] = json.loads(text_named(files, ANSWER) or "{}")
    return found


def _forms(array: "Array", picture: Preprocessing | None) -> "tuple[Array, Array]":
    """A sample as the compiled model takes it, and as the ONNX model does: the same picture in both."""
    import numpy as np

    if picture is None:
        return array, array
    rgb = job_files.pixels(array, picture)
    own = rgb[:, :, ::-1] if picture.color == "bgr" else rgb
    floats = (own.astype(np.float64) - np.asarray(picture.mean)) / np.asarray(picture.std)
    ordered = floats.transpose(2, 0, 1) if picture.layout == "nchw" else floats
    return own[np.newaxis], ordered[np.newaxis].astype(array.dtype)


MEDIAN = "50%"
_MS = r"([0-9]{1,9}\.[0-9]{3})"
_TIMES = re.compile(
    rf"\s*min =\s*{_MS} ms\s+max =\s*{_MS} ms\s+avg =\s*{_MS} ms(?:\s+median =\s*{_MS} ms)?\s*"
)
_SHARE = re.compile(rf"([1-9][0-9]?(?:\.[0-9]{{1,2}})?)% =\s*{_MS} ms(?:\s+|$)")
_COUNTS = {
    "warmup": re.compile(r"\s*warmup: ([0-9]{1,9})"),
    "repeat": re.compile(r"\s*repeat: ([0-9]{1,9})"),
    "cmm size": re.compile(r"\s*cmm size: ([0-9]{1,12}) Bytes\s*"),
}
_TEXTS = {
    "model": re.compile(r"\s*model: (.+)"),
    "type": re.compile(r"\s*type: (.+)"),
    "vnpu": re.compile(r"\s*vnpu: (.+)"),
    "affinity": re.compile(r"\s*affinity: (0b[01]+)"),
    "batch": re.compile(r"\s*batch: (.+)"),
    "parallel": re.compile(r"\s*parallel: (true|false)"),
    "sleep": re.compile(r"\s*sleep: ([0-9]+ms)"),
    "shape_groups": re.compile(r"\s*shape groups: ([0-9]+/[0-9]+)"),
    "pulsar2_version": re.compile(r"\s*pulsar2 ver: (.+)"),
    "engine_version": re.compile(r"\s*engine ver: (.+)"),
    "axclrt_version": re.compile(r"\s*axclrt ver: (.+)"),
    "tool_version": re.compile(r"\s*tool ver: (.+)"),
}
_FIELDS: dict[str, Field] = {
    **{key: (pattern, lambda line: int(line[1])) for key, pattern in _COUNTS.items()},
    **{key: (pattern, lambda line: line[1].strip()) for key, pattern in _TEXTS.items()},
}
_ENDS_OPEN = re.compile(r"\s*(?:warmup|repeat):")
_FOLLOWS = re.compile(r"\s*(?:$|[A-Za-z][A-Za-z0-9 ]*:|-{3,}|min = )")
_KNOWN_OF_RUNNER = re.compile(r"\s*(?:(?:min|max|avg|median)\b|warmup:|repeat:|cmm size:)|.*[0-9] ?% ?=")


@dataclass(frozen=True, slots=True)
class AxRunModel:
    """One call of a runner: times in us over `repeat` runs (1 where it is not printed).

    `percentiles_us` are the runner's own, by percent, the median among them as 50; none from older ones.
    """

    min_us: float
    max_us: float
    mean_us: float
    repeat: int
    warmup: int | None = None
    cmm_bytes: int | None = None
    texts: dict[str, str] = field(default_factory=dict)
    percentiles_us: Mapping[float, float] = field(default_factory=dict)

    @property
    def by_card(self) -> bool:
        """Whether a card's runner printed it: axcl_run_model counts the device's time alone."""
        return "axclrt_version" in self.texts


def wrong_repeat(call: AxRunModel, asked: int) -> Failure | None:
    """The failure of a printout over other runs than were asked for: it is of another call."""
    if call.repeat == asked:
        return None
    message = f"the runner tells of {call.repeat} run(s), where {asked} were asked for"
    return Failure(Stage.MEASURE, FailureClass.UNPARSED_OUTPUT, message)


@reading(Stage.MEASURE, "ax_run_model")
def parse_ax_run_model(text: str) -> AxRunModel:
    """The figures of one or several equal printouts; UNPARSED_OUTPUT for anything doubtful."""
    lines, rest = whole_lines_and_rest(text)
    # Of a line that may have been cut, its closing unit shows that it was not.
    lines += [rest] if rest.endswith(" ms") else []
    found: dict[str, Any] = {}
    for line, following in zip(lines, [*lines[1:], ""], strict=False):
        if _ENDS_OPEN.match(line) and not _FOLLOWS.match(following):
            raise DamagedError(f"the line {line.strip()[:80]!r} breaks off")
        if not _note(line, found) and _KNOWN_OF_RUNNER.match(line):
            raise not_whole(line)
    low, high, mean = need(found, "min max avg")
    percentiles = {float(key[:-1]): ms for key, ms in found.items() if key.endswith("%")}
    _check(low, high, mean, percentiles)
    repeat = found.get("repeat")
    if repeat == 0 or (repeat == 1 and low != high):
        raise DamagedError(f"min {low} and max {high} ms of {repeat} run(s)")
    return AxRunModel(
        min_us=_us(low),
        max_us=_us(high),
        mean_us=_us(mean),
        repeat=repeat or 1,
        warmup=found.get("warmup"),
        cmm_bytes=found.get("cmm size"),
        texts={key: found[key] for key in _TEXTS if key in found},
        percentiles_us={percent: _us(percentiles[percent]) for percent in sorted(percentiles)},
    )


def _check(low: float, high: float, mean: float, percentiles: Mapping[float, float]) -> None:
    if not 0 < low <= mean <= high:
        raise DamagedError(f"min {low}, avg {mean} and max {high} ms contradict each other")
    rising = [("min", low), *((f"{p:g}%", percentiles[p]) for p in sorted(percentiles)), ("max", high)]
    for (name, value), (next_name, next_value) in pairwise(rising):
        if value > next_value:
            raise DamagedError(f"{name} {value} ms is above {next_name} {next_value} ms")


def _us(ms: float) -> float:
    return round(ms * 1000, 3)


def _note(line: str, found: dict[str, Any]) -> bool:
    if match := _TIMES.fullmatch(line):
        put_once(found, "min max avg", tuple(map(float, match.groups()[:3])))
        if match[4] is not None:
            put_once(found, MEDIAN, float(match[4]))
        return True
    shares = [(float(one[1]), float(one[2])) for one in _SHARE.finditer(line)]
    if shares and not _SHARE.sub("", line).strip():
        if any(first >= second for (first, _), (second, _) in pairwise(shares)):
            raise DamagedError(f"the percentiles of {line.strip()[:80]!r} are out of order")
        for percent, ms in shares:
            put_once(found, f"{percent:g}%", ms)
        return True
    return note_line(line, _FIELDS, found)


def compare(job: dict[str, Any]) -> dict[str, Any]:
    """The worker's step: how near the tool's outputs come to FP32's, or why that is unknown."""
    import numpy as np

    folder, session = Path(job["folder"]), open_session(Path(job["model"]))
    ours: list[list[Any]] = []
    theirs: list[list[Any]] = []
    for number in range(job["samples"]):
        with np.load(folder / f"{REFERENCE}-{number}.npz", allow_pickle=False) as arrays:
            feeds = dict(zip(job["inputs"], (arrays[name] for name in arrays.files), strict=True))
        names = [name for name, *_ in job["outputs"]]
        theirs.append(session.run(names, feeds))
        ours.append([])
        for (name, _, _, file), expected in zip(job["outputs"], theirs[-1], strict=True):
            with open_regular(folder / OUTPUTS / str(number) / file) as stream:
                data = stream.read()
            found = _array(data, expected)
            if found is None:
                shape = list(expected.shape)
                return {"why": f"output {name} has {len(data)} bytes, which is no {expected.dtype} {shape}"}
            ours[-1].append(found)
    found = similarity(ours, theirs, names=[name for name, *_ in job["outputs"]])
    if found.wrong:
        return {"wrong": found.wrong, "why": found.wrong}
    agreement = top1_agreement(ours, theirs) if job["classification"] else None
    return {**with_samples(found, agreement, job["samples"]).as_answer(), "why": found.why}


def _array(data: bytes, expected: Any) -> Any:
    """The bytes in the reference's type, or as float32, which the tool gives quantised outputs back in."""
    import numpy as np

    count = math.prod(expected.shape)
    for dtype in dict.fromkeys((expected.dtype, np.dtype(np.float32))):
        if len(data) == count * dtype.itemsize:
            return np.frombuffer(data, dtype).reshape(expected.shape)
    return None


if __name__ == "__main__":
    serve({"compare": compare}, *sys.argv[1:])
