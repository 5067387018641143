"""The backend that both toolchains are: one build in a folder of its own, one artifact, one owner."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self

from npubench.backends.axera import build, versions
from npubench.backends.axera.build import Built, Deadline
from npubench.backends.axera.options import Where
from npubench.backends.axera.toolchain import SHORT_S, Bench, open_bench
from npubench.backends.inputs import unfed
from npubench.domain.errors import BoardError
from npubench.domain.protocols import OpenHost
from npubench.domain.records import Artifact, DataUse, Failure, FailureClass, OnnxModel, Stage, ToolInfo
from npubench.domain.specs import Options, Precision, Target
from npubench.storage.files import is_regular
from npubench.storage.hashing import sha256_of_file

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
        self._versions = versions.Versions()
        self._artifacts = build.Artifacts()

    def configured(self, options: Options, open_host: OpenHost) -> Self:
        """This backend for a board; `open_host` opens a session on a build host by its name."""
        return type(self)(options, open_host)

    def probe(self) -> ToolInfo:
        """The toolchain that the board's options name, or else the command on PATH."""
        return versions.probe(self.name, self.where(self._options), self._open_host, self.fix)

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
        path = build.lay_out_artifact(artifact, workdir)
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
