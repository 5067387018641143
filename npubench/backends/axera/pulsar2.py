"""Pulsar 2: `pulsar2 build` to an .axmodel, `ax_run_model` on boards, `axcl_run_model` beside cards."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

from npubench.backends import options
from npubench.backends.axera import base, job_files, logs, pulsar2_log, pulsar2_run, toolchain
from npubench.backends.axera.base import AxeraBackend, Recipe, saved_another
from npubench.backends.axera.pulsar2_analyses import PRECISION
from npubench.backends.axera.pulsar2_run import parse_ax_run_model, wrong_repeat
from npubench.backends.axera.toolchain import Bench, Where, wrong_mode
from npubench.backends.signature import Tolerance, converted, signature_of_file
from npubench.domain.errors import UsageError
from npubench.domain.figures import part_of_npu
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
from npubench.storage.files import is_regular
from npubench.tools.board_runner import upload_verified

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
        settings(self._options, chip)

    def runner(self) -> tuple[str, Sequence[str]]:
        """The program that the board's options name, and where it lies. Raises UsageError."""
        name, path = runner_of(self._options)
        return name, (path,)

    def where(self, given: Options) -> Where:
        """The place of the toolchain. Raises UsageError."""
        return where(given)

    def lay_out(self, model: OnnxModel, target: Target, workdir: Path) -> Recipe | Failure:
        """Model, calibration set and config.json. Raises UsageError."""
        chosen = settings(target.options, target.chip)
        calibration = lay_out(model, target, chosen, workdir)
        if isinstance(calibration, Failure):
            return calibration
        kept = {
            "npu_mode": chosen.npu_mode,
            "target_hardware": chosen.target_hardware,
            "runner": chosen.runner,
            "runner_path": chosen.runner_path,
            **({} if chosen.card is None else {"card": chosen.card}),
            **({} if chosen.npu_clock_mhz is None else {"npu_clock_mhz": chosen.npu_clock_mhz}),
            "precision_analysis": chosen.precision_analysis,
            "calibration_samples": calibration.samples,
            "calibration_format": "png" if calibration.pictures else "npy",
            "build_command": build_argv(model, chosen),
            **({"image": chosen.where.image} if chosen.where.image else {}),
        }
        return Recipe(
            chosen.where,
            kept,
            lambda bench, deadline, log: make(model, chosen, bench, workdir, deadline, log),
            calibration.chosen.use(0),
        )

    def lay_out_simulation(self, artifact: Artifact, target: Target, workdir: Path) -> str | None:
        """Samples, and FP32's beside them."""
        if not settings(target.options, target.chip).simulate:
            return "switched off"
        pictures = artifact.settings.get("calibration_format") == "png"
        return pulsar2_run.lay_out(artifact.onnx, target, pictures, workdir)

    def run_simulation(
        self, model: OnnxModel, target: Target, artifact: Path, bench: Bench, log: Path
    ) -> str:
        """`pulsar2 run`, and FP32's outputs to compare with."""
        argv = pulsar2_run.run_argv(self.where(target.options).command, artifact.name)
        deadline = base.Deadline(target.deadline_s)
        return pulsar2_run.simulate(model, argv, bench, artifact.parent, deadline, log)

    def wrong_outputs(self, workdir: Path) -> str:
        """What the comparison with FP32 says."""
        return str(pulsar2_run.answer_of([workdir / pulsar2_run.ANSWER]).get("wrong") or "")

    def estimate(self, artifact: Artifact) -> Figures | None:
        """MACs, cycles, placement and accuracy as compiler and simulator tell them; None without a log."""
        return pulsar2_log.simulated(artifact)

    def read_log(self, text: str) -> tuple[LogCase, ...]:
        """Logs of `pulsar2 build`, precision tables, timelines, output of the runners."""
        return logs.read_pulsar2_log(text)

    def measure(
        self, artifact: Artifact, session: Session, timing: TimingProtocol, deadline_s: float, log: Path
    ) -> Figures | Failure:
        """Several calls of the runner on the file whose hash the board told; placement is the compiler's.

        Raises BoardError.
        """
        placed = pulsar2_log.placement(artifact)
        if placed and "NPU" not in placed.values():
            message = f"the compiler left {', '.join(placed)} to the CPU: a time would not be the NPU's"
            return Failure(Stage.MEASURE, FailureClass.UNSUPPORTED_OPERATOR, message[:300], tuple(placed))
        uploaded = upload_verified(artifact, (), session, log)
        if isinstance(uploaded, Failure):
            return uploaded
        path = uploaded[0]
        npu_mode = str(artifact.settings["npu_mode"])
        name = str(artifact.settings.get("runner", "ax_run_model"))
        runner = base.Runner(
            name,
            partial(runner_argv, artifact.settings),
            parse_ax_run_model,
            pulsar2_log.round_of,
            wrong_repeat,
        )
        calls = base.measure_rounds(runner, path, session, timing, deadline_s, log)
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
        figures = pulsar2_log.measured(calls, npu_mode, artifact.sha256)
        return replace(
            figures,
            placement=placed,
            computed=pulsar2_log.shares(placed, artifact),
            bounds=part_of_npu(npu_mode, str(artifact.settings.get("target_hardware"))),
            no_accuracy=NoAccuracy.NO_OUTPUTS,
            no_accuracy_why=f"{name} gives no outputs",
        )


CONFIG = "config.json"
OUTPUT_DIR = "output"
TRACES = "compiler/debug"
HARDWARE = {
    "AX650N": "AX650", "AX650A": "AX650", "AX650": "AX650", "AX8850": "AX650",
    "AX630C": "AX620E", "AX620Q": "AX620E", "AX620E": "AX620E",
    "AX615": "AX615", "AX637": "AX637", "M57": "M57", "M76H": "M76H",
}  # fmt: skip
"""What `--target_hardware` calls each chip: by the quick start pages of the Pulsar 2 documentation (that of
AX650 names AX8850 among its chips; ax615, ax637, ax620e, m57), M76H by its list of the option's values."""
RUNNERS = {"ax_run_model": "/opt/bin/ax_run_model", "axcl_run_model": "/usr/bin/axcl/axcl_run_model"}
"""The board's runner, and that of a PCIe or M.2 card's host, where each is installed."""
KNOWN = (
    *toolchain.WHERE,
    *RUNNERS,
    "npu_mode",
    "target_hardware",
    "runner",
    "card",
    "npu_clock_mhz",
    "precision_analysis",
    "npu_perf",
    "simulate",
)
AXMODEL = Tolerance(
    layout="inputs lie as the input processors say, pictures as NHWC",
    dtypes={
        "float64": ("float32",),
        "float32": ("uint8", "int8", "uint16", "int16", "float16"),
        "float16": ("float32", "uint8", "int8", "uint16", "int16"),
        "int64": ("int32",),
        "bool": ("uint8", "int8"),
    },
    dtypes_why="pictures go in as bytes, and the compiler knows no 64 bits",
)
"""What an .axmodel, which is an ONNX graph around the compiled parts, differs in; it keeps names."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Options of a board for Pulsar 2.

    `runner` is the name of the program that measures, `runner_path` where it lies, `card` the index of the
    card that axcl_run_model is to use. `precision_analysis` says what the compiler compares every layer by,
    `npu_perf` asks for its timeline, `simulate` runs the compiled model on the build host.
    """

    where: Where
    npu_mode: str
    target_hardware: str
    runner: str
    runner_path: str
    card: int | None
    npu_clock_mhz: float | None
    precision_analysis: str
    npu_perf: bool
    simulate: bool


def settings(given: Options, chip: str) -> Settings:
    """A board's options, checked. Raises UsageError."""
    options.check_known(given, KNOWN)
    if "target_hardware" not in given and chip not in HARDWARE:
        known = ", ".join(sorted(HARDWARE))
        raise UsageError(f"pulsar2 knows {known}, not {chip}: set backend_options.target_hardware")
    runner, runner_path = runner_of(given)
    card = options.count(given, "card")
    if card is not None and runner != "axcl_run_model":
        raise UsageError('backend_options.card is of runner = "axcl_run_model" alone')
    return Settings(
        where=toolchain.place_of(given, "pulsar2"),
        npu_mode=options.choice(given, "npu_mode", job_files.PULSAR2_NPU_MODES, "NPU1"),
        target_hardware=options.text(given, "target_hardware", HARDWARE.get(chip, "")),
        runner=runner,
        runner_path=runner_path,
        card=card,
        npu_clock_mhz=options.positive(given, "npu_clock_mhz"),
        precision_analysis=_analysis(given),
        npu_perf=options.switch(given, "npu_perf", False),
        simulate=options.switch(given, "simulate", True),
    )


def runner_of(given: Options) -> tuple[str, str]:
    """The name of the program that measures, and where it lies on the board. Raises UsageError."""
    runner = options.choice(given, "runner", tuple(RUNNERS), "ax_run_model")
    return runner, options.text(given, runner, RUNNERS[runner])


def _analysis(given: Options) -> str:
    """Also true and false: the documented way of asking for it says no more."""
    value = given.get("precision_analysis", False)
    if isinstance(value, bool):
        return job_files.ANALYSES[1 if value else 0]
    return options.choice(given, "precision_analysis", job_files.ANALYSES, job_files.ANALYSES[0])


def where(given: Options) -> Where:
    """The place of the toolchain, all options checked. Raises UsageError."""
    return settings(given, next(iter(HARDWARE))).where


def lay_out(
    model: OnnxModel, target: Target, chosen: Settings, workdir: Path
) -> job_files.Calibration | Failure:
    """Put model, calibration set and configuration into the folder."""
    job_files.lay_out_model(model, workdir)
    calibration = job_files.lay_out_calibration(model, target.calibration, workdir, "npy")
    if isinstance(calibration, Failure):
        return calibration
    text = job_files.pulsar2_config(
        model,
        chosen.npu_mode,
        calibration.files,
        calibration.samples,
        calibration.pictures,
        chosen.precision_analysis,
    )
    (workdir / CONFIG).write_text(text, encoding="ascii")
    return calibration


def build_argv(model: OnnxModel, chosen: Settings) -> list[str]:
    """The build's command line, relative to the job's folder."""
    name = job_files.stem(model)
    return [
        chosen.where.command, "build", "--target_hardware", chosen.target_hardware, "--input", f"{name}.onnx",
        "--output_dir", OUTPUT_DIR, "--output_name", f"{name}.axmodel", "--config", CONFIG,
        "--npu_mode", chosen.npu_mode, *(("--compiler.npu_perf",) if chosen.npu_perf else ()),
    ]  # fmt: skip


def runner_argv(chosen: Mapping[str, Any], file: str, warmup: int, repeat: int) -> list[str]:
    """The runner's command line on the board, or on the card's host; `chosen` as kept with an artifact."""
    card = chosen.get("card")
    which = [] if card is None else ["-d", str(card)]
    path = chosen.get("runner_path") or chosen["ax_run_model"]
    return [str(path), "-m", file, "-w", str(warmup), "-r", str(repeat), *which]


def make(
    model: OnnxModel,
    chosen: Settings,
    bench: Bench,
    workdir: Path,
    deadline: base.Deadline,
    log: Path,
) -> base.Built | Failure:
    """Build; the artifact lies in the folder itself afterwards. Raises BoardError of a build host."""
    name = f"{job_files.stem(model)}.axmodel"
    output = f"{OUTPUT_DIR}/{name}"
    failure = base.build(bench, build_argv(model, chosen), output, workdir, deadline, log)
    if failure is not None:
        return failure
    other = saved_another((workdir / base.BUILD_LOG).read_text(encoding="utf-8"), name)
    if other is not None:
        message = f"pulsar2 says that it saved {other}, not this job's {name}"
        return Failure(Stage.COMPILE, FailureClass.WRONG_ARTIFACT, message)
    artifact = (workdir / output).rename(workdir / name)
    told = signature_of_file(artifact)
    if changed := converted("pulsar2", model.inputs, model.outputs, told, AXMODEL):
        return changed
    own = workdir / OUTPUT_DIR
    kept = [workdir / file for file in (CONFIG, base.BUILD_LOG)]
    kept += [own / "build_context.json", own / PRECISION]
    kept += sorted((own / TRACES).glob("*/b1/trace.json")) if chosen.npu_perf else []
    extras = tuple(path for path in kept if is_regular(path))
    return base.Built(artifact, extras, {})
