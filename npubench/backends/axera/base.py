"""The backend that both toolchains are: one build in a folder of its own, one artifact, one owner."""

import re
import statistics
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar, Generic, Self, TypeVar

from npubench.backends.axera.job_files import lay_out_artifact
from npubench.backends.axera.toolchain import (
    NOT_STARTED,
    SHORT_S,
    Bench,
    Where,
    explain_run,
    failed_build,
    identify,
    no_artifact,
    open_bench,
    parse_version,
)
from npubench.backends.signature import unfed
from npubench.domain.errors import BoardError, UsageError
from npubench.domain.protocols import OpenHost, Session
from npubench.domain.records import (
    Artifact,
    DataUse,
    Failure,
    FailureClass,
    Latency,
    OnnxModel,
    Stage,
    ToolInfo,
)
from npubench.domain.specs import Options, Precision, Target, TimingProtocol
from npubench.measure.statistics import least_samples
from npubench.storage.files import is_regular, write_new
from npubench.storage.hashing import sha256_of_file
from npubench.tools.board_runner import run_rounds
from npubench.tools.exit_status import classify_run
from npubench.tools.log_lines import short_lines, whole_lines_and_rest

STAMP = "start.stamp"
BUILD_LOG = "build.log"


@dataclass(frozen=True, slots=True)
class Built:
    """Files of a build, and what else is to be known of it."""

    artifact: Path
    extras: tuple[Path, ...]
    notes: Mapping[str, Any]


class Deadline:
    """Seconds that are left of a job's time."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Seconds from now; never less than none."""
        return max(0.0, self._end - time.monotonic())


class Artifacts:
    """Which model each artifact of this process came from; tools have handed out another job's file."""

    def __init__(self) -> None:
        self._models: dict[str, OnnxModel] = {}
        self._lock = threading.Lock()

    def belongs_to_another(self, sha256: str, model: OnnxModel) -> str | None:
        """The case that this file was built for, if that is a model of other shapes, operators or weights.

        Models that are equal in these may well compile to the same bytes (a 1x1 kernel knows no
        dilation), and are left to the report's check for equal figures.
        """
        with self._lock:
            other = self._models.setdefault(sha256, model)
        return None if _outline(other) == _outline(model) else other.case


def _outline(model: OnnxModel) -> object:
    return model.inputs, model.outputs, dict(model.operators), model.parameters


def build(
    bench: Bench, argv: list[str], output: str, workdir: Path, deadline: Deadline, log: Path
) -> Failure | None:
    """Run the build; None when `output` is there, new, and the tool's own. Keeps its words as build.log."""
    tool = argv[0].rpartition("/")[2]
    bench.mark(STAMP)
    completed = bench.run(argv, deadline.left(), log)
    failure = failed_build(tool, completed)
    if failure is not None:
        return failure
    bench.collect()
    write_new(workdir / BUILD_LOG, completed.output)
    artifact = workdir / output
    if not is_regular(artifact) or artifact.stat().st_size == 0:
        return no_artifact(tool, completed.output, output)
    if not is_new(artifact, workdir):
        message = f"{tool} left {output} as it was before this job: it is of another one"
        return Failure(Stage.COMPILE, FailureClass.WRONG_ARTIFACT, message)
    return None


def is_new(file: Path, workdir: Path) -> bool:
    """Whether a file was written after this job's build began."""
    return file.lstat().st_mtime >= (workdir / STAMP).lstat().st_mtime


def probe(backend: str, where: Where, open_host: OpenHost | None, fix: str) -> ToolInfo:
    """The toolchain's version, or the id of its image; why not, where there is none."""
    try:
        completed = identify(where, open_host)
    except (BoardError, UsageError) as error:
        return ToolInfo(backend, False, reason=str(error), fix=fix)
    if completed.returncode == NOT_STARTED or (where.image is not None and completed.returncode != 0):
        lines = completed.output.strip().splitlines()
        return ToolInfo(backend, False, reason=lines[-1] if lines else f"{where.command} is missing", fix=fix)
    if completed.timed_out:
        reason = f"{where.command} version did not end within {SHORT_S:g} s"
        return ToolInfo(backend, False, reason=reason, fix=fix)
    if where.image is not None:
        return ToolInfo(backend, True, {f"{backend} image": f"{where.image} {completed.output.strip()}"})
    return ToolInfo(backend, True, labelled(backend, parse_version(completed.output)))


def labelled(backend: str, version: Mapping[str, str]) -> dict[str, str]:
    """Version and commit under the toolchain's name; a version that cannot be read is "unknown"."""
    commit = {f"{backend} commit": version["commit"]} if "commit" in version else {}
    return {backend: version.get("version", "unknown"), **commit}


class Versions:
    """What each toolchain of this process says of itself, asked once."""

    def __init__(self) -> None:
        self._known: dict[Where, dict[str, str]] = {}
        self._lock = threading.Lock()

    def of(self, where: Where, backend: str, ask: Callable[[], str]) -> dict[str, str]:
        """Labelled versions of the toolchain at a place; `ask` gives the output of its version command."""
        with self._lock:
            if where not in self._known:
                self._known[where] = labelled(backend, parse_version(ask()))
            return self._known[where]


_SAVED = re.compile(r"File saved: (.+)")


def saved_files(text: str, suffix: str) -> tuple[str, ...]:
    """Names of the files of that suffix that the log says were saved, each once, in their order.

    The suffix proves a name whole, so a log may end with it.
    """
    said, rest = whole_lines_and_rest(text)
    names = [
        PurePosixPath(match[1].strip()).name
        for line in (*said, rest)
        if (match := _SAVED.search(line)) and match[1].strip().endswith(suffix)
    ]
    return tuple(dict.fromkeys(names))


def saved_another(text: str, name: str) -> str | None:
    """The file that the log says was saved in place of `name`; None when that is named, or no file is."""
    saved = saved_files(text, PurePosixPath(name).suffix)
    return None if not saved or name in saved else saved[-1]


Parsed = TypeVar("Parsed")


@dataclass(frozen=True, slots=True)
class Round:
    """One call of a runner: mean over `n` runs, us; lowest and highest run where it prints them.

    `percentiles_us` are the runner's own, by percent; they stand for `n` runs and no more.
    """

    mean_us: float
    n: int
    min_us: float | None = None
    max_us: float | None = None
    percentiles_us: Mapping[float, float] = field(default_factory=dict)


def _no_check(_call: object, _repeat: int) -> None:
    """The default: a runner whose count of runs is not checked."""


@dataclass(frozen=True, slots=True)
class Runner(Generic[Parsed]):
    """A runner's command line for (path, warmup, repeat), and how to read it.

    `check` may find that a call did not do the repeats that were asked for.
    """

    name: str
    argv: Callable[[str, int, int], list[str]]
    parse: Callable[[str], Parsed | Failure]
    round_of: Callable[[Parsed], Round]
    check: Callable[[Parsed, int], Failure | None] = _no_check


def measure_rounds(
    runner: Runner[Parsed], path: PurePosixPath, session: Session, timing: TimingProtocol, deadline_s: float,
    log: Path,
) -> list[Parsed] | Failure:  # fmt: skip
    """What the runner printed in each of its calls. Raises BoardError."""

    def call(repeat: int, left_s: float) -> Parsed | Failure:
        completed = session.run(runner.argv(str(path), timing.warmup, repeat), left_s, log)
        failure = classify_run(runner.name, completed, explain_run, short_lines)
        if failure is not None:
            return failure
        parsed = runner.parse(completed.output)
        if isinstance(parsed, Failure):
            return explain_run(runner.name, completed.output) or parsed
        wrong = runner.check(parsed, repeat)
        return parsed if wrong is None else replace(wrong, detail=completed.output)

    return run_rounds(runner.name, call, lambda one: runner.round_of(one).mean_us, timing, deadline_s)


def latency(rounds: Sequence[Round]) -> Latency:
    """All runs of all calls as one mean; `spread` is that of the calls' medians, else of their means.

    A percentile needs enough runs in each call (`least_samples`), and is the middle one of the calls'.
    """
    n = sum(r.n for r in rounds)
    medians = _of_calls(rounds, 50)
    middles = medians or [r.mean_us for r in rounds]
    lows, highs = [r.min_us for r in rounds], [r.max_us for r in rounds]
    known_lows, known_highs = [v for v in lows if v is not None], [v for v in highs if v is not None]
    p50, p90, p99 = (_middle(_of_calls(rounds, percent)) for percent in (50, 90, 99))
    return Latency(
        n=n,
        mean=sum(r.mean_us * r.n for r in rounds) / n,
        min=min(known_lows) if len(known_lows) == len(rounds) else None,
        max=max(known_highs) if len(known_highs) == len(rounds) else None,
        p50=p50,
        p90=p90,
        p99=p99,
        rounds_p50=tuple(medians),
        spread=(max(middles) - min(middles)) / statistics.median(middles) if len(rounds) > 1 else None,
    )


def statistic(rounds: Sequence[Round], runner: str) -> str:
    """What the latency of these rounds is."""
    calls = f"{len(rounds)} call{'s' if len(rounds) > 1 else ''} of {runner}"
    known = [f"p{percent}" for percent in (50, 90, 99) if _of_calls(rounds, percent)]
    percentiles = f"{', '.join(known)}: the middle one of the calls'" if known else "no percentile is known"
    return f"mean of the means of {calls}, weighted by their runs; {percentiles}"


def details_of_calls(rounds: Sequence[Round]) -> dict[str, object]:
    """What else the calls told, for the details of a row."""
    printed = [{f"p{p:g}_us": us for p, us in r.percentiles_us.items()} for r in rounds]
    return {
        "runs_per_call": [r.n for r in rounds],
        **({"printed_percentiles": printed} if any(printed) else {}),
    }


def _of_calls(rounds: Sequence[Round], percent: float) -> list[float]:
    """A percentile of each call; none where a call lacks it, or has too few runs to stand for it."""
    known = [r.percentiles_us[percent] for r in rounds if percent in r.percentiles_us]
    enough = all(r.n >= least_samples(percent) for r in rounds)
    return known if enough and len(known) == len(rounds) else []


def _middle(values: Sequence[float]) -> float | None:
    return statistics.median(values) if values else None


def weighted_mean(values: Sequence[float | None], rounds: Sequence[Round]) -> float | None:
    """Mean over all runs of a figure of each call; None when a call lacks it."""
    known = [(value, r.n) for value, r in zip(values, rounds, strict=True) if value is not None]
    if len(known) < len(rounds):
        return None
    return sum(value * n for value, n in known) / sum(n for _, n in known)


SIMULATED = "simulated_execution"
"""Among an artifact's settings: what became of running it on its host."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """A laid out job: where to build it, what is kept with the artifact, the build itself, and its data."""

    where: Where
    settings: Mapping[str, Any]
    make: Callable[[Bench, Deadline, Path], Built | Failure]
    data: DataUse


class AxeraBackend(ABC):
    """INT8 by the vendor's compiler. `configured` binds it to a board's options and its build host."""

    name: ClassVar[str]
    fix: ClassVar[str]
    left_by_simulation: ClassVar[tuple[str, ...]]

    def __init__(self, options: Options | None = None, open_host: OpenHost | None = None) -> None:
        self._options = options or {}
        self._open_host = open_host
        self._versions = Versions()
        self._artifacts = Artifacts()

    def configured(self, options: Options, open_host: OpenHost) -> Self:
        """This backend for a board; `open_host` opens a session on a build host by its name."""
        return type(self)(options, open_host)

    def probe(self) -> ToolInfo:
        """The toolchain that the board's options name, or else the command on PATH."""
        return probe(self.name, self.where(self._options), self._open_host, self.fix)

    @abstractmethod
    def check(self, chip: str) -> None:
        """Raises UsageError for a board's options that cannot be used."""

    @abstractmethod
    def where(self, given: Options) -> Where:
        """The place of the toolchain. Raises UsageError."""

    @abstractmethod
    def lay_out(self, model: OnnxModel, target: Target, workdir: Path) -> Recipe | Failure:
        """Put everything the build reads into the folder. Raises UsageError."""

    def compile(self, model: OnnxModel, target: Target, workdir: Path, log: Path) -> Artifact | Failure:
        """Build inside `workdir`, a new folder. Raises UsageError for options that make no sense."""
        if target.precision is not Precision.INT8:
            message = f"{self.name} builds int8 only: ask for --precision int8"
            return Failure(Stage.COMPILE, FailureClass.UNSUPPORTED_ATTRIBUTE, message)
        recipe = unfed(model, self.name) or self.lay_out(model, target, workdir)
        if isinstance(recipe, Failure):
            return recipe
        try:
            with open_bench(recipe.where, workdir, self._open_host) as bench:
                ask = [recipe.where.command, "version"]
                tools = self._versions.of(
                    recipe.where, self.name, lambda: bench.run(ask, SHORT_S, log).output
                )
                built = recipe.make(bench, Deadline(target.deadline_s), log)
        except BoardError as error:
            message = f"the build host cannot be used: {error}"
            return Failure(Stage.COMPILE, FailureClass.TOOL_MISSING, message)
        if isinstance(built, Failure):
            return built
        return self._artifact(model, target, recipe, built, tools)

    def to_simulate(self, artifact: Artifact) -> bool:
        """Whether running it on its host was not tried yet."""
        return SIMULATED not in artifact.settings

    def simulate(self, artifact: Artifact, target: Target, workdir: Path, log: Path) -> Artifact | Failure:
        """Run it on its host, a step of its own with a deadline of its own. Raises UsageError."""
        path = lay_out_artifact(artifact, workdir)
        said = self.lay_out_simulation(artifact, target, workdir)
        if said is None:
            try:
                with open_bench(self.where(target.options), workdir, self._open_host) as bench:
                    said = self.run_simulation(artifact.onnx, target, path, bench, log)
            except BoardError as error:
                said = f"not done: the build host cannot be used: {error}"
        if wrong := self.wrong_outputs(workdir):
            message = f"{self.name} built it, and {wrong}"
            return Failure(Stage.COMPILE, FailureClass.OUTPUT_MISMATCH, message)
        beside = [workdir / file.relative_to(artifact.path.parent) for file in artifact.extras]
        new = (workdir / name for name in self.left_by_simulation)
        extras = tuple(dict.fromkeys([*beside, *(file for file in new if is_regular(file))]))
        return replace(artifact, path=path, extras=extras, settings={**artifact.settings, SIMULATED: said})

    def wrong_outputs(self, workdir: Path) -> str:  # noqa: ARG002 - for a simulator whose outputs are read
        """Why what the simulator left there cannot be right; empty where it can."""
        return ""

    @abstractmethod
    def lay_out_simulation(self, artifact: Artifact, target: Target, workdir: Path) -> str | None:
        """Put what the tool reads besides artifact and model there; why it is not to be run, else None."""

    @abstractmethod
    def run_simulation(
        self, model: OnnxModel, target: Target, artifact: Path, bench: Bench, log: Path
    ) -> str:
        """Run it; what became of it in a line. Files of `left_by_simulation` are kept."""

    def _artifact(
        self, model: OnnxModel, target: Target, recipe: Recipe, built: Built, tools: Mapping[str, str]
    ) -> Artifact | Failure:
        sha256 = sha256_of_file(built.artifact)
        other = self._artifacts.belongs_to_another(sha256, model)
        if other is not None:
            message = f"{self.name} gave the same file as for {other}, which is another model"
            return Failure(Stage.COMPILE, FailureClass.WRONG_ARTIFACT, message)
        return Artifact(
            path=built.artifact,
            sha256=sha256,
            size_bytes=built.artifact.stat().st_size,
            backend=self.name,
            tools=tools,
            precision=target.precision,
            onnx=model,
            settings={**recipe.settings, **built.notes},
            extras=built.extras,
            data=recipe.data,
        )
