"""Pulsar 1: `pulsar build` to a .joint, `run_joint` on AX620A boards."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

from npubench.backends import options
from npubench.backends.axera import base, job_files, logs, pulsar_figures, run_joint, toolchain
from npubench.backends.axera.base import AxeraBackend, Work
from npubench.backends.axera.job_files import ArrayFormat
from npubench.backends.axera.pulsar_figures import INFO_LOG, REPORTS, RUN_LOG
from npubench.backends.axera.run_joint import RunJoint, parse_run_joint, wrong_rounds
from npubench.backends.axera.toolchain import SHORT_S, wrong_mode
from npubench.backends.signature import Signature, Tolerance, ran_another
from npubench.domain.errors import UsageError
from npubench.domain.figures import Figures
from npubench.domain.records import Artifact, Failure, FailureClass, LogCase, OnnxModel, Stage
from npubench.domain.specs import Options, Target
from npubench.storage.files import is_regular, write_new

FULL_CONFIG = "output_config.prototxt"
SAMPLE = "sample"
RUN_JOINT = "/opt/bin/run_joint"
HARDWARE = {"AX620A": "AX620", "AX620U": "AX620"}
PACKED = frozenset({"nv12", "nv21"})
VENDOR_SHM_SIZE = "32g"
KNOWN = (
    *toolchain.WHERE, "npu_mode", "target_hardware", "output_layout", "input_color", "simulate", "run_joint",
    "run_joint_mode",
)  # fmt: skip
JOINT_MODES = {"111": "1_1", "112": "1_1", "0": "disable"}
"""What run_joint calls the virtual NPU mode that a model of each build mode needs."""


@dataclass(frozen=True, slots=True)
class Settings(base.Chosen):
    """Options of a board for Pulsar 1. `simulate` runs the compiled model on the host beside the ONNX one.

    `run_joint_mode` is the runner's `--mode`; without it the runner takes the mode from the model.
    """

    target_hardware: str
    output_layout: str
    input_colour: str | None
    simulate: bool
    run_joint: str
    run_joint_mode: str | None = None


def _run_joint_mode(given: Options, npu_mode: str) -> str | None:
    """The runner's `--mode`, which has to be the model's: a .joint runs in no other."""
    if given.get("run_joint_mode") is None:
        return None
    mode = options.choice(given, "run_joint_mode", sorted(set(JOINT_MODES.values())), "")
    if mode != JOINT_MODES[npu_mode]:
        raise UsageError(
            f'backend_options.run_joint_mode = "{mode}" runs no model of npu_mode = "{npu_mode}": set'
            f' run_joint_mode = "{JOINT_MODES[npu_mode]}", or another npu_mode'
        )
    return mode


class PulsarBackend(AxeraBackend[Settings, RunJoint]):
    """`estimate` is the compiler's simulation, `measure` the board's clock."""

    name: ClassVar[str] = "pulsar"
    hardware: ClassVar[Mapping[str, str]] = HARDWARE
    suffix: ClassVar[str] = ".joint"
    config_file: ClassVar[str] = "config.prototxt"
    kept: ClassVar[tuple[str, ...]] = (
        "npu_mode", "target_hardware", "output_layout", "run_joint", "run_joint_mode"
    )  # fmt: skip
    arrays: ClassVar[ArrayFormat] = "bin"
    tolerance: ClassVar[Tolerance] = run_joint.PULSAR
    left_by_simulation: ClassVar[tuple[str, ...]] = (RUN_LOG,)

    def settings(self, given: Options, chip: str) -> Settings:
        """A board's options, checked. Raises UsageError."""
        options.check_known(given, KNOWN)
        if "target_hardware" not in given and chip not in HARDWARE:
            raise UsageError(f"pulsar does not know chip {chip}: set backend_options.target_hardware (AX620)")
        colour = (
            options.choice(given, "input_color", job_files.COLOURS, "") if given.get("input_color") else None
        )
        npu_mode = options.choice(given, "npu_mode", job_files.NPU_MODES, "111")
        return Settings(
            where=toolchain.place_of(given, "pulsar", VENDOR_SHM_SIZE),
            npu_mode=npu_mode,
            target_hardware=options.choice(
                given, "target_hardware", sorted(set(HARDWARE.values())), HARDWARE.get(chip, "")
            ),
            output_layout=options.choice(given, "output_layout", job_files.LAYOUTS, "nhwc"),
            input_colour=colour,
            simulate=options.switch(given, "simulate", True),
            run_joint=options.text(given, "run_joint", RUN_JOINT),
            run_joint_mode=_run_joint_mode(given, npu_mode),
        )

    def runner(self) -> tuple[str, Sequence[str]]:
        """`run_joint`. Raises UsageError."""
        return "run_joint", (options.text(self._options, "run_joint", RUN_JOINT),)

    def refused(self, model: OnnxModel) -> Failure | None:
        """Also inputs of a type that calibration files cannot have."""
        dtype = next((t.dtype for t in model.inputs if t.dtype not in job_files.DTYPES), None)
        if (failure := super().refused(model)) is not None or dtype is None:
            return failure
        message = f"pulsar takes no calibration data of type {dtype}: give the model another input type"
        return Failure(Stage.COMPILE, FailureClass.UNSUPPORTED_ATTRIBUTE, message)

    def config(self, model: OnnxModel, chosen: Settings, calibration: job_files.Calibration) -> str:
        """The text of config.prototxt."""
        return job_files.config(model, calibration, chosen)

    def lay_out_sample(
        self, model: OnnxModel, chosen: Settings, calibration: job_files.Calibration, workdir: Path
    ) -> int:
        """One, as `pulsar run` takes it."""
        if not_to_simulate(model, chosen) is not None:
            return 0
        sample = calibration.chosen.evaluation()[0]
        picture = model.preprocessing if calibration.pictures else None
        ending, content = job_files.sample_file(sample[model.inputs[0].name], picture, "bin")
        (workdir / f"{SAMPLE}.{ending}").write_bytes(content)
        return 1

    def build_argv(self, model: OnnxModel, chosen: Settings) -> list[str]:
        """The build's command line, relative to the job's folder."""
        name = job_files.stem(model)
        return [
            chosen.where.command, "build", "--input", f"{name}.onnx", "--output", f"{name}.joint",
            "--config", self.config_file, "--output_config", FULL_CONFIG, "--virtual_npu", chosen.npu_mode,
        ]  # fmt: skip

    def inspect(
        self, artifact: Path, chosen: Settings, work: Work
    ) -> tuple[Signature, dict[str, Any]] | Failure:
        """What `pulsar info` says of it, and whether reports of another job lie there."""
        info = _info(artifact, chosen, work)
        if info.get("npu_mode", chosen.npu_mode) != chosen.npu_mode:
            message = f"the .joint is for NPU mode {info['npu_mode']}, {chosen.npu_mode} was asked for"
            return Failure(Stage.COMPILE, FailureClass.WRONG_NPU_MODE, message)
        tensors = run_joint.of_info((work.workdir / INFO_LOG).read_text(encoding="utf-8"))
        if chosen.input_colour in PACKED:
            # What it says of a picture in NV12 are the sizes of its bytes.
            tensors = Signature(None, tensors.outputs)
        notes: dict[str, Any] = {"system_memory_bytes": info.get("memory_bytes")}
        if old := sum(not base.is_new(report, work.workdir) for report in _reports(work.workdir)):
            notes["reports_of_another_job"] = old
        return tensors, notes

    def beside(self, chosen: Settings, workdir: Path) -> list[Path]:
        """Configurations, logs, the reports of this build, and the sample that `pulsar run` is to take."""
        names = (self.config_file, FULL_CONFIG, base.BUILD_LOG, INFO_LOG, RUN_LOG)
        new = [report for report in _reports(workdir) if base.is_new(report, workdir)]
        return [*(workdir / name for name in names), *new, *sorted(workdir.glob(f"{SAMPLE}.*"))]

    def lay_out_simulation(
        self, artifact: Artifact, target: Target, chosen: Settings, workdir: Path
    ) -> str | None:
        """Nothing: the sample was kept with the artifact."""
        return not_to_simulate(artifact.onnx, chosen)

    def run_simulation(self, artifact: Path, chosen: Settings, work: Work) -> str:
        """`pulsar run` beside the ONNX model; its scores are read by `estimate`."""
        sample = next(work.workdir.glob(f"{SAMPLE}.*"), None)
        if sample is None:
            return "not done: the sample was not kept"
        model = f"{job_files.stem(work.model)}.onnx"
        argv = [
            chosen.where.command, "run", model, artifact.name, "--input", sample.name,
            "--config", FULL_CONFIG, "--output_gt", "gt",
        ]  # fmt: skip
        completed = work.run(argv)
        write_new(work.workdir / RUN_LOG, completed.output)
        return base.outcome_of(completed)

    def estimate(self, artifact: Artifact) -> Figures | None:
        """The simulation of the build host: inference reports of all parts, accuracy of `pulsar run`."""
        return pulsar_figures.simulated(artifact)

    def read_log(self, text: str) -> tuple[LogCase, ...]:
        """Logs of `pulsar build`, inference reports, output of run_joint: alone or in one log."""
        return logs.read_log(text)

    def runner_of(self, artifact: Artifact) -> base.Runner[RunJoint]:
        """`run_joint`, which the artifact's settings say where to find."""
        mode = artifact.settings.get("run_joint_mode")
        first = [str(artifact.settings["run_joint"])]
        asked = ["--mode", str(mode)] if mode else []

        def argv(file: str, warmup: int, repeat: int) -> list[str]:
            return [*first, file, *asked, "--repeat", str(repeat), "--warmup", str(warmup)]

        parse = partial(parse_run_joint, exited_well=True)
        return base.Runner("run_joint", argv, parse, pulsar_figures.round_of, wrong_rounds)

    def wrong_call(self, call: RunJoint, artifact: Artifact, path: PurePosixPath) -> Failure | None:
        """Its NPU mode, and the tensors that it lists."""
        npu_mode = str(artifact.settings["npu_mode"])
        wanted = JOINT_MODES[npu_mode]
        if call.npu_mode is not None and call.npu_mode != wanted:
            return wrong_mode("run_joint", f"{npu_mode} ({wanted})", call.npu_mode)
        tensors, model = run_joint.of_run_joint(call.inputs, call.outputs), artifact.onnx
        return ran_another("run_joint", model, tensors, run_joint.PULSAR)

    def figures_of(self, calls: Sequence[RunJoint], artifact: Artifact) -> Figures:
        """The run task of run_joint, which is the wall clock."""
        return pulsar_figures.measured(calls, str(artifact.settings["npu_mode"]), artifact)


def _info(artifact: Path, chosen: Settings, work: Work) -> Mapping[str, Any]:
    ask = [chosen.where.command, "info"]
    completed = work.run([*ask, "--part_info", artifact.name], SHORT_S)
    if completed.returncode != 0 and not completed.timed_out:
        completed = work.run([*ask, artifact.name], SHORT_S)  # Older toolchains know no such option.
    write_new(work.workdir / INFO_LOG, completed.output)
    if completed.timed_out or completed.returncode != 0:
        return {}
    info = pulsar_figures.parse_info(completed.output)
    return {} if isinstance(info, Failure) else info


def _reports(workdir: Path) -> list[Path]:
    found = sorted((workdir / REPORTS).rglob("inference_report.log"))
    return [report for report in found if is_regular(report)]


def not_to_simulate(model: OnnxModel, chosen: Settings) -> str | None:
    """Why `pulsar run` is not called for this model; None where it is."""
    if not chosen.simulate:
        return "switched off"
    return None if len(model.inputs) == 1 else "not done: the model has several inputs"
