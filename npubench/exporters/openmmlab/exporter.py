"""The exporter on npubench's side: the environment at first use, a job for the worker, its answer."""

import json
import signal
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from npubench import environments, process
from npubench.errors import NpubenchError
from npubench.identity import digest, sha256_of_file
from npubench.onnx_model import describe
from npubench.records import Completed, Failure, FailureClass, OnnxModel, Stage
from npubench.specs import CaseSpec, ModelSpec

ENVIRONMENT = "openmmlab"
WORKER = Path(__file__).with_name("worker.py")
DEADLINE_S = 900.0
MEMORY_LIMIT_BYTES = 16 * 2**30
THREADS = 2
"""A fixed number: sums in another order would be other bytes, and another model."""


def _tell_log_only(_line: str) -> None:
    """The default listener: an installation is in its own log anyway."""


class OpenMMLabExporter:
    """Exporter of `ModelSpec`. `say` hears why the first export takes a minute longer."""

    def __init__(self, say: Callable[[str], None] = _tell_log_only) -> None:
        self._say = say

    def version(self, spec: CaseSpec) -> str:
        """Pins of the environment, the worker's text, and the content of a checkpoint or config file."""
        model = _model_spec(spec)
        given = [Path(text) for text in (model.weights, model.config) if Path(text).is_file()]
        return digest(_tooling(), [sha256_of_file(path) for path in given])

    def export(self, spec: CaseSpec, workdir: Path, log: Path) -> OnnxModel | Failure:
        """Write `workdir/model.onnx`: one fixed-shape input, raw logits, checked against PyTorch."""
        model = _model_spec(spec)
        try:
            environment = environments.install(ENVIRONMENT, self._say)
        except NpubenchError as error:
            return _failure(FailureClass.TOOL_MISSING, str(error))
        job, answer = workdir / "job.json", workdir / "answer.json"
        job.write_text(json.dumps(_job(model, workdir / "model.onnx")))
        done = process.run(
            [str(environment.python), str(WORKER), str(job), str(answer)],
            timeout_s=DEADLINE_S,
            log=log,
            cwd=workdir,
            env={"OMP_NUM_THREADS": str(THREADS), "PYTHONPATH": ""},
            memory_limit_bytes=MEMORY_LIMIT_BYTES,
        )
        outcome = _answer(done, answer)
        if isinstance(outcome, Failure):
            return outcome
        return describe(
            workdir / "model.onnx",
            model.name,
            task=model.task,
            preprocessing=model.preprocessing,
            tools=outcome["tools"],
            seed=model.seed if model.weights == "random" else None,
        )


def _job(model: ModelSpec, output: Path) -> dict[str, Any]:
    (tensor,) = model.inputs
    return {
        "config": model.config,
        "weights": model.weights,
        "seed": model.seed,
        "input": tensor.name,
        "shape": list(tensor.shape),
        "opset": model.opset,
        "threads": THREADS,
        "output": str(output),
    }


def _answer(done: Completed, path: Path) -> dict[str, Any] | Failure:
    if done.timed_out:
        return _failure(FailureClass.HANG, f"no end after {done.duration_s:.0f} s: ended at the deadline")
    try:
        answer: dict[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError):
        return _ended_without_answer(done)
    if "error" in answer:
        error = answer["error"]
        operators = tuple(error["operators"])
        return Failure(
            Stage.EXPORT, FailureClass(error["class"]), error["message"], operators, error["traceback"]
        )
    return answer


def _ended_without_answer(done: Completed) -> Failure:
    if done.returncode == -signal.SIGKILL:
        return _failure(FailureClass.OUT_OF_MEMORY, "the exporter was killed, most likely for lack of memory")
    if done.returncode < 0:
        return _failure(
            FailureClass.CRASH, f"the exporter crashed with {signal.Signals(-done.returncode).name}"
        )
    message = f"the exporter ended with code {done.returncode} and no answer: see the log"
    return _failure(FailureClass.UNPARSED_OUTPUT, message)


@cache
def _tooling() -> str:
    return digest(environments.spec(ENVIRONMENT).pins, sha256_of_file(WORKER))


def _model_spec(spec: CaseSpec) -> ModelSpec:
    if not isinstance(spec, ModelSpec):
        raise TypeError(f"{type(spec).__name__} is not a model")
    return spec


def _failure(failure_class: FailureClass, message: str) -> Failure:
    return Failure(Stage.EXPORT, failure_class, message)
