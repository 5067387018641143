"""Pulsar 1: `pulsar build` to a .joint, `run_joint` on AX620A boards."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import ClassVar

from npubench.backends.axera import (
    build,
    logs_import,
    measuring,
    options,
    pulsar_build,
    pulsar_figures,
    pulsar_tensors,
)
from npubench.backends.axera.base import AxeraBackend, Recipe
from npubench.backends.axera.board_errors import wrong_mode
from npubench.backends.axera.options import Where
from npubench.backends.axera.run_joint import parse_run_joint, wrong_rounds
from npubench.backends.axera.toolchain import Bench
from npubench.backends.signature import ran_another
from npubench.domain.protocols import Session
from npubench.domain.records import Artifact, Failure, Figures, LogCase, OnnxModel
from npubench.domain.specs import Options, Target, TimingProtocol


class PulsarBackend(AxeraBackend):
    """`estimate` is the compiler's simulation, `measure` the board's clock."""

    name: ClassVar[str] = "pulsar"
    fix: ClassVar[str] = (
        "load the vendor's image (docker load -i FILE) and name it as backend_options.image "
        "in a board file of your own, or put pulsar on PATH"
    )

    left_by_simulation: ClassVar[tuple[str, ...]] = (pulsar_build.RUN_LOG,)

    def check(self, chip: str) -> None:
        """Raises UsageError for a board's options that cannot be used."""
        pulsar_build.settings(self._options, chip)

    def runner(self) -> tuple[str, Sequence[str]]:
        """`run_joint`. Raises UsageError."""
        return "run_joint", (options.text(self._options, "run_joint", pulsar_build.RUN_JOINT),)

    def where(self, given: Options) -> Where:
        """The place of the toolchain. Raises UsageError."""
        return pulsar_build.where(given)

    def lay_out(self, model: OnnxModel, target: Target, workdir: Path) -> Recipe | Failure:
        """Model, calibration set and config.prototxt. Raises UsageError."""
        chosen = pulsar_build.settings(target.options, target.chip)
        calibration = pulsar_build.lay_out(model, target, chosen, workdir)
        if isinstance(calibration, Failure):
            return calibration
        settings = {
            "npu_mode": chosen.npu_mode,
            "target_hardware": chosen.target_hardware,
            "output_layout": chosen.output_layout,
            "run_joint": chosen.run_joint,
            **({"run_joint_mode": chosen.run_joint_mode} if chosen.run_joint_mode else {}),
            "calibration_samples": calibration.samples,
            "calibration_format": "png" if calibration.pictures else "bin",
            "build_command": pulsar_build.build_argv(model, chosen),
            **({"image": chosen.where.image} if chosen.where.image else {}),
        }
        return Recipe(
            chosen.where,
            settings,
            lambda bench, deadline, log: pulsar_build.make(model, chosen, bench, workdir, deadline, log),
            calibration.chosen.use(1 if chosen.simulate and len(model.inputs) == 1 else 0),
        )

    def lay_out_simulation(self, artifact: Artifact, target: Target, workdir: Path) -> str | None:  # noqa: ARG002 - the base's
        """Nothing: the sample was kept with the artifact."""
        return pulsar_build.not_to_simulate(artifact.onnx, pulsar_build.settings(target.options, target.chip))

    def run_simulation(
        self, model: OnnxModel, target: Target, artifact: Path, bench: Bench, log: Path
    ) -> str:
        """`pulsar run` beside the ONNX model."""
        chosen, deadline = (
            pulsar_build.settings(target.options, target.chip),
            build.Deadline(target.deadline_s),
        )
        return pulsar_build.simulate(model, chosen, artifact, bench, artifact.parent, deadline, log)

    def estimate(self, artifact: Artifact) -> Figures | None:
        """The simulation of the build host: inference reports of all parts, accuracy of `pulsar run`."""
        return pulsar_figures.simulated(artifact)

    def read_log(self, text: str) -> tuple[LogCase, ...]:
        """Logs of `pulsar build`, inference reports, output of run_joint: alone or in one log."""
        return logs_import.read_log(text)

    def measure(
        self, artifact: Artifact, session: Session, timing: TimingProtocol, deadline_s: float, log: Path
    ) -> Figures | Failure:
        """Several calls of run_joint on the file whose hash the board told. Raises BoardError."""
        path = measuring.bring(artifact, session, log)
        if isinstance(path, Failure):
            return path
        npu_mode = str(artifact.settings["npu_mode"])
        command = str(artifact.settings["run_joint"])
        runner = measuring.Runner(
            "run_joint",
            _argv(command, artifact.settings.get("run_joint_mode")),
            partial(parse_run_joint, exited_well=True),
            pulsar_figures.round_of,
            wrong_rounds,
        )
        calls = measuring.measure_rounds(runner, path, session, timing, deadline_s, log)
        if isinstance(calls, Failure):
            return calls
        wanted = pulsar_build.JOINT_MODES[npu_mode]
        for call in calls:
            if call.npu_mode not in (None, wanted):
                return wrong_mode("run_joint", f"{npu_mode} ({wanted})", call.npu_mode)
            told, model = pulsar_tensors.of_run_joint(call.inputs, call.outputs), artifact.onnx
            if other := ran_another("run_joint", model.inputs, model.outputs, told, pulsar_tensors.PULSAR):
                return other
        return pulsar_figures.measured(calls, npu_mode, artifact)


def _argv(command: str, mode: str | None) -> Callable[[str, int, int], list[str]]:
    def argv(file: str, warmup: int, repeat: int) -> list[str]:
        asked = ["--mode", mode] if mode else []
        return [command, file, *asked, "--repeat", str(repeat), "--warmup", str(warmup)]

    return argv
