"""A backend whose tool has an environment of its own: one job, one worker, one answer, one artifact."""

import contextlib
import json
import os
import re
import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Self

from npubench.backends.isolated import data as files
from npubench.backends.isolated.data import compared, in_model_order, resolution
from npubench.backends.options import check_known, text
from npubench.backends.signature import EXACT, Tolerance, converted, signature_of, unfed
from npubench.domain.figures import Figures, OutputResolution
from npubench.domain.protocols import Connect, OpenHost, Session
from npubench.domain.records import (
    Artifact,
    Completed,
    Failure,
    FailureClass,
    OnnxModel,
    Predictions,
    Stage,
    ToolInfo,
)
from npubench.domain.specs import Options, Precision, Target, TimingProtocol
from npubench.measure.calibration import calibration_digest
from npubench.measure.outputs import accuracy_of, no_accuracy_of
from npubench.storage.files import (
    is_regular,
    link_or_copy,
    open_regular,
    text_if_any,
    text_named,
    text_of,
    write_new,
)
from npubench.storage.hashing import sha256_of_bundle
from npubench.storage.json import convert
from npubench.tools import environments, process, standalone
from npubench.tools.process import killed
from npubench.tools.worker_protocol import ANSWER, Answer, Worker, ask

MODEL = "model.onnx"

TOOL_LOG = "tool.log"
STEP_FILE = "step.txt"
BUILT_FILE = "built.json"
NOT_SIMULATED = "not_simulated"
"""In an answer, and among an artifact's settings: why the tool's simulation of it did not end."""
_CHILD_KILLED = re.compile(r"ended with code -9\b")
"""What workers say of a command of the tool that SIGKILL ended."""
MEMORY_LIMIT_BYTES = 24 * 2**30
"""Of address space. Compilers map far more than they use."""


def run_worker(
    tool: str, python: Path, script: Path, job: Mapping[str, Any], workdir: Path, log: Path, deadline_s: float
) -> Answer | Failure:
    """The answer of a worker in the tool's environment, or why there is none. Raises Interrupted.

    The tool works in `workdir`, keeps its scratch files there, too, and all that it says is in
    `workdir/tool.log` and appended to `log`. An artifact that was whole before its simulation crashed or hung
    has an answer, which says why nothing was simulated.
    """
    for folder in ("tmp", "home"):
        (workdir / folder).mkdir(exist_ok=True)
    environment = {
        **process.KEEP_MEMORY,
        "TMPDIR": str(workdir / "tmp"),
        "HOME": str(workdir / "home"),
        "NPUBENCH_WORKER_FRAME": str(Path(standalone.__file__).parent),
        # Tools call each other by name.
        "PATH": f"{python.parent}{os.pathsep}{os.environ.get('PATH', '')}",
    }
    done: list[Completed] = []

    def start(question: Path, reply: Path) -> Completed:
        done.append(
            process.run(
                [str(python), "-I", str(script), str(question), str(reply)],
                timeout_s=deadline_s, log=workdir / TOOL_LOG, cwd=workdir, env=environment,
                memory_limit_bytes=MEMORY_LIMIT_BYTES,
            )
        )  # fmt: skip
        return done[0]

    def step() -> str:
        return text_if_any(workdir / STEP_FILE)

    try:
        answer = ask(Worker(tool, Stage.COMPILE), job, workdir, start, step)
    except OSError as error:
        message = f"{python} cannot be started: {error.strerror}: npubench env install {tool}"
        return Failure(Stage.COMPILE, FailureClass.TOOL_MISSING, message)
    finally:
        with contextlib.suppress(OSError), open_regular(workdir / TOOL_LOG) as said, log.open("ab") as stream:
            shutil.copyfileobj(said, stream)
    if not isinstance(answer, Failure) and _CHILD_KILLED.search(str(answer.get("error", {}).get("text", ""))):
        answer = killed(Stage.COMPILE, tool, done[0], f"here while it was at {step()}" if step() else "here")
    return _without_simulation(answer, workdir) if isinstance(answer, Failure) else answer


def _without_simulation(failure: Failure, workdir: Path) -> Answer | Failure:
    try:
        answer: Answer = json.loads(text_of(workdir / BUILT_FILE))
    except (OSError, ValueError):
        return failure
    return {**answer, NOT_SIMULATED: failure.message}


class IsolatedBackend(ABC):
    """What these backends share; a subclass says what its job is and what the answer means.

    `environment` is the one that is used unless a board names another version of the tool
    (`backend_options.environment`); `known` are the options that a board may set besides.
    """

    name: ClassVar[str]
    environment: ClassVar[str]
    worker: ClassVar[Path]
    precisions: ClassVar[tuple[Precision, ...]] = (Precision.INT8,)
    known: ClassVar[tuple[str, ...]] = ()
    tolerance: ClassVar[Tolerance] = EXACT
    evaluated: ClassVar[int] = 4
    """Samples on which the prepared model is compared: simulators take up to seconds for one."""

    def __init__(self, options: Options | None = None) -> None:
        self._options = options or {}

    def configured(self, options: Options, open_host: OpenHost) -> Self:
        """This backend for a board with these options. Raises UsageError for unknown ones."""
        check_known(options, ("environment", *self.known))
        return type(self)(options)

    def probe(self) -> ToolInfo:
        """Versions in the environment, or the command that makes it; starts no process."""
        name = self._environment()
        installed = environments.find(name)
        if installed is None:
            reason = f"environment {name} is not installed"
            command = ("npubench", "env", "install", name)
            return ToolInfo(self.name, False, reason=reason, fix=" ".join(command), command=command)
        principal = environments.spec(name).principal
        versions = {package: installed.versions[package] for package in principal}
        return ToolInfo(self.name, True, {**versions, "worker": _worker_version(self.worker)})

    def compile(self, model: OnnxModel, target: Target, workdir: Path, log: Path) -> Artifact | Failure:
        """Convert, and simulate where the tool can, inside `workdir`. Raises UsageError, Interrupted."""
        if target.precision not in self.precisions:
            have = ", ".join(self.precisions)
            message = f"{self.name} prepares {have} only: ask for --precision {have.partition(',')[0]}"
            return Failure(Stage.COMPILE, FailureClass.UNSUPPORTED_ATTRIBUTE, message)
        data = (
            self._missing(Stage.COMPILE)
            or unfed(model, self.name)
            or files.lay_out(model, target.calibration, self.evaluated, workdir)
        )
        if isinstance(data, Failure):
            return data
        asked = self.job(model, target)
        answer = self._ask(model, {**data.files, **asked}, target.deadline_s, workdir, log)
        if isinstance(answer, Failure):
            return answer
        tool_output = text_if_any(workdir / TOOL_LOG)
        if refused := self.refused(model, target, answer, tool_output):
            return refused
        try:
            in_model_order(answer, model.outputs)
            tensors = signature_of(answer.get("tensors"))
            changed = converted(self.name, model, tensors, self.tolerance)
            made = changed or self._artifact(model, target, answer, asked, workdir)
        except OSError as error:
            # Something else lies in the place of a file that the worker named.
            message = f"{self.name} left what cannot be read: {error}"[:300]
            return Failure(Stage.COMPILE, FailureClass.UNPARSED_OUTPUT, message)
        return made if isinstance(made, Failure) else replace(made, data=data.use)

    def check(self, chip: str) -> None:
        """Raises UsageError for a board's options that cannot be used."""
        self._environment()

    @abstractmethod
    def job(self, model: OnnxModel, target: Target) -> dict[str, Any]:
        """What the worker is asked besides the model and its data. Raises UsageError."""

    @abstractmethod
    def explain(self, error: Mapping[str, Any], tool_output: str) -> Failure:
        """The failure that an exception of the tool and what it printed mean."""

    def explain_end(self, failure: Failure, tool_output: str) -> Failure:
        """The failure of a worker that did not end by itself, with what its tool printed last."""
        lines = [line.strip() for line in tool_output.splitlines() if line.strip()]
        return replace(failure, detail=lines[-1][:300]) if lines and not failure.detail else failure

    def refused(self, model: OnnxModel, target: Target, answer: Answer, tool_output: str) -> Failure | None:
        """Why an answer without an error is a failure all the same; None when it is none."""
        return None

    def estimate(self, artifact: Artifact) -> Figures | None:
        """The tool's own simulation of an artifact, with its accuracy; None where there is no answer."""
        answer = answer_of(artifact)
        figures = None if answer is None else self.simulated_figures(artifact, answer)
        return None if figures is None or answer is None else with_accuracy(figures, answer)

    def simulated_figures(self, artifact: Artifact, answer: Answer) -> Figures | None:
        """What the tool says of an artifact without a board, but for the accuracy."""
        return None

    def simulated(self, workdir: Path) -> tuple[tuple[Path, ...], ...]:
        """The simulator's outputs that `compile` left, for every sample that it evaluated."""
        text = text_if_any(workdir / ANSWER)
        found = (json.loads(text).get("outputs") if text else None) or ()
        return tuple(tuple(workdir / name for name in sample) for sample in found)

    def measure(
        self, artifact: Artifact, session: Session, timing: TimingProtocol, deadline_s: float, log: Path
    ) -> Figures | Failure:
        """No board of this backend can be measured; a subclass that can, overrides it."""
        message = f"{self.name} measures on no board: npubench run --simulate shows what its tools say"
        return Failure(Stage.MEASURE, FailureClass.TOOL_MISSING, message)

    def predict(
        self, artifact: Artifact, target: Target, inputs: Path, connect: Connect, workdir: Path, log: Path
    ) -> Predictions | Failure:
        """The simulator's outputs for a data set, where the tool has a simulator."""
        model = artifact.onnx
        data = (
            files.unfit(model)
            or self._missing(Stage.MEASURE)
            or files.lay_out_dataset(model, target.calibration, inputs, workdir)
        )
        if isinstance(data, Failure):
            return data
        job = {**data.files, **self.job(model, target)}
        answer = self._ask(model, job, target.deadline_s, workdir, log)
        if isinstance(answer, Failure):
            return answer
        in_model_order(answer, model.outputs)
        return files.predictions(self.name, answer, model, inputs, workdir)

    def _missing(self, stage: Stage) -> Failure | None:
        tool = self.probe()
        why = f"{tool.reason}: {tool.fix}"
        return None if tool.usable else Failure(stage, FailureClass.TOOL_MISSING, why)

    def _ask(
        self, model: OnnxModel, asked: Mapping[str, Any], deadline_s: float, workdir: Path, log: Path
    ) -> Answer | Failure:
        """What the worker answers about a model; a Failure where it does not, or with an error."""
        installed = environments.find(self._environment())
        assert installed is not None
        link_or_copy(model.path, workdir / MODEL)
        for file in model.external:
            beside = workdir / file.relative_to(model.path.parent)
            beside.parent.mkdir(parents=True, exist_ok=True)
            link_or_copy(file, beside)
        tensors = {
            side: [{"name": t.name, "shape": list(t.shape), "dtype": t.dtype} for t in listed]
            for side, listed in (("inputs", model.inputs), ("outputs", model.outputs))
        }
        job = {"model": MODEL, "tensors": tensors, **asked}
        answer = run_worker(self.name, installed.python, self.worker, job, workdir, log, deadline_s)
        if isinstance(answer, Failure):
            return self.explain_end(answer, text_if_any(workdir / TOOL_LOG))
        if "error" in answer:
            return self.explain(answer["error"], text_if_any(workdir / TOOL_LOG))
        return answer

    def _environment(self) -> str:
        return text(self._options, "environment", self.environment)

    def _artifact(
        self, model: OnnxModel, target: Target, answer: Answer, asked: Mapping[str, Any], workdir: Path
    ) -> Artifact | Failure:
        path = workdir / answer["artifact"]
        if not is_regular(path) or path.stat().st_size == 0:
            message = f"{self.name} ended without writing {answer['artifact']}: see the log"
            return Failure(Stage.COMPILE, FailureClass.NO_ARTIFACT, message)
        found = compared(answer, model.outputs, workdir, model.task == "classification")
        if found.wrong:
            message = f"{self.name} converted it, and {found.wrong}"
            return Failure(Stage.COMPILE, FailureClass.OUTPUT_MISMATCH, message)
        answer.update(found.as_answer())
        answer["resolution"] = resolution(answer, workdir)
        write_new(workdir / ANSWER, json.dumps(answer))
        parts = [workdir / name for name in answer.get("parts", ())]
        extras = [*parts, *(workdir / name for name in (ANSWER, TOOL_LOG, *answer.get("kept", ())))]
        # A part belongs to what runs, the rest tells how it came about.
        sha256 = sha256_of_bundle(path, parts)
        settings = {
            **asked,
            "calibration_sha256": calibration_digest(target.calibration),
            "tool_seconds": answer["seconds"],
            **({NOT_SIMULATED: answer[NOT_SIMULATED]} if NOT_SIMULATED in answer else {}),
        }
        size = sum(file.stat().st_size for file in (path, *parts))
        return Artifact(
            *(path, sha256, size, self.name, self.probe().versions, target.precision, model),
            *(settings, tuple(file for file in extras if is_regular(file)), tuple(parts)),
        )


LACKED = (
    re.compile(r"(\w+)\(-?\d+\) is not a registered function/op"),
    re.compile(r"No Op registered for (\w+)"),
    re.compile(r"In Node, \(\"[^\"]*\", (\w+), \"[^\"]*\", -?\d+\).*No opset import for domain"),
    re.compile(r"Could not find an implementation for (\w+)\("),
)
"""How ONNX and ONNX Runtime, within these tools, name an operator that they do not have."""
OUT_OF_MEMORY = re.compile(r"MemoryError|bad_alloc|Cannot allocate memory|[Oo]ut of memory")


def named(patterns: Iterable[re.Pattern[str]], text: str) -> tuple[str, ...]:
    """The operators, each once, that the first of these patterns finds that finds any."""
    return next((tuple(dict.fromkeys(found)) for one in patterns if (found := one.findall(text))), ())


def failed(
    failure_class: FailureClass, message: str, error: Mapping[str, Any], operators: tuple[str, ...] = ()
) -> Failure:
    """The failure of a conversion for what a worker raised, whose traceback is its detail."""
    return Failure(Stage.COMPILE, failure_class, message[:300], operators, str(error["traceback"]))


def first_line(error: Mapping[str, Any]) -> str:
    """The first line of what a worker's exception says."""
    return next((line.strip() for line in str(error["text"]).splitlines() if line.strip()), "without a word")


ApartBackend = IsolatedBackend
"""The name before, which plug-ins may have imported."""


def answer_of(artifact: Artifact) -> dict[str, Any] | None:
    """What the worker answered when it made the artifact."""
    text = text_named(artifact.extras, ANSWER)
    answer: Answer | None = json.loads(text) if text else None
    return answer


def tool_output_of(artifact: Artifact) -> str:
    """All that the tool printed when it made the artifact."""
    return text_named(artifact.extras, TOOL_LOG)


def with_accuracy(figures: Figures, answer: Mapping[str, Any]) -> Figures:
    """Figures with the accuracy that was found when the artifact was made, or why there is none."""
    word, why = no_accuracy_of(answer)
    return replace(figures, accuracy=accuracy_of(answer), no_accuracy=word, no_accuracy_why=why)


def resolution_of(answer: Mapping[str, Any]) -> OutputResolution | None:
    """What the step of the outputs alone costs, where the tool tells the step."""
    step = answer.get("resolution")
    return convert(step, OutputResolution) if step else None


def _worker_version(worker: Path) -> str:
    """Hash of the script and its own modules: what it asks of the tool decides the answer like the tool."""
    beside = [*worker.parent.glob("worker_*.py"), *worker.parent.glob("worker_*/*.py")]
    return sha256_of_bundle(worker, beside)[:12]
