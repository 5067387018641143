"""An .axmodel out of an ONNX model: configuration, `pulsar2 build` and `pulsar2 run`."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from npubench.backends.axera import build, options, pulsar2_config
from npubench.backends.axera.artifact_check import saved_another
from npubench.backends.axera.options import Where
from npubench.backends.axera.toolchain import Bench
from npubench.backends.signature import Tolerance, converted
from npubench.backends.signature_onnx import signature_of_file
from npubench.domain.errors import UsageError
from npubench.domain.records import Failure, FailureClass, OnnxModel, Stage
from npubench.domain.specs import Options, Target
from npubench.storage.files import is_regular

CONFIG = "config.json"
OUTPUT_DIR = "output"
TRACES = "compiler/debug"
PRECISION = "quant/debug/precision_analysis_table.txt"
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
    *options.WHERE,
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
        where=options.where(given, "pulsar2"),
        npu_mode=options.choice(given, "npu_mode", pulsar2_config.NPU_MODES, "NPU1"),
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
        return pulsar2_config.ANALYSES[1 if value else 0]
    return options.choice(given, "precision_analysis", pulsar2_config.ANALYSES, pulsar2_config.ANALYSES[0])


def where(given: Options) -> Where:
    """The place of the toolchain, all options checked. Raises UsageError."""
    return settings(given, next(iter(HARDWARE))).where


def lay_out(model: OnnxModel, target: Target, chosen: Settings, workdir: Path) -> build.Calibration | Failure:
    """Put model, calibration set and configuration into the folder."""
    build.lay_out(model, workdir)
    calibration = build.lay_out_calibration(model, target.calibration, workdir, "npy")
    if isinstance(calibration, Failure):
        return calibration
    text = pulsar2_config.config(
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
    name = build.stem(model)
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
    deadline: build.Deadline,
    log: Path,
) -> build.Built | Failure:
    """Build; the artifact lies in the folder itself afterwards. Raises BoardError of a build host."""
    name = f"{build.stem(model)}.axmodel"
    output = f"{OUTPUT_DIR}/{name}"
    failure = build.build(bench, build_argv(model, chosen), output, workdir, deadline, log)
    if failure is not None:
        return failure
    other = saved_another((workdir / build.BUILD_LOG).read_text(encoding="utf-8"), name)
    if other is not None:
        message = f"pulsar2 says that it saved {other}, not this job's {name}"
        return Failure(Stage.COMPILE, FailureClass.WRONG_ARTIFACT, message)
    artifact = (workdir / output).rename(workdir / name)
    told = signature_of_file(artifact)
    if changed := converted("pulsar2", model.inputs, model.outputs, told, AXMODEL):
        return changed
    own = workdir / OUTPUT_DIR
    kept = [workdir / file for file in (CONFIG, build.BUILD_LOG)]
    kept += [own / "build_context.json", own / PRECISION]
    kept += sorted((own / TRACES).glob("*/b1/trace.json")) if chosen.npu_perf else []
    extras = tuple(path for path in kept if is_regular(path))
    return build.Built(artifact, extras, {})
