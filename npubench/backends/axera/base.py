"""The backend that both toolchains are: one build in a folder of its own, one artifact, one owner."""

import math
import re
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar, Generic, Self, TypeVar

from npubench.backends.axera import job_files, toolchain
from npubench.backends.axera.job_files import ArrayFormat, Calibration
from npubench.backends.axera.toolchain import SHORT_S, Bench, Where, open_bench
from npubench.backends.signature import Signature, Tolerance, converted, unfed
from npubench.domain.errors import BoardError, UsageError
from npubench.domain.figures import Computed, Figures, Kind, NoAccuracy, npu_part
from npubench.domain.notes import Note, NoteCode
from npubench.domain.protocols import OpenHost, Session
from npubench.domain.records import Artifact, Completed, Failure, FailureClass, OnnxModel, Stage, ToolInfo
from npubench.domain.specs import Options, Precision, Target, TimingProtocol
from npubench.domain.text import last_line
from npubench.graph.shares import of_types
from npubench.measure.statistics import CallMean, latency_of_means, percentile_of_calls
from npubench.storage.files import is_regular, write_new
from npubench.storage.hashing import sha256_of_file
from npubench.tools.board_runner import run_rounds, upload_verified
from npubench.tools.logs import short_lines, whole_lines_and_rest
from npubench.tools.process import classify_run

STAMP = "start.stamp"
BUILD_LOG = "build.log"


class Artifacts:
    """Which model each artifact of this process came from; tools have handed out another job's file."""

    def __init__(self) -> None:
        self._models: dict[str, OnnxModel] = {}

    def belongs_to_another(self, sha256: str, model: OnnxModel) -> str | None:
        """The case that this file was built for, if that is a model of other shapes, operators or weights.

        Models that are equal in these may well compile to the same bytes (a 1x1 kernel knows no
        dilation), and are left to the report's check for equal figures.
        """
        other = self._models.setdefault(sha256, model)
        return None if _outline(other) == _outline(model) else other.case


def _outline(model: OnnxModel) -> object:
    return model.inputs, model.outputs, dict(model.operators), model.parameters


@dataclass(frozen=True, slots=True)
class Work:
    """A model in its folder, with the toolchain at work there until `end`, by the monotonic clock."""

    model: OnnxModel
    workdir: Path
    bench: Bench
    end: float
    log: Path

    def left_s(self) -> float:
        """Seconds that are left of the job's time; never less than none."""
        return max(0.0, self.end - time.monotonic())

    def run(self, argv: Sequence[str], limit_s: float = math.inf) -> Completed:
        """Run a tool in the folder until the job's time is over, or for `limit_s` at most."""
        return self.bench.run(argv, min(limit_s, self.left_s()), self.log)


def build(argv: list[str], output: str, work: Work) -> Failure | None:
    """Run the build; None when `output` is there, new, and the tool's own. Keeps its words as build.log."""
    tool = argv[0].rpartition("/")[2]
    work.bench.mark(STAMP)
    completed = work.run(argv)
    if failure := toolchain.failed_build(tool, completed):
        return failure
    work.bench.collect()
    write_new(work.workdir / BUILD_LOG, completed.output)
    artifact = work.workdir / output
    if not is_regular(artifact) or artifact.stat().st_size == 0:
        return toolchain.no_artifact(tool, completed.output, output)
    if not is_new(artifact, work.workdir):
        message = f"{tool} left {output} as it was before this job: it is of another one"
        return Failure(Stage.COMPILE, FailureClass.WRONG_ARTIFACT, message)
    return None


def outcome_of(completed: Completed) -> str:
    """What became of a run on the build host: "done", or how it ended."""
    if completed.timed_out:
        return "did not end in time"
    return "done" if completed.returncode == 0 else f"failed with exit code {completed.returncode}"


def is_new(file: Path, workdir: Path) -> bool:
    """Whether a file was written after this job's build began."""
    return file.lstat().st_mtime >= (workdir / STAMP).lstat().st_mtime


def labelled(backend: str, version: Mapping[str, str]) -> dict[str, str]:
    """Version and commit under the toolchain's name; a version that cannot be read is "unknown"."""
    commit = {f"{backend} commit": version["commit"]} if "commit" in version else {}
    return {backend: version.get("version", "unknown"), **commit}


_SAVED = re.compile(r"File saved: (.+)")


def saved_files(text: str, suffix: str) -> tuple[str, ...]:
    """Names of the files of that suffix that the log says were saved, each once, in their order.

    The suffix proves a name whole, so a log may end with it.
    """
    printed, rest = whole_lines_and_rest(text)
    names = [
        PurePosixPath(match[1].strip()).name
        for line in (*printed, rest)
        if (match := _SAVED.search(line)) and match[1].strip().endswith(suffix)
    ]
    return tuple(dict.fromkeys(names))


Parsed = TypeVar("Parsed")


@dataclass(frozen=True, slots=True)
class Runner(Generic[Parsed]):
    """A runner's command line for (path, warmup, repeat), and how to read it.

    `check` may find that a call did not do the repeats that were asked for.
    """

    name: str
    argv: Callable[[str, int, int], list[str]]
    parse: Callable[[str], Parsed | Failure]
    round_of: Callable[[Parsed], CallMean]
    check: Callable[[Parsed, int], Failure | None]


SIMULATED = "simulated_execution"
"""Among an artifact's settings: what became of running it on its host."""


def ran(artifact: Artifact) -> dict[str, object]:
    """The same for the details of a row; nothing where that was not tried."""
    return {key: value for key, value in artifact.settings.items() if key == SIMULATED}


def computed(placed: Mapping[str, str], model: OnnxModel) -> Computed | None:
    """Shares of NPU and CPU, where it is known of every operator."""
    return of_types(placed, model) if placed.keys() == model.operators.keys() else None


def measured(
    runner: str, rounds: Sequence[CallMean], memory: Sequence[int | None], npu_mode: str | None,
    artifact: Artifact | None, placed: Mapping[str, str], details: Mapping[str, object],
) -> Figures:  # fmt: skip
    """Calls of any runner as one figure; `memory` is each call's, in bytes. Of a log there is no artifact."""
    calls = f"{len(rounds)} call{'s' if len(rounds) > 1 else ''} of {runner}"
    known = [f"p{percent}" for percent in (50, 90, 99) if percentile_of_calls(rounds, percent)]
    percentiles = f"{', '.join(known)}: the middle one of the calls'" if known else "no percentile is known"
    printed = [{f"p{p:g}_us": us for p, us in r.percentiles_us.items()} for r in rounds]
    return Figures(
        kind=Kind.MEASURED,
        latency_us=latency_of_means(rounds),
        memory_bytes=max((size for size in memory if size is not None), default=None),
        placement=placed,
        computed=computed(placed, artifact.onnx) if artifact else None,
        artifact_sha256=artifact.sha256 if artifact else None,
        no_accuracy=NoAccuracy.NO_OUTPUTS,
        no_accuracy_why=Note(NoteCode.NO_OUTPUTS, {"tool": runner}),
        npu=npu_part(npu_mode),
        statistic=f"mean of the means of {calls}, weighted by their runs; {percentiles}",
        call_means_us=tuple(one.mean_us for one in rounds),
        details={
            **details,
            "runs_per_call": [r.n for r in rounds],
            **({"printed_percentiles": printed} if any(printed) else {}),
        },
    )


@dataclass(frozen=True, slots=True)
class Chosen:
    """Options of a board for a toolchain, checked: its place, and what of the NPU a model is built for."""

    where: Where
    npu_mode: str


Settings = TypeVar("Settings", bound=Chosen)


class AxeraBackend(ABC, Generic[Settings, Parsed]):
    """INT8 by the vendor's compiler: one build in a folder of its own, one artifact, one owner.

    `configured` binds it to a board's options and its build host. `hardware` names the compiler's target of
    each chip, `suffix` ends an artifact's name, `output` is the folder where the build leaves it,
    `config_file` the configuration of a build, `kept` names what is kept of the options with an artifact,
    `arrays` tells how calibration data lie that are no pictures.
    """

    name: ClassVar[str]
    hardware: ClassVar[Mapping[str, str]]
    suffix: ClassVar[str]
    output: ClassVar[str] = ""
    config_file: ClassVar[str]
    kept: ClassVar[tuple[str, ...]]
    arrays: ClassVar[ArrayFormat]
    tolerance: ClassVar[Tolerance]
    left_by_simulation: ClassVar[tuple[str, ...]]

    def __init__(self, options: Options | None = None, open_host: OpenHost | None = None) -> None:
        self._options = options or {}
        self._open_host = open_host
        self._versions: dict[Where, dict[str, str]] = {}
        self._artifacts = Artifacts()

    def configured(self, options: Options, open_host: OpenHost) -> Self:
        """This backend for a board; `open_host` opens a session on a build host by its name."""
        return type(self)(options, open_host)

    def probe(self) -> ToolInfo:
        """The toolchain that the board's options name, or else the command on PATH."""
        fix = (
            "load the vendor's image (docker load -i FILE) and name it as backend_options.image "
            f"in a board file of your own, or put {self.name} on PATH"
        )
        command = ("docker", "load", "-i", "FILE")
        where = self.settings(self._options, next(iter(self.hardware))).where
        try:
            completed = toolchain.identify(where, self._open_host)
        except (BoardError, UsageError) as error:
            return ToolInfo(self.name, False, reason=str(error), fix=fix, command=command)
        code = completed.returncode
        if code == toolchain.NOT_STARTED or (where.image is not None and code != 0):
            reason = last_line(completed.output, f"{where.command} is missing")
        elif completed.timed_out:
            reason = f"{where.command} version did not end within {SHORT_S:g} s"
        elif where.image is not None:
            image = f"{where.image} {completed.output.strip()}"
            return ToolInfo(self.name, True, {f"{self.name} image": image})
        else:
            return ToolInfo(self.name, True, labelled(self.name, toolchain.parse_version(completed.output)))
        return ToolInfo(self.name, False, reason=reason, fix=fix, command=command)

    def check(self, chip: str) -> None:
        """Raises UsageError for a board's options that cannot be used."""
        self.settings(self._options, chip)

    @abstractmethod
    def settings(self, given: Options, chip: str) -> Settings:
        """A board's options, checked. Raises UsageError."""

    def kept_settings(self, chosen: Settings) -> dict[str, Any]:
        """What is kept of the options with an artifact: what decides about it, and what runs it."""
        return {name: value for name in self.kept if (value := getattr(chosen, name)) is not None}

    def refused(self, model: OnnxModel) -> Failure | None:
        """Why a model is not even tried; None where it is."""
        return unfed(model, self.name)

    @abstractmethod
    def config(self, model: OnnxModel, chosen: Settings, calibration: Calibration) -> str:
        """The text of the configuration."""

    def lay_out_sample(
        self, model: OnnxModel, chosen: Settings, calibration: Calibration, workdir: Path
    ) -> int:
        """Put what the simulation is to run on there, kept with the artifact; the number of samples."""
        return 0

    @abstractmethod
    def build_argv(self, model: OnnxModel, chosen: Settings) -> list[str]:
        """The build's command line, relative to the job's folder."""

    @abstractmethod
    def inspect(
        self, artifact: Path, chosen: Settings, work: Work
    ) -> tuple[Signature, dict[str, Any]] | Failure:
        """The tensors that the artifact takes and gives, and what else is to be noted of it."""

    @abstractmethod
    def beside(self, chosen: Settings, workdir: Path) -> list[Path]:
        """Where files may lie that are kept with the artifact."""

    def compile(self, model: OnnxModel, target: Target, workdir: Path, log: Path) -> Artifact | Failure:
        """Build inside `workdir`, a new folder. Raises UsageError for options that make no sense."""
        if target.precision is not Precision.INT8:
            message = f"{self.name} builds int8 only: ask for --precision int8"
            return Failure(Stage.COMPILE, FailureClass.UNSUPPORTED_ATTRIBUTE, message)
        if refused := self.refused(model):
            return refused
        chosen = self.settings(target.options, target.chip)
        job_files.lay_out_model(model, workdir)
        calibration = job_files.lay_out_calibration(model, target.calibration, workdir, self.arrays)
        if isinstance(calibration, Failure):
            return calibration
        text = self.config(model, chosen, calibration)
        (workdir / self.config_file).write_text(text, encoding="ascii")
        data = calibration.chosen.use(self.lay_out_sample(model, chosen, calibration, workdir))
        try:
            with open_bench(chosen.where, workdir, self._open_host) as bench:
                if (tools := self._versions.get(chosen.where)) is None:
                    told = bench.run([chosen.where.command, "version"], SHORT_S, log).output
                    tools = self._versions[chosen.where] = labelled(self.name, toolchain.parse_version(told))
                end = time.monotonic() + target.deadline_s
                built = self._build(chosen, Work(model, workdir, bench, end, log))
        except BoardError as error:
            message = f"the build host cannot be used: {error}"
            return Failure(Stage.COMPILE, FailureClass.TOOL_MISSING, message)
        if isinstance(built, Failure):
            return built
        path, sha256, notes = built
        settings = {
            **self.kept_settings(chosen),
            "calibration_samples": calibration.samples,
            "calibration_format": "png" if calibration.pictures else self.arrays,
            "build_command": self.build_argv(model, chosen),
            **({"image": chosen.where.image} if chosen.where.image else {}),
            **notes,
        }
        return Artifact(
            path=path,
            sha256=sha256,
            size_bytes=path.stat().st_size,
            backend=self.name,
            tools=tools,
            precision=target.precision,
            onnx=model,
            settings=settings,
            extras=tuple(file for file in self.beside(chosen, workdir) if is_regular(file)),
            data=data,
        )

    def _build(self, chosen: Settings, work: Work) -> tuple[Path, str, dict[str, Any]] | Failure:
        """The artifact, now in the folder itself, its hash, and notes on it. Raises BoardError of a host."""
        name = f"{job_files.stem(work.model)}{self.suffix}"
        if failure := build(self.build_argv(work.model, chosen), f"{self.output}{name}", work):
            return failure
        saved = saved_files((work.workdir / BUILD_LOG).read_text(encoding="utf-8"), self.suffix)
        if saved and name not in saved:
            message = f"{self.name} says that it saved {saved[-1]}, not this job's {name}"
            return Failure(Stage.COMPILE, FailureClass.WRONG_ARTIFACT, message)
        artifact = (work.workdir / f"{self.output}{name}").rename(work.workdir / name)
        inspected = self.inspect(artifact, chosen, work)
        if isinstance(inspected, Failure):
            return inspected
        tensors, notes = inspected
        model = work.model
        if changed := converted(self.name, model, tensors, self.tolerance):
            return changed
        sha256 = sha256_of_file(artifact)
        if (case := self._artifacts.belongs_to_another(sha256, model)) is not None:
            message = f"{self.name} gave the same file as for {case}, which is another model"
            return Failure(Stage.COMPILE, FailureClass.WRONG_ARTIFACT, message)
        return artifact, sha256, notes

    def to_simulate(self, artifact: Artifact) -> bool:
        """Whether running it on its host was not tried yet."""
        return SIMULATED not in artifact.settings

    def simulate(self, artifact: Artifact, target: Target, workdir: Path, log: Path) -> Artifact | Failure:
        """Run it on its host, a step of its own with a deadline of its own. Raises UsageError."""
        path = job_files.lay_out_artifact(artifact, workdir)
        chosen = self.settings(target.options, target.chip)
        outcome: str | Failure | None = self.lay_out_simulation(artifact, target, chosen, workdir)
        if outcome is None:
            try:
                with open_bench(chosen.where, workdir, self._open_host) as bench:
                    work = Work(artifact.onnx, workdir, bench, time.monotonic() + target.deadline_s, log)
                    outcome = self.run_simulation(path, chosen, work)
            except BoardError as error:
                outcome = f"not done: the build host cannot be used: {error}"
        if isinstance(outcome, Failure):
            return outcome
        beside = [workdir / file.relative_to(artifact.path.parent) for file in artifact.extras]
        new = (workdir / name for name in self.left_by_simulation)
        extras = tuple(dict.fromkeys([*beside, *(file for file in new if is_regular(file))]))
        settings = {**artifact.settings, SIMULATED: outcome}
        return replace(artifact, path=path, extras=extras, settings=settings)

    @abstractmethod
    def lay_out_simulation(
        self, artifact: Artifact, target: Target, chosen: Settings, workdir: Path
    ) -> str | None:
        """Put what the tool reads besides artifact and model there; why it is not to be run, else None."""

    @abstractmethod
    def run_simulation(self, artifact: Path, chosen: Settings, work: Work) -> str | Failure:
        """Run it; what became of it in a line. Files of `left_by_simulation` are kept.

        A failure where what the simulator left there cannot be right.
        """

    def unmeasurable(self, artifact: Artifact) -> Failure | None:
        """Why a time would not be the NPU's; None where it would."""
        return None

    @abstractmethod
    def runner_of(self, artifact: Artifact) -> Runner[Parsed]:
        """The program that times an artifact."""

    @abstractmethod
    def wrong_call(self, call: Parsed, artifact: Artifact, path: PurePosixPath) -> Failure | None:
        """What shows that a call was of another model or in another mode; None where nothing does."""

    @abstractmethod
    def figures_of(self, calls: Sequence[Parsed], artifact: Artifact) -> Figures:
        """Calls of the runner as one figure."""

    def measure(
        self, artifact: Artifact, session: Session, timing: TimingProtocol, deadline_s: float, log: Path
    ) -> Figures | Failure:
        """Several calls of the runner on the file whose hash the board told. Raises BoardError."""
        if failure := self.unmeasurable(artifact):
            return failure
        uploaded = upload_verified(artifact, (), session, log)
        if isinstance(uploaded, Failure):
            return uploaded
        runner, path = self.runner_of(artifact), uploaded[0]

        def call(repeat: int, left_s: float) -> Parsed | Failure:
            completed = session.run(runner.argv(str(path), timing.warmup, repeat), left_s, log)
            if failure := classify_run(runner.name, completed, toolchain.explain_run, short_lines):
                return failure
            parsed = runner.parse(completed.output)
            if isinstance(parsed, Failure):
                return toolchain.explain_run(runner.name, completed.output) or parsed
            wrong = runner.check(parsed, repeat)
            return parsed if wrong is None else replace(wrong, detail=completed.output)

        calls = run_rounds(runner.name, call, lambda one: runner.round_of(one).mean_us, timing, deadline_s)
        if isinstance(calls, Failure):
            return calls
        wrong = (self.wrong_call(call, artifact, path) for call in calls)
        return next(filter(None, wrong), None) or self.figures_of(calls, artifact)
