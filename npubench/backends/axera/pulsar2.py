"""Pulsar 2: `pulsar2 build` to an .axmodel, `ax_run_model` on AX650, AX630C and AX620E boards."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from npubench.backends.axera import build, measuring, options, pulsar2_build
from npubench.backends.axera.ax_run_model import AxRunModel, parse_ax_run_model
from npubench.backends.axera.base import AxeraBackend, Recipe
from npubench.backends.axera.board_errors import wrong_mode
from npubench.backends.axera.measuring import Round
from npubench.backends.axera.options import Where
from npubench.backends.axera.pulsar2_log import parse_build_log
from npubench.protocols import Session
from npubench.records import Artifact, Failure, Figures, Kind, OnnxModel
from npubench.specs import Options, Target, TimingProtocol

BOARD_TYPES = {
    "NPU1": {"NPU1", "1 Core", "Half"},
    "NPU2": {"NPU2", "2 Core", "Full"},
    "NPU3": {"NPU3", "3 Core"},
}
"""What ax_run_model calls a model of each build mode: by name, by cores, or by share of the NPU."""


class Pulsar2Backend(AxeraBackend):
    """`estimate` is what the build log tells, which has no time in it; `measure` the board's clock."""

    name: ClassVar[str] = "pulsar2"
    fix: ClassVar[str] = (
        "load the vendor's image (docker load -i FILE) and name it as backend_options.image "
        "in a board file of your own, or put pulsar2 on PATH"
    )

    def check(self, chip: str) -> None:
        """Raises UsageError for a board's options that cannot be used."""
        pulsar2_build.settings(self._options, chip)

    def runner(self) -> tuple[str, Sequence[str]]:
        """`ax_run_model`. Raises UsageError."""
        return "ax_run_model", (options.text(self._options, "ax_run_model", pulsar2_build.AX_RUN_MODEL),)

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
            "ax_run_model": chosen.ax_run_model,
            "calibration_samples": calibration.samples,
            "calibration_format": "png" if calibration.pictures else "npy",
            "build_command": pulsar2_build.build_argv(model, chosen),
            **({"image": chosen.where.image} if chosen.where.image else {}),
        }
        return Recipe(
            chosen.where,
            settings,
            lambda bench, deadline, log: pulsar2_build.make(model, chosen, bench, workdir, deadline, log),
        )

    def estimate(self, artifact: Artifact) -> Figures | None:
        """MACs, cycles and code size of the build log."""
        for path in artifact.extras:
            if path.name == build.BUILD_LOG:
                mode = {"npu_mode": artifact.settings.get("npu_mode")}
                figures = parse_build_log(path.read_text(encoding="utf-8", errors="replace"))
                if isinstance(figures, Failure):
                    return Figures(Kind.SIMULATED, details={"problem": figures.message, **mode})
                return Figures(
                    Kind.SIMULATED, tool_macs=figures.tool_macs, details={**figures.details, **mode}
                )
        return None

    def measure(
        self, artifact: Artifact, session: Session, timing: TimingProtocol, deadline_s: float, log: Path
    ) -> Figures | Failure:
        """Several calls of ax_run_model on the file whose hash the board told. Raises BoardError."""
        path = measuring.bring(artifact, session, log)
        if isinstance(path, Failure):
            return path
        npu_mode = str(artifact.settings["npu_mode"])
        command = str(artifact.settings["ax_run_model"])
        runner = measuring.Runner(
            "ax_run_model",
            lambda file, warmup, repeat: [command, "-m", file, "-w", str(warmup), "-r", str(repeat)],
            parse_ax_run_model,
            _round_of,
        )
        calls = measuring.measure_rounds(runner, path, session, timing, deadline_s, log)
        if isinstance(calls, Failure):
            return calls
        others = set().union(*(names for mode, names in BOARD_TYPES.items() if mode != npu_mode))
        for call in calls:
            if call.texts.get("type") in others - BOARD_TYPES[npu_mode]:
                return wrong_mode("ax_run_model", npu_mode, call.texts["type"])
        return _figures(calls, npu_mode, artifact.sha256)


def _round_of(call: AxRunModel) -> Round:
    return Round(call.mean_us, call.repeat, call.min_us, call.max_us)


def _figures(calls: Sequence[AxRunModel], npu_mode: str, artifact_sha256: str) -> Figures:
    rounds = [_round_of(call) for call in calls]
    memory = [call.cmm_bytes for call in calls if call.cmm_bytes is not None]
    texts: dict[str, Any] = {key: value for key, value in calls[-1].texts.items() if key != "model"}
    return Figures(
        kind=Kind.MEASURED,
        latency_us=measuring.latency(rounds),
        memory_bytes=max(memory) if memory else None,
        artifact_sha256=artifact_sha256,
        details={**texts, "npu_mode": npu_mode, **measuring.statistic(rounds, "ax_run_model")},
    )
