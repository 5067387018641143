"""The exporter on npubench's side: the environment at first use, a job for the worker, its answer."""

import json
import signal
import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from npubench import environments, process
from npubench.errors import NpubenchError
from npubench.exporters.openmmlab.config_files import config_files
from npubench.identity import digest, sha256_of_file
from npubench.onnx_model import describe
from npubench.records import Completed, Failure, FailureClass, OnnxModel, Stage
from npubench.specs import CaseSpec, ModelSpec

ENVIRONMENT = "openmmlab"
WORKER = Path(__file__).with_name("worker.py")
DEADLINE_S = 600.0
MEMORY_LIMIT_BYTES = 16 * 2**30
"""Of address space, of which PyTorch alone takes some GiB; the largest classifier here needs 9 GiB."""

_making = threading.Lock()
_not_made: dict[Path, Failure] = {}
"""Why an environment could not be made: told for every model, tried once a process."""


def _nobody_listens(_line: str) -> None:
    """The default listener: an installation has a log of its own anyway."""


class OpenMMLabExporter:
    """Exporter of `ModelSpec`. `say` hears why the first export takes a minute longer."""

    def __init__(self, say: Callable[[str], None] = _nobody_listens, deadline_s: float = DEADLINE_S) -> None:
        self._say = say
        self._deadline_s = deadline_s

    def version(self, spec: CaseSpec) -> str:
        """Pins of the environment, the worker's text, and the content of a checkpoint or config file."""
        model = _model_spec(spec)
        given = [*config_files(Path(model.config))] if model.config.endswith(".py") else []
        if model.weights != "random" and Path(model.weights).is_file():
            given.append(Path(model.weights))
        return digest(_tooling(), [sha256_of_file(path) for path in given])

    def export(self, spec: CaseSpec, workdir: Path, log: Path) -> OnnxModel | Failure:
        """Write `workdir/model.onnx`: one input of fixed shape, logits, checked against PyTorch."""
        model = _model_spec(spec)
        environment = _environment(self._say)
        if isinstance(environment, Failure):
            return environment
        job, answer = workdir / "job.json", workdir / "answer.json"
        job.write_text(json.dumps(_job(model, workdir / "model.onnx")), encoding="utf-8")
        done = process.run(
            [str(environment.python), "-I", str(WORKER), str(job), str(answer)],
            timeout_s=self._deadline_s,
            log=log,
            cwd=workdir,
            memory_limit_bytes=MEMORY_LIMIT_BYTES,
        )
        outcome = read_answer(done, answer)
        if isinstance(outcome, Failure):
            return outcome
        with log.open("a", encoding="utf-8") as stream:
            stream.write(f"{json.dumps(outcome)}\n")
        return describe(
            workdir / "model.onnx",
            model.name,
            task=model.task,
            preprocessing=model.preprocessing,
            tools=outcome["tools"],
            seed=model.seed if model.weights == "random" else None,
        )


def read_answer(done: Completed, path: Path) -> dict[str, Any] | Failure:
    """The worker's answer, or the Failure that it or the way it ended means."""
    if done.timed_out:
        return _failure(
            FailureClass.HANG, f"exporting did not end within {done.duration_s:.0f} s: ended at the deadline"
        )
    try:
        answer: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return _ended_without_answer(done)
    if "error" not in answer:
        return answer
    error = answer["error"]
    return Failure(
        Stage.EXPORT,
        FailureClass(error["class"]),
        error["message"],
        tuple(error["operators"]),
        error["detail"],
    )


def _environment(say: Callable[[str], None]) -> environments.Installed | Failure:
    if ready := environments.find(ENVIRONMENT):
        return ready
    place = environments.folder(ENVIRONMENT)
    with _making:
        if place in _not_made:
            return _not_made[place]
        size = environments.spec(ENVIRONMENT).size_bytes / 1e9
        say(f"making the environment {ENVIRONMENT}, once: {size:.1f} GB, about a minute")
        try:
            return environments.install(ENVIRONMENT, say)
        except NpubenchError as error:
            _not_made[place] = _failure(FailureClass.TOOL_MISSING, str(error))
            return _not_made[place]


def _job(model: ModelSpec, output: Path) -> dict[str, Any]:
    (tensor,) = model.inputs
    config = Path(model.config).absolute() if model.config.endswith(".py") else model.config
    weights = model.weights if model.weights == "random" else Path(model.weights).absolute()
    return {
        "config": str(config),
        "weights": str(weights),
        "seed": model.seed,
        "input": tensor.name,
        "shape": list(tensor.shape),
        "opset": model.opset,
        "output": str(output.absolute()),
    }


def _ended_without_answer(done: Completed) -> Failure:
    if done.returncode == -signal.SIGKILL:
        return _failure(
            FailureClass.OUT_OF_MEMORY, "the exporter was killed from outside, most likely for lack of memory"
        )
    if done.returncode < 0:
        name = signal.Signals(-done.returncode).name
        return _failure(FailureClass.CRASH, f"the exporter crashed with {name}: see the log")
    message = f"the exporter ended with code {done.returncode} and without an answer: see the log"
    return _failure(FailureClass.UNPARSED_OUTPUT, message)


@cache
def _tooling() -> str:
    workers = sorted(WORKER.parent.glob("worker*.py"))
    return digest(environments.spec(ENVIRONMENT).pins, [sha256_of_file(file) for file in workers])


def _model_spec(spec: CaseSpec) -> ModelSpec:
    if not isinstance(spec, ModelSpec):
        raise TypeError(f"{type(spec).__name__} is not a model")
    return spec


def _failure(failure_class: FailureClass, message: str) -> Failure:
    return Failure(Stage.EXPORT, failure_class, message)
