"""The exporter on npubench's side: the environment at first use, a job for the worker, its answer."""

import atexit
import json
import os
import re
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from npubench.domain.errors import NpubenchError
from npubench.domain.records import SAME_NETWORK, Completed, Failure, FailureClass, OnnxModel, Stage
from npubench.domain.specs import CaseSpec, ClipSampling, ModelSpec, Preprocessing
from npubench.exporters.openmmlab.codebases import CODEBASES, FULL, codebase_of, config_files, installed
from npubench.graph.read import describe
from npubench.storage.hashing import digest, sha256_of_file
from npubench.tools import environments, process
from npubench.tools.environments import installer
from npubench.tools.kept import Pool
from npubench.tools.standalone import fork_server
from npubench.tools.worker_protocol import ANSWER, Worker, ask

WORKER = Path(__file__).with_name("worker.py")
SERVER = WORKER.with_name("worker_server.py")
TOOL = Worker("the exporter", Stage.EXPORT, "from outside")
DEADLINE_S = 600.0
MEMORY_LIMIT_BYTES = 16 * 2**30
"""Of address space, of which PyTorch alone takes some GiB; the largest classifier here needs 9 GiB."""

IDENTIFY = "identify"
WEIGHTS = {
    "random": "seeded random numbers",
    "started": "those that PyTorch starts from; with seeded ones rounding alone changed the outputs",
    "auto": "OpenMMLab's own",
}

_pool = Pool(max(2, os.cpu_count() or 2))
"""Of all codebases: each server holds an imported PyTorch."""
end_idle = atexit.register(_pool.end_idle)
_making = threading.Lock()
_not_made: dict[Path, Failure] = {}
"""Why an environment could not be made: told for every model, tried once a process."""


class OpenMMLabExporter:
    """Exporter of `ModelSpec`. `say` hears why the first export takes a minute longer."""

    def __init__(
        self, say: Callable[[str], None] = lambda _line: None, deadline_s: float = DEADLINE_S
    ) -> None:
        self._say = say
        self._deadline_s = deadline_s

    def version(self, spec: CaseSpec) -> str:
        """Pins of the environment, the worker's text, and the content of a checkpoint or config file."""
        model = _model_spec(spec)
        given = [*config_files(Path(model.config))] if model.config.endswith(".py") else []
        if Path(model.weights).is_file():
            given.append(Path(model.weights))
        return digest(_tooling(_codebase(model)), [sha256_of_file(path) for path in given])

    def network(self, spec: CaseSpec, workdir: Path, log: Path) -> str:
        """Digest of what decides the file, where the codebase can tell it. What it says goes to `workdir`."""
        model = _model_spec(spec)
        answer = self._work(IDENTIFY, model, workdir, log)
        if isinstance(answer, Failure) or not answer["network"]:
            return ""
        return digest(answer["network"], _tooling(_codebase(model)))

    def twin(self, spec: CaseSpec, made: OnnxModel, workdir: Path) -> OnnxModel:
        """What `export` gives for `spec`, from another model of the same network."""
        model = _model_spec(spec)
        described = json.loads((workdir / IDENTIFY / ANSWER).read_text(encoding="utf-8"))["described"]
        exported = {SAME_NETWORK: made.case, **made.exported}
        return replace(made, case=model.name, exported=exported, **_said(model, described))

    def export(self, spec: CaseSpec, workdir: Path, log: Path) -> OnnxModel | Failure:
        """Write `workdir/model.onnx`: one input of fixed shape, logits, checked against PyTorch."""
        model = _model_spec(spec)
        outcome = self._work("export", model, workdir, log)
        if isinstance(outcome, Failure):
            return outcome
        made = describe(
            workdir / "model.onnx",
            model.name,
            tools=outcome["tools"],
            seed=model.seed if model.weights == "random" else None,
            **_said(model, outcome["described"]),
        )
        return made if isinstance(made, Failure) else replace(made, exported=_exported(model, outcome))

    def _work(self, step: str, model: ModelSpec, workdir: Path, log: Path) -> dict[str, Any] | Failure:
        """The worker's answer for a step, which stays below `workdir`."""
        codebase = _codebase(model)
        environment = _environment(codebase, self._say)
        if isinstance(environment, Failure):
            return environment
        python, limit = environment.python, MEMORY_LIMIT_BYTES
        folder = workdir / step
        folder.mkdir(exist_ok=True)
        outcome = ask(
            TOOL,
            {"step": step, **_job(model, codebase, workdir / "model.onnx")},
            folder,
            lambda job, answer: run(python, codebase, job, answer, log, self._deadline_s, limit),
        )
        if isinstance(outcome, Failure):
            return outcome
        if error := outcome.get("error"):
            words, operators = error["message"], tuple(error["operators"])
            return Failure(Stage.EXPORT, FailureClass(error["class"]), words, operators, error["detail"])
        with log.open("a", encoding="utf-8") as stream:
            stream.write(f"{json.dumps(outcome)}\n")
        return outcome


def _said(model: ModelSpec, described: dict[str, Any]) -> dict[str, Any]:
    """Task and preprocessing: the catalogue's, else the config's."""
    return {
        "task": model.task or described["task"],
        "preprocessing": model.preprocessing or _preprocessing(described),
    }


def run(
    python: Path, codebase: str, job: Path, answer: Path, log: Path, timeout_s: float, memory_limit_bytes: int
) -> Completed:
    """Do the job of one file in the environment of `python`, in a fork of a process that keeps its imports.

    It is ended at the deadline.

    Raises Interrupted after `process.stop()`, OSError when the interpreter cannot be started.
    """
    started = time.monotonic()
    request = {
        "job": str(job.absolute()),
        "answer": str(answer.absolute()),
        "log": str(log.absolute()),
        "folder": str(job.parent.absolute()),
        "memory_limit_bytes": memory_limit_bytes,
    }
    argv = (str(python), "-I", str(fork_server.__file__), str(SERVER), codebase)
    returncode, timed_out = _pool.do(argv, request, timeout_s, env=process.KEEP_MEMORY)
    duration_s = time.monotonic() - started
    return Completed(argv, -9 if returncode is None else returncode, "", duration_s, timed_out)


def _exported(model: ModelSpec, outcome: dict[str, Any]) -> dict[str, str]:
    error, tolerance = outcome["max_relative_error"], outcome["tolerance"]
    part = {"part": model.exports} if model.exports else {}
    return {
        **part,
        "weights": WEIGHTS.get(outcome["weights"], f"of {Path(model.weights).name}"),
        "difference": f"{error:.2g} of PyTorch's largest output (at most {tolerance:g})",
    }


def _codebase(model: ModelSpec) -> str:
    return model.codebase or codebase_of(Path(model.config))


def _environment(codebase: str, say: Callable[[str], None]) -> environments.Installed | Failure:
    if codebase not in CODEBASES:
        message = f"there is no codebase {codebase!r}: npubench exports {', '.join(CODEBASES)}"
        return _failure(FailureClass.NOT_FOUND, message)
    if ready := installed(codebase):
        return ready
    name = CODEBASES[codebase][0]
    if name == FULL:
        # Ten minutes of compiling are nothing to start unasked.
        message = f"{codebase} needs the full environment: npubench env install openmmlab --full"
        return _failure(FailureClass.TOOL_MISSING, message)
    place = environments.folder(name)
    with _making:
        if place in _not_made:
            return _not_made[place]
        size = environments.spec(name).size_bytes / 1e9
        say(f"making the environment {name}, once: {size:.1f} GB, about a minute")
        try:
            return installer.install(name, say)
        except NpubenchError as error:
            _not_made[place] = _failure(FailureClass.TOOL_MISSING, str(error))
            return _not_made[place]


def _job(model: ModelSpec, codebase: str, output: Path) -> dict[str, Any]:
    config = Path(model.config).absolute() if model.config.endswith(".py") else model.config
    is_file = model.weights not in {"random", "auto"}
    return {
        "codebase": codebase,
        "config": str(config),
        "weights": str(Path(model.weights).absolute()) if is_file else model.weights,
        "seed": model.seed,
        "input": model.inputs[0].name if model.inputs else "input",
        "shape": list(model.inputs[0].shape) if model.inputs else [],
        "opset": model.opset,
        "output": str(output.absolute()),
        # In the user's folder it lies beside other models' files.
        "data": f"{re.sub(r'[^A-Za-z0-9_.-]', '_', model.name)}.onnx.data",
    }


def _preprocessing(described: dict[str, Any]) -> Preprocessing | None:
    """What the config itself says, for a model without an entry in the catalogue."""
    if not described["mean"]:
        return None
    clip = ClipSampling(**described["clip"]) if described["clip"] else None
    return Preprocessing(tuple(described["mean"]), tuple(described["std"]), described["color"], "nchw", clip)


@cache
def _tooling(codebase: str) -> str:
    """Pins and the text of what runs."""
    workers = sorted(WORKER.parent.glob("worker*.py"))
    name = CODEBASES.get(codebase, (FULL,))[0]
    return digest(environments.spec(name).pins, [sha256_of_file(file) for file in workers])


def _model_spec(spec: CaseSpec) -> ModelSpec:
    if not isinstance(spec, ModelSpec):
        raise TypeError(f"{type(spec).__name__} is not a model")
    return spec


def _failure(failure_class: FailureClass, message: str) -> Failure:
    return Failure(Stage.EXPORT, failure_class, message)
