"""Pulsar 1: `pulsar build` to a .joint, `run_joint` on AX620A boards."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from npubench.backends import options
from npubench.backends.axera import base, job_files, logs, pulsar_figures, run_joint, toolchain
from npubench.backends.axera.base import AxeraBackend, Recipe, saved_another
from npubench.backends.axera.pulsar_figures import INFO_LOG, REPORTS, RUN_LOG
from npubench.backends.axera.run_joint import parse_run_joint, wrong_rounds
from npubench.backends.axera.toolchain import SHORT_S, Bench, Where, wrong_mode
from npubench.backends.signature import Signature, converted, ran_another
from npubench.domain.errors import UsageError
from npubench.domain.protocols import Session
from npubench.domain.records import (
    Artifact,
    Completed,
    Failure,
    FailureClass,
    Figures,
    LogCase,
    OnnxModel,
    Stage,
)
from npubench.domain.specs import Options, Target, TimingProtocol
from npubench.storage.files import is_regular, write_new
from npubench.tools.board_runner import upload_verified


class PulsarBackend(AxeraBackend):
    """`estimate` is the compiler's simulation, `measure` the board's clock."""

    name: ClassVar[str] = "pulsar"
    fix: ClassVar[str] = (
        "load the vendor's image (docker load -i FILE) and name it as backend_options.image "
        "in a board file of your own, or put pulsar on PATH"
    )

    left_by_simulation: ClassVar[tuple[str, ...]] = (RUN_LOG,)

    def check(self, chip: str) -> None:
        """Raises UsageError for a board's options that cannot be used."""
        settings(self._options, chip)

    def runner(self) -> tuple[str, Sequence[str]]:
        """`run_joint`. Raises UsageError."""
        return "run_joint", (options.text(self._options, "run_joint", RUN_JOINT),)

    def where(self, given: Options) -> Where:
        """The place of the toolchain. Raises UsageError."""
        return where(given)

    def lay_out(self, model: OnnxModel, target: Target, workdir: Path) -> Recipe | Failure:
        """Model, calibration set and config.prototxt. Raises UsageError."""
        chosen = settings(target.options, target.chip)
        calibration = lay_out(model, target, chosen, workdir)
        if isinstance(calibration, Failure):
            return calibration
        kept = {
            "npu_mode": chosen.npu_mode,
            "target_hardware": chosen.target_hardware,
            "output_layout": chosen.output_layout,
            "run_joint": chosen.run_joint,
            **({"run_joint_mode": chosen.run_joint_mode} if chosen.run_joint_mode else {}),
            "calibration_samples": calibration.samples,
            "calibration_format": "png" if calibration.pictures else "bin",
            "build_command": build_argv(model, chosen),
            **({"image": chosen.where.image} if chosen.where.image else {}),
        }
        return Recipe(
            chosen.where,
            kept,
            lambda bench, deadline, log: make(model, chosen, bench, workdir, deadline, log),
            calibration.chosen.use(1 if chosen.simulate and len(model.inputs) == 1 else 0),
        )

    def lay_out_simulation(self, artifact: Artifact, target: Target, workdir: Path) -> str | None:  # noqa: ARG002 - the base's
        """Nothing: the sample was kept with the artifact."""
        return not_to_simulate(artifact.onnx, settings(target.options, target.chip))

    def run_simulation(
        self, model: OnnxModel, target: Target, artifact: Path, bench: Bench, log: Path
    ) -> str:
        """`pulsar run` beside the ONNX model."""
        chosen, deadline = (
            settings(target.options, target.chip),
            base.Deadline(target.deadline_s),
        )
        return simulate(model, chosen, artifact, bench, artifact.parent, deadline, log)

    def estimate(self, artifact: Artifact) -> Figures | None:
        """The simulation of the build host: inference reports of all parts, accuracy of `pulsar run`."""
        return pulsar_figures.simulated(artifact)

    def read_log(self, text: str) -> tuple[LogCase, ...]:
        """Logs of `pulsar build`, inference reports, output of run_joint: alone or in one log."""
        return logs.read_log(text)

    def measure(
        self, artifact: Artifact, session: Session, timing: TimingProtocol, deadline_s: float, log: Path
    ) -> Figures | Failure:
        """Several calls of run_joint on the file whose hash the board told. Raises BoardError."""
        uploaded = upload_verified(artifact, (), session, log)
        if isinstance(uploaded, Failure):
            return uploaded
        path = uploaded[0]
        npu_mode = str(artifact.settings["npu_mode"])
        command = str(artifact.settings["run_joint"])
        runner = base.Runner(
            "run_joint",
            _argv(command, artifact.settings.get("run_joint_mode")),
            partial(parse_run_joint, exited_well=True),
            pulsar_figures.round_of,
            wrong_rounds,
        )
        calls = base.measure_rounds(runner, path, session, timing, deadline_s, log)
        if isinstance(calls, Failure):
            return calls
        wanted = JOINT_MODES[npu_mode]
        for call in calls:
            if call.npu_mode not in (None, wanted):
                return wrong_mode("run_joint", f"{npu_mode} ({wanted})", call.npu_mode)
            told, model = run_joint.of_run_joint(call.inputs, call.outputs), artifact.onnx
            if other := ran_another("run_joint", model.inputs, model.outputs, told, run_joint.PULSAR):
                return other
        return pulsar_figures.measured(calls, npu_mode, artifact)


def _argv(command: str, mode: str | None) -> Callable[[str, int, int], list[str]]:
    def argv(file: str, warmup: int, repeat: int) -> list[str]:
        asked = ["--mode", mode] if mode else []
        return [command, file, *asked, "--repeat", str(repeat), "--warmup", str(warmup)]

    return argv


CONFIG = "config.prototxt"
FULL_CONFIG = "output_config.prototxt"
SAMPLE = "sample"
RUN_JOINT = "/opt/bin/run_joint"
HARDWARE = {"AX620A": "AX620", "AX620U": "AX620"}
PACKED = frozenset({"nv12", "nv21"})
VENDOR_SHM_SIZE = "32g"
KNOWN = (
    *toolchain.WHERE,
    "npu_mode",
    "target_hardware",
    "output_layout",
    "input_color",
    "simulate",
    "run_joint",
    "run_joint_mode",
)
JOINT_MODES = {"111": "1_1", "112": "1_1", "0": "disable"}
"""What run_joint calls the virtual NPU mode that a model of each build mode needs."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Options of a board for Pulsar 1. `simulate` runs the compiled model on the host beside the ONNX one.

    `run_joint_mode` is the runner's `--mode`; without it the runner takes the mode from the model.
    """

    where: Where
    npu_mode: str
    target_hardware: str
    output_layout: str
    input_colour: str | None
    simulate: bool
    run_joint: str
    run_joint_mode: str | None = None


def where(given: Options) -> Where:
    """The place of the toolchain, all options checked. Raises UsageError."""
    return settings(given, next(iter(HARDWARE))).where


def settings(given: Options, chip: str) -> Settings:
    """A board's options, checked. Raises UsageError."""
    options.check_known(given, KNOWN)
    if "target_hardware" not in given and chip not in HARDWARE:
        raise UsageError(f"pulsar does not know chip {chip}: set backend_options.target_hardware (AX620)")
    colour = options.choice(given, "input_color", job_files.COLOURS, "") if given.get("input_color") else None
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


def lay_out(
    model: OnnxModel, target: Target, chosen: Settings, workdir: Path
) -> job_files.Calibration | Failure:
    """Put model, calibration set and configuration into the folder."""
    dtype = job_files.unsupported_dtype(model)
    if dtype is not None:
        message = f"pulsar takes no calibration data of type {dtype}: give the model another input type"
        return Failure(Stage.COMPILE, FailureClass.UNSUPPORTED_ATTRIBUTE, message)
    job_files.lay_out_model(model, workdir)
    calibration = job_files.lay_out_calibration(model, target.calibration, workdir, "bin")
    if isinstance(calibration, Failure):
        return calibration
    config = job_files.Build(
        target_hardware=chosen.target_hardware,
        npu_mode=chosen.npu_mode,
        output_layout=chosen.output_layout,
        input_colour=chosen.input_colour,
        calibration=calibration.files,
        samples=calibration.samples,
        pictures=calibration.pictures,
    )
    (workdir / CONFIG).write_text(job_files.config(model, config), encoding="ascii")
    if not_to_simulate(model, chosen) is None:
        _lay_out_sample(model, calibration, workdir)
    return calibration


def build_argv(model: OnnxModel, chosen: Settings) -> list[str]:
    """The build's command line, relative to the job's folder."""
    name = job_files.stem(model)
    return [
        chosen.where.command, "build", "--input", f"{name}.onnx", "--output", f"{name}.joint",
        "--config", CONFIG, "--output_config", FULL_CONFIG, "--virtual_npu", chosen.npu_mode,
    ]  # fmt: skip


def make(
    model: OnnxModel, chosen: Settings, bench: Bench, workdir: Path, deadline: base.Deadline, log: Path
) -> base.Built | Failure:
    """Build, and let the tool say what it made. Raises BoardError of a build host."""
    artifact = workdir / f"{job_files.stem(model)}.joint"
    failure = base.build(bench, build_argv(model, chosen), artifact.name, workdir, deadline, log)
    if failure is not None:
        return failure
    build_log = (workdir / base.BUILD_LOG).read_text(encoding="utf-8")
    other = saved_another(build_log, artifact.name)
    if other is not None:
        message = f"pulsar says that it saved {other}, not this job's {artifact.name}"
        return Failure(Stage.COMPILE, FailureClass.WRONG_ARTIFACT, message)
    info = _info(chosen, artifact, bench, workdir, deadline, log)
    if info is not None and info.npu_mode not in (None, chosen.npu_mode):
        message = f"the .joint is for NPU mode {info.npu_mode}, {chosen.npu_mode} was asked for"
        return Failure(Stage.COMPILE, FailureClass.WRONG_NPU_MODE, message)
    # What it says of a picture in NV12 are the sizes of its bytes.
    told = run_joint.of_info((workdir / INFO_LOG).read_text(encoding="utf-8"))
    if chosen.input_colour in PACKED:
        told = Signature(None, told.outputs)
    if changed := converted("pulsar", model.inputs, model.outputs, told, run_joint.PULSAR):
        return changed
    notes: dict[str, Any] = {"system_memory_bytes": info.memory_bytes if info else None}
    found = sorted((workdir / REPORTS).rglob("inference_report.log"))
    reports = [report for report in found if is_regular(report)]
    old = [report for report in reports if not base.is_new(report, workdir)]
    if old:
        notes["reports_of_another_job"] = len(old)
    kept = [workdir / name for name in (CONFIG, FULL_CONFIG, base.BUILD_LOG, INFO_LOG, RUN_LOG)]
    extras = [path for path in kept if is_regular(path)] + [path for path in reports if path not in old]
    # The sample that `simulate` runs it on, a step of its own.
    extras += [path for path in sorted(workdir.glob(f"{SAMPLE}.*")) if is_regular(path)]
    return base.Built(artifact, tuple(extras), notes)


def _info(
    chosen: Settings, artifact: Path, bench: Bench, workdir: Path, deadline: base.Deadline, log: Path
) -> pulsar_figures.JointInfo | None:
    def ask(*options: str) -> Completed:
        argv = [chosen.where.command, "info", *options, artifact.name]
        return bench.run(argv, min(SHORT_S, deadline.left()), log)

    completed = ask("--part_info")
    if completed.returncode != 0 and not completed.timed_out:
        completed = ask()  # Older toolchains know no such option.
    write_new(workdir / INFO_LOG, completed.output)
    if completed.timed_out or completed.returncode != 0:
        return None
    info = pulsar_figures.parse_info(completed.output)
    return None if isinstance(info, Failure) else info


def not_to_simulate(model: OnnxModel, chosen: Settings) -> str | None:
    """Why `pulsar run` is not called for this model; None where it is."""
    if not chosen.simulate:
        return "switched off"
    return None if len(model.inputs) == 1 else "not done: the model has several inputs"


def simulate(
    model: OnnxModel,
    chosen: Settings,
    artifact: Path,
    bench: Bench,
    workdir: Path,
    deadline: base.Deadline,
    log: Path,
) -> str:
    """Run the .joint on the host; what became of it in one line. Its scores are read by `estimate`."""
    sample = next(workdir.glob(f"{SAMPLE}.*"), None)
    if sample is None:
        return "not done: the sample was not kept"
    argv = [
        chosen.where.command, "run", f"{job_files.stem(model)}.onnx", artifact.name, "--input", sample.name,
        "--config", FULL_CONFIG, "--output_gt", "gt",
    ]  # fmt: skip
    completed = bench.run(argv, deadline.left(), log)
    write_new(workdir / RUN_LOG, completed.output)
    if completed.timed_out:
        return "did not end in time"
    return "done" if completed.returncode == 0 else f"failed with exit code {completed.returncode}"


def _lay_out_sample(model: OnnxModel, calibration: job_files.Calibration, workdir: Path) -> None:
    sample = calibration.chosen.evaluation()[0]
    picture = model.preprocessing if calibration.pictures else None
    ending, content = job_files.sample_file(sample[model.inputs[0].name], picture, "bin")
    (workdir / f"{SAMPLE}.{ending}").write_bytes(content)
