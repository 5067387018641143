"""An .axmodel out of an ONNX model: configuration and `pulsar2 build`."""

from dataclasses import dataclass
from pathlib import Path

from npubench.backends.axera import build, options, pulsar2_config
from npubench.backends.axera.artifact_check import saved_another
from npubench.backends.axera.options import Where
from npubench.backends.axera.toolchain import Bench
from npubench.errors import UsageError
from npubench.records import Failure, FailureClass, OnnxModel, Stage
from npubench.regular import is_regular
from npubench.specs import Options, Target

AX_RUN_MODEL = "/opt/bin/ax_run_model"
CONFIG = "config.json"
OUTPUT_DIR = "output"
HARDWARE = {"AX650N": "AX650", "AX650": "AX650", "AX630C": "AX620E", "AX620Q": "AX620E", "AX620E": "AX620E"}
KNOWN = (*options.WHERE, "npu_mode", "target_hardware", "ax_run_model")


@dataclass(frozen=True, slots=True)
class Settings:
    """Options of a board for Pulsar 2."""

    where: Where
    npu_mode: str
    target_hardware: str
    ax_run_model: str


def settings(given: Options, chip: str) -> Settings:
    """A board's options, checked. Raises UsageError."""
    options.check_known(given, KNOWN)
    if "target_hardware" not in given and chip not in HARDWARE:
        known = ", ".join(sorted(HARDWARE))
        raise UsageError(f"pulsar2 knows {known}, not {chip}: set backend_options.target_hardware")
    return Settings(
        where=options.where(given, "pulsar2"),
        npu_mode=options.choice(given, "npu_mode", pulsar2_config.NPU_MODES, "NPU1"),
        target_hardware=options.text(given, "target_hardware", HARDWARE.get(chip, "")),
        ax_run_model=options.text(given, "ax_run_model", AX_RUN_MODEL),
    )


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
        model, chosen.npu_mode, calibration.files, calibration.samples, calibration.pictures
    )
    (workdir / CONFIG).write_text(text, encoding="ascii")
    return calibration


def build_argv(model: OnnxModel, chosen: Settings) -> list[str]:
    """The build's command line, relative to the job's folder."""
    name = build.stem(model)
    return [
        chosen.where.command, "build", "--target_hardware", chosen.target_hardware, "--input", f"{name}.onnx",
        "--output_dir", OUTPUT_DIR, "--output_name", f"{name}.axmodel", "--config", CONFIG,
        "--npu_mode", chosen.npu_mode,
    ]  # fmt: skip


def make(
    model: OnnxModel, chosen: Settings, bench: Bench, workdir: Path, deadline: build.Deadline, log: Path
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
    context = workdir / OUTPUT_DIR / "build_context.json"
    kept = (workdir / CONFIG, workdir / build.BUILD_LOG, context)
    return build.Built(artifact, tuple(path for path in kept if is_regular(path)), {})
