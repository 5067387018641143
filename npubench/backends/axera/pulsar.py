"""Pulsar 1: `pulsar build` to a .joint, `run_joint` on AX620A boards."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from npubench.backends.axera import build, measuring, options, pulsar_build, pulsar_figures
from npubench.backends.axera.base import AxeraBackend, Recipe
from npubench.backends.axera.board_errors import wrong_mode
from npubench.backends.axera.options import Where
from npubench.backends.axera.run_joint import parse_run_joint
from npubench.backends.axera.toolchain import open_bench
from npubench.errors import BoardError
from npubench.protocols import Session
from npubench.records import Artifact, Failure, Figures, OnnxModel
from npubench.regular import is_regular
from npubench.specs import Options, Target, TimingProtocol


class PulsarBackend(AxeraBackend):
    """`estimate` is the compiler's simulation, `measure` the board's clock."""

    name: ClassVar[str] = "pulsar"
    fix: ClassVar[str] = (
        "load the vendor's image (docker load -i FILE) and name it as backend_options.image "
        "in a board file of your own, or put pulsar on PATH"
    )

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
            "calibration_samples": calibration.samples,
            "calibration_format": "png" if calibration.pictures else "bin",
            "build_command": pulsar_build.build_argv(model, chosen),
            **({"image": chosen.where.image} if chosen.where.image else {}),
        }
        return Recipe(
            chosen.where,
            settings,
            lambda bench, deadline, log: pulsar_build.make(model, chosen, bench, workdir, deadline, log),
        )

    def to_simulate(self, artifact: Artifact) -> bool:
        """Whether `pulsar run` has not been tried on it."""
        return "simulated_execution" not in artifact.settings

    def simulate(self, artifact: Artifact, target: Target, workdir: Path, log: Path) -> Artifact:
        """Run it on the build host beside its ONNX model. Raises UsageError."""
        chosen = pulsar_build.settings(target.options, target.chip)
        path = pulsar_build.lay_out_simulation(artifact, target, chosen, workdir)
        said = pulsar_build.not_to_simulate(artifact.onnx, chosen)
        if said is None:
            try:
                with open_bench(chosen.where, workdir, self._open_host) as bench:
                    deadline = build.Deadline(target.deadline_s)
                    said = pulsar_build.simulate(artifact.onnx, chosen, path, bench, workdir, deadline, log)
            except BoardError as error:
                said = f"not done: the build host cannot be used: {error}"
        beside = [workdir / file.relative_to(artifact.path.parent) for file in artifact.extras]
        run_log = workdir / pulsar_build.RUN_LOG
        extras = (*beside, *([run_log] if is_regular(run_log) and run_log not in beside else ()))
        settings = {**artifact.settings, "simulated_execution": said}
        return replace(artifact, path=path, extras=extras, settings=settings)

    def estimate(self, artifact: Artifact) -> Figures | None:
        """The simulation of the build host: inference reports of all parts, accuracy of `pulsar run`."""
        return pulsar_figures.simulated(artifact)

    def measure(
        self, artifact: Artifact, session: Session, timing: TimingProtocol, deadline_s: float, log: Path
    ) -> Figures | Failure:
        """Several calls of run_joint on the file whose hash the board told. Raises BoardError."""
        path = measuring.bring(artifact, session, log)
        if isinstance(path, Failure):
            return path
        npu_mode = str(artifact.settings["npu_mode"])
        command = str(artifact.settings["run_joint"])
        runner = measuring.Runner("run_joint", _argv(command), parse_run_joint, pulsar_figures.round_of)
        calls = measuring.measure_rounds(runner, path, session, timing, deadline_s, log)
        if isinstance(calls, Failure):
            return calls
        wanted = pulsar_figures.JOINT_MODES[npu_mode]
        for call in calls:
            if call.npu_mode not in (None, wanted):
                return wrong_mode("run_joint", f"{npu_mode} ({wanted})", call.npu_mode)
        return pulsar_figures.measured(calls, npu_mode, artifact.sha256)


def _argv(command: str) -> Callable[[str, int, int], list[str]]:
    def argv(file: str, warmup: int, repeat: int) -> list[str]:
        return [command, file, "--repeat", str(repeat), "--warmup", str(warmup)]

    return argv
