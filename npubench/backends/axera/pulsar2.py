"""Pulsar 2: `pulsar2 build` to an .axmodel, `ax_run_model` on boards, `axcl_run_model` beside cards."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import ClassVar

from npubench.backends.axera import (
    build,
    measuring,
    pulsar2_build,
    pulsar2_figures,
    pulsar2_import,
    pulsar2_run,
)
from npubench.backends.axera.ax_run_model import parse_ax_run_model, wrong_repeat
from npubench.backends.axera.base import AxeraBackend, Recipe
from npubench.backends.axera.board_errors import wrong_mode
from npubench.backends.axera.options import Where
from npubench.backends.axera.toolchain import Bench
from npubench.domain.npu_parts import part_of_npu
from npubench.domain.protocols import Session
from npubench.domain.records import (
    Artifact,
    Failure,
    FailureClass,
    Figures,
    LogCase,
    NoAccuracy,
    OnnxModel,
    Stage,
)
from npubench.domain.specs import Options, Target, TimingProtocol

BOARD_TYPES = {
    "NPU1": {"NPU1", "1 Core", "Half"},
    "NPU2": {"NPU2", "2 Core", "Full"},
    "NPU3": {"NPU3", "3 Core"},
}
"""What ax_run_model calls a model of each build mode: by name, by cores, or by share of the NPU."""


class Pulsar2Backend(AxeraBackend):
    """`estimate` is what compiler and simulator tell, `measure` the board's clock."""

    name: ClassVar[str] = "pulsar2"
    fix: ClassVar[str] = (
        "load the vendor's image (docker load -i FILE) and name it as backend_options.image "
        "in a board file of your own, or put pulsar2 on PATH"
    )

    left_by_simulation: ClassVar[tuple[str, ...]] = (pulsar2_run.RUN_LOG, pulsar2_run.ANSWER)

    def check(self, chip: str) -> None:
        """Raises UsageError for a board's options that cannot be used."""
        pulsar2_build.settings(self._options, chip)

    def runner(self) -> tuple[str, Sequence[str]]:
        """The program that the board's options name, and where it lies. Raises UsageError."""
        name, path = pulsar2_build.runner_of(self._options)
        return name, (path,)

    def where(self, given: Options) -> Where:
        """The place of the toolchain. Raises UsageError."""
        return pulsar2_build.where(given)

    def lay_out(self, model: OnnxModel, target: Target, workdir: Path) -> Recipe | Failure:
        """Model, calibration set and config.json. Raises UsageError."""
        chosen = pulsar2_build.settings(target.options, target.chip)
        calibration = pulsar2_build.lay_out(model, target, chosen, workdir)
        if isinstance(calibration, Failure):
            return calibration
        settings = {
            "npu_mode": chosen.npu_mode,
            "target_hardware": chosen.target_hardware,
            "runner": chosen.runner,
            "runner_path": chosen.runner_path,
            **({} if chosen.card is None else {"card": chosen.card}),
            **({} if chosen.npu_clock_mhz is None else {"npu_clock_mhz": chosen.npu_clock_mhz}),
            "precision_analysis": chosen.precision_analysis,
            "calibration_samples": calibration.samples,
            "calibration_format": "png" if calibration.pictures else "npy",
            "build_command": pulsar2_build.build_argv(model, chosen),
            **({"image": chosen.where.image} if chosen.where.image else {}),
        }
        return Recipe(
            chosen.where,
            settings,
            lambda bench, deadline, log: pulsar2_build.make(model, chosen, bench, workdir, deadline, log),
            calibration.chosen.use(0),
        )

    def lay_out_simulation(self, artifact: Artifact, target: Target, workdir: Path) -> str | None:
        """Samples, and FP32's beside them."""
        if not pulsar2_build.settings(target.options, target.chip).simulate:
            return "switched off"
        pictures = artifact.settings.get("calibration_format") == "png"
        return pulsar2_run.lay_out(artifact.onnx, target, pictures, workdir)

    def run_simulation(
        self, model: OnnxModel, target: Target, artifact: Path, bench: Bench, log: Path
    ) -> str:
        """`pulsar2 run`, and FP32's outputs to compare with."""
        argv = pulsar2_run.run_argv(self.where(target.options).command, artifact.name)
        deadline = build.Deadline(target.deadline_s)
        return pulsar2_run.simulate(model, argv, bench, artifact.parent, deadline, log)

    def wrong_outputs(self, workdir: Path) -> str:
        """What the comparison with FP32 says."""
        return str(pulsar2_run.answer_of([workdir / pulsar2_run.ANSWER]).get("wrong") or "")

    def estimate(self, artifact: Artifact) -> Figures | None:
        """MACs, cycles, placement and accuracy as compiler and simulator tell them; None without a log."""
        return pulsar2_figures.simulated(artifact)

    def read_log(self, text: str) -> tuple[LogCase, ...]:
        """Logs of `pulsar2 build`, precision tables, timelines, output of the runners."""
        return pulsar2_import.read_log(text)

    def measure(
        self, artifact: Artifact, session: Session, timing: TimingProtocol, deadline_s: float, log: Path
    ) -> Figures | Failure:
        """Several calls of the runner on the file whose hash the board told; placement is the compiler's.

        Raises BoardError.
        """
        placed = pulsar2_figures.placement(artifact)
        if placed and "NPU" not in placed.values():
            message = f"the compiler left {', '.join(placed)} to the CPU: a time would not be the NPU's"
            return Failure(Stage.MEASURE, FailureClass.UNSUPPORTED_OPERATOR, message[:300], tuple(placed))
        path = measuring.bring(artifact, session, log)
        if isinstance(path, Failure):
            return path
        npu_mode = str(artifact.settings["npu_mode"])
        name = str(artifact.settings.get("runner", "ax_run_model"))
        runner = measuring.Runner(
            name,
            partial(pulsar2_build.runner_argv, artifact.settings),
            parse_ax_run_model,
            pulsar2_figures.round_of,
            wrong_repeat,
        )
        calls = measuring.measure_rounds(runner, path, session, timing, deadline_s, log)
        if isinstance(calls, Failure):
            return calls
        others = set().union(*(names for mode, names in BOARD_TYPES.items() if mode != npu_mode))
        for call in calls:
            if call.texts.get("type") in others - BOARD_TYPES[npu_mode]:
                return wrong_mode(name, npu_mode, call.texts["type"])
            ran = PurePosixPath(call.texts.get("model", str(path))).name
            if ran != path.name:
                message = f"{name} says that it ran {ran}, not this job's {path.name}"
                return Failure(Stage.MEASURE, FailureClass.WRONG_ARTIFACT, message)
        figures = pulsar2_figures.measured(calls, npu_mode, artifact.sha256)
        return replace(
            figures,
            placement=placed,
            computed=pulsar2_figures.shares(placed, artifact),
            bounds=part_of_npu(npu_mode, str(artifact.settings.get("target_hardware"))),
            no_accuracy=NoAccuracy.NO_OUTPUTS,
            no_accuracy_why=f"{name} gives no outputs",
        )
