"""Pulsar 2: `pulsar2 build` to an .axmodel, `ax_run_model` on boards, `axcl_run_model` beside cards."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

from npubench.backends import options
from npubench.backends.axera import base, job_files, logs, pulsar2_log, pulsar2_run, toolchain
from npubench.backends.axera.base import AxeraBackend, Work
from npubench.backends.axera.job_files import ArrayFormat
from npubench.backends.axera.pulsar2_analyses import PRECISION
from npubench.backends.axera.pulsar2_run import AxRunModel, parse_ax_run_model, wrong_repeat
from npubench.backends.axera.toolchain import wrong_mode
from npubench.backends.signature import Signature, Tolerance, signature_of_file
from npubench.domain.errors import UsageError
from npubench.domain.figures import Figures
from npubench.domain.records import Artifact, Failure, FailureClass, LogCase, OnnxModel, Stage
from npubench.domain.specs import Options, Target

BOARD_TYPES = {
    "NPU1": {"NPU1", "1 Core", "Half"},
    "NPU2": {"NPU2", "2 Core", "Full"},
    "NPU3": {"NPU3", "3 Core"},
}
"""What ax_run_model calls a model of each build mode: by name, by cores, or by share of the NPU."""


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
    *toolchain.WHERE, *RUNNERS, "npu_mode", "target_hardware", "runner", "card", "npu_clock_mhz",
    "precision_analysis", "npu_perf", "simulate",
)  # fmt: skip
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
class Settings(base.Chosen):
    """Options of a board for Pulsar 2.

    `runner` is the name of the program that measures, `runner_path` where it lies, `card` the index of the
    card that axcl_run_model is to use. `precision_analysis` says what the compiler compares every layer by,
    `npu_perf` asks for its timeline, `simulate` runs the compiled model on the build host.
    """

    target_hardware: str
    runner: str
    runner_path: str
    card: int | None
    npu_clock_mhz: float | None
    precision_analysis: str
    npu_perf: bool
    simulate: bool


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


def runner_argv(chosen: Mapping[str, Any], file: str, warmup: int, repeat: int) -> list[str]:
    """The runner's command line on the board, or on the card's host; `chosen` as kept with an artifact."""
    card = chosen.get("card")
    which = [] if card is None else ["-d", str(card)]
    path = chosen.get("runner_path") or chosen["ax_run_model"]
    return [str(path), "-m", file, "-w", str(warmup), "-r", str(repeat), *which]


class Pulsar2Backend(AxeraBackend[Settings, AxRunModel]):
    """`estimate` is what compiler and simulator tell, `measure` the board's clock."""

    name: ClassVar[str] = "pulsar2"
    hardware: ClassVar[Mapping[str, str]] = HARDWARE
    suffix: ClassVar[str] = ".axmodel"
    output: ClassVar[str] = f"{OUTPUT_DIR}/"
    config_file: ClassVar[str] = "config.json"
    kept: ClassVar[tuple[str, ...]] = (
        "npu_mode", "target_hardware", "runner", "runner_path", "card", "npu_clock_mhz", "precision_analysis"
    )  # fmt: skip
    arrays: ClassVar[ArrayFormat] = "npy"
    tolerance: ClassVar[Tolerance] = AXMODEL
    left_by_simulation: ClassVar[tuple[str, ...]] = (pulsar2_run.RUN_LOG, pulsar2_run.ANSWER)

    def settings(self, given: Options, chip: str) -> Settings:
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

    def runner(self) -> tuple[str, Sequence[str]]:
        """The program that the board's options name, and where it lies. Raises UsageError."""
        name, path = runner_of(self._options)
        return name, (path,)

    def config(self, model: OnnxModel, chosen: Settings, calibration: job_files.Calibration) -> str:
        """The text of config.json."""
        return job_files.pulsar2_config(model, calibration, chosen.npu_mode, chosen.precision_analysis)

    def build_argv(self, model: OnnxModel, chosen: Settings) -> list[str]:
        """The build's command line, relative to the job's folder."""
        name = job_files.stem(model)
        return [
            chosen.where.command, "build", "--target_hardware", chosen.target_hardware,
            "--input", f"{name}.onnx", "--output_dir", OUTPUT_DIR, "--output_name", f"{name}.axmodel",
            "--config", self.config_file, "--npu_mode", chosen.npu_mode,
            *(("--compiler.npu_perf",) if chosen.npu_perf else ()),
        ]  # fmt: skip

    def inspect(
        self, artifact: Path, chosen: Settings, work: Work
    ) -> tuple[Signature, dict[str, Any]] | Failure:
        """The file is a graph that lists its tensors."""
        return signature_of_file(artifact), {}

    def beside(self, chosen: Settings, workdir: Path) -> list[Path]:
        """Configuration, logs, the table of precision, and the compiler's timelines where asked for."""
        own = workdir / OUTPUT_DIR
        traces = sorted((own / TRACES).glob("*/b1/trace.json")) if chosen.npu_perf else []
        kept = [workdir / self.config_file, workdir / base.BUILD_LOG]
        return [*kept, own / "build_context.json", own / PRECISION, *traces]

    def lay_out_simulation(
        self, artifact: Artifact, target: Target, chosen: Settings, workdir: Path
    ) -> str | None:
        """Samples, and FP32's beside them."""
        if not chosen.simulate:
            return "switched off"
        pictures = artifact.settings.get("calibration_format") == "png"
        return pulsar2_run.lay_out(artifact.onnx, target, pictures, workdir)

    def run_simulation(self, artifact: Path, chosen: Settings, work: Work) -> str | Failure:
        """`pulsar2 run`, and FP32's outputs to compare with."""
        outcome = pulsar2_run.simulate(pulsar2_run.run_argv(chosen.where.command, artifact.name), work)
        wrong = pulsar2_run.answer_of([work.workdir / pulsar2_run.ANSWER]).get("wrong")
        if not wrong:
            return outcome
        message = f"{self.name} built it, and {wrong}"
        return Failure(Stage.COMPILE, FailureClass.OUTPUT_MISMATCH, message)

    def estimate(self, artifact: Artifact) -> Figures | None:
        """MACs, cycles, placement and accuracy as compiler and simulator tell them; None without a log."""
        return pulsar2_log.simulated(artifact)

    def read_log(self, text: str) -> tuple[LogCase, ...]:
        """Logs of `pulsar2 build`, precision tables, timelines, output of the runners."""
        return logs.read_pulsar2_log(text)

    def unmeasurable(self, artifact: Artifact) -> Failure | None:
        """A model that the compiler left to the CPU."""
        placed = pulsar2_log.placement(artifact)
        if not placed or "NPU" in placed.values():
            return None
        message = f"the compiler left {', '.join(placed)} to the CPU: a time would not be the NPU's"
        return Failure(Stage.MEASURE, FailureClass.UNSUPPORTED_OPERATOR, message[:300], tuple(placed))

    def runner_of(self, artifact: Artifact) -> base.Runner[AxRunModel]:
        """The runner that the artifact's settings name."""
        argv = partial(runner_argv, artifact.settings)
        name = _runner_name(artifact)
        return base.Runner(name, argv, parse_ax_run_model, pulsar2_log.round_of, wrong_repeat)

    def wrong_call(self, call: AxRunModel, artifact: Artifact, path: PurePosixPath) -> Failure | None:
        """The type and the file of the model that it says it ran."""
        name, npu_mode = _runner_name(artifact), str(artifact.settings["npu_mode"])
        others = set().union(*(names for mode, names in BOARD_TYPES.items() if mode != npu_mode))
        if call.texts.get("type") in others - BOARD_TYPES[npu_mode]:
            return wrong_mode(name, npu_mode, call.texts["type"])
        ran = PurePosixPath(call.texts.get("model", str(path))).name
        if ran == path.name:
            return None
        message = f"{name} says that it ran {ran}, not this job's {path.name}"
        return Failure(Stage.MEASURE, FailureClass.WRONG_ARTIFACT, message)

    def figures_of(self, calls: Sequence[AxRunModel], artifact: Artifact) -> Figures:
        """The runner's times; placement is the compiler's."""
        return pulsar2_log.measured(calls, str(artifact.settings["npu_mode"]), artifact)


def _runner_name(artifact: Artifact) -> str:
    return str(artifact.settings.get("runner", "ax_run_model"))
