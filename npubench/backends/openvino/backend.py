"""The backend on npubench's side: conversion by the worker, timing by OpenVINO's own benchmark_app."""

import math
import re
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

from npubench.backends.isolated.backend import (
    OUT_OF_MEMORY,
    IsolatedBackend,
    answer_of,
    failed,
    with_accuracy,
)
from npubench.backends.openvino import benchmark_app, layers
from npubench.backends.openvino.benchmark_app import Report
from npubench.backends.options import text
from npubench.backends.signature import ran_another
from npubench.domain.errors import BoardError
from npubench.domain.figures import Figures, Kind, Latency
from npubench.domain.protocols import Session
from npubench.domain.records import Artifact, Failure, FailureClass, OnnxModel, Stage
from npubench.domain.specs import Precision, Target, TimingProtocol
from npubench.domain.text import last_line
from npubench.graph.layer_nodes import node_graph
from npubench.tools import environments
from npubench.tools.board_runner import find_tool, inside, run_rounds, temporary_directory, upload_verified

COUNTING_DEADLINE_S = 300.0
"""For the runs that count layers, with loading."""

_NO_RULE = re.compile(r"No conversion rule found for operations: (.+)")
_UNSUPPORTED = re.compile(r"does(?: not|n't) support|[Uu]nsupported|[Nn]ot supported")
_VERSION = re.compile(r"-\d+$")


class OpenVinoBackend(IsolatedBackend):
    """FP32 as it is, INT8 by NNCF. `device` of a board is CPU (as given) or NPU."""

    name: ClassVar[str] = "openvino"
    environment: ClassVar[str] = "openvino"
    worker: ClassVar[Path] = Path(__file__).with_name("worker.py")
    precisions: ClassVar[tuple[Precision, ...]] = (Precision.FP32, Precision.INT8)
    known: ClassVar[tuple[str, ...]] = ("device", "benchmark_app")

    def check(self, chip: str) -> None:
        """Raises UsageError for a board's options that cannot be used."""
        super().check(chip)
        text(self._options, "device", "CPU")
        self.runner()

    def job(self, model: OnnxModel, target: Target) -> dict[str, Any]:
        """Precision and device. Raises UsageError."""
        return {"precision": target.precision.value, "device": text(self._options, "device", "CPU")}

    def explain(self, error: Mapping[str, Any], tool_output: str) -> Failure:
        """By OpenVINO's own words."""
        error_text = str(error["text"])
        if match := _NO_RULE.search(error_text):
            names = (name.strip().rpartition(".")[2] for name in match[1].split(","))
            operators = tuple(dict.fromkeys(_VERSION.sub("", name) for name in names))
            message = f"OpenVINO has no conversion for {', '.join(operators)}"
            return failed(FailureClass.UNSUPPORTED_OPERATOR, message, error, operators)
        line = f"{error['type']}: {last_line(error_text.strip(), 'without a word')}"
        if OUT_OF_MEMORY.search(f"{error['type']} {error_text}"):
            return failed(FailureClass.OUT_OF_MEMORY, line, error)
        if error_text.startswith("no device "):
            return failed(FailureClass.TOOL_MISSING, error_text, error)
        known = FailureClass.UNSUPPORTED_ATTRIBUTE if _UNSUPPORTED.search(line) else FailureClass.TOOL_ERROR
        return failed(known, f"OpenVINO: {line}", error)

    read_log = staticmethod(benchmark_app.read_log)

    def measure(
        self, artifact: Artifact, session: Session, timing: TimingProtocol, deadline_s: float, log: Path
    ) -> Figures | Failure:
        """A call of benchmark_app a round; the device that really ran is asserted. Raises BoardError."""
        app = find_tool(self._apps(), "benchmark_app", session, log)
        if isinstance(app, Failure):
            return app
        weights = [part for part in artifact.extras if part.suffix == ".bin"]
        uploaded = upload_verified(artifact, weights, session, log)
        if isinstance(uploaded, Failure):
            return uploaded
        device = str(artifact.settings["device"])

        def call(_repeat: int, left_s: float) -> Report | Failure:
            with temporary_directory(session, log) as folder:
                # A board keeps each file in a folder of its own; the app wants the weights beside the model.
                session.run(["ln", "-s", *map(str, uploaded), str(folder)], left_s, log)
                argv = _argv(app, folder / uploaded[0].name, device, timing)
                return _round(argv, device, folder, session, left_s, log, artifact.onnx)

        reports = run_rounds("benchmark_app", call, lambda one: one.mean_us, timing, deadline_s)
        if isinstance(reports, Failure):
            return reports
        figures = _figures(artifact, reports, device)
        try:
            with temporary_directory(session, log) as folder:
                session.run(["ln", "-s", *map(str, uploaded), str(folder)], deadline_s, log)
                argv = _counting(app, folder / uploaded[0].name, device)
                timeout_s = min(deadline_s, COUNTING_DEADLINE_S)
                return _with_layers(figures, argv, device, folder, session, timeout_s, log, artifact.onnx)
        except BoardError as error:
            # What was measured before is there.
            return replace(figures, no_layers=str(error))

    def runner(self) -> tuple[str, Sequence[str]]:
        """`benchmark_app`. Raises UsageError."""
        return "benchmark_app", self._apps()

    def _apps(self) -> list[str]:
        """Where benchmark_app may be: as the board says, else of the environment here, else in PATH."""
        if "benchmark_app" in self._options:
            return [text(self._options, "benchmark_app", "")]
        installed = environments.find(self._environment())
        return [*([str(installed.path / "bin/benchmark_app")] if installed else []), "benchmark_app"]


def _argv(app: str, path: PurePosixPath, device: str, timing: TimingProtocol) -> list[str]:
    """One stream, one request at a time: the latency of one inference. Both limits are lower ones."""
    seconds = max(1, math.ceil(timing.min_duration_s / max(1, timing.rounds)))
    return [
        app, "-m", str(path), "-d", device, "-hint", "none", "-nstreams", "1", "-api", "sync",
        "-niter", str(timing.repeat), "-t", str(seconds), "-json_stats", "-report_type", "no_counters",
    ]  # fmt: skip


def _counting(app: str, path: PurePosixPath, device: str) -> list[str]:
    """The same with counters, which cost time themselves: a call of its own."""
    return [
        app, "-m", str(path), "-d", device, "-hint", "none", "-nstreams", "1", "-api", "sync",
        "-niter", str(layers.RUNS), "-t", str(layers.SECONDS), "-pc", "-report_type", "average_counters",
    ]  # fmt: skip


def _with_layers(
    figures: Figures, argv: list[str], device: str, folder: PurePosixPath, session: Session,
    timeout_s: float, log: Path, model: OnnxModel,
) -> Figures:  # fmt: skip
    """With what the app counts for each operation; why not is told, and no failure of the figures."""
    done = session.run(inside(folder, [*argv, "-report_folder", str(folder)]), timeout_s, log)
    if failure := benchmark_app.failure_of_run(done):
        return replace(figures, no_layers=failure.message)
    told = ""
    if session.run(["test", "-f", str(folder / layers.REPORT)], timeout_s, log).returncode == 0:
        with tempfile.TemporaryDirectory() as here:
            report = Path(here) / layers.REPORT
            session.get(folder / layers.REPORT, report)
            told = report.read_text(encoding="utf-8", errors="replace")
    run = layers.run_of(done.output)
    counters = layers.parse_counters(told)
    table = layers.table_of(counters, run, device, node_graph(model.path)) if run else None
    return replace(figures, layers=table, no_layers="" if table else "benchmark_app wrote no counters")


def _round(
    argv: list[str], device: str, folder: PurePosixPath, session: Session, timeout_s: float, log: Path,
    model: OnnxModel,
) -> Report | Failure:  # fmt: skip
    done = session.run(inside(folder, [*argv, "-report_folder", str(folder)]), timeout_s, log)
    if failure := benchmark_app.failure_of_run(done):
        return failure
    ran_on = benchmark_app.execution_devices(done.output)
    if ran_on != (device,):
        message = f"asked for {device}, benchmark_app ran on {', '.join(ran_on) or 'it does not say what'}"
        return Failure(Stage.MEASURE, FailureClass.TOOL_ERROR, message)
    if other := ran_another("benchmark_app", model, benchmark_app.tensors_of(done.output)):
        return other
    there = str(folder / benchmark_app.REPORT)
    if session.run(["test", "-f", there], timeout_s, log).returncode != 0:
        return benchmark_app.parse_report("")
    with tempfile.TemporaryDirectory() as here:
        report = Path(here) / benchmark_app.REPORT
        session.get(folder / benchmark_app.REPORT, report)
        return benchmark_app.parse_report(report.read_text(encoding="utf-8", errors="replace"))


def _figures(artifact: Artifact, reports: Sequence[Report], device: str) -> Figures:
    n = sum(report.runs for report in reports)
    medians = tuple(report.median_us for report in reports)
    found = Latency(
        n=n,
        mean=sum(report.mean_us * report.runs for report in reports) / n,
        min=min(report.min_us for report in reports),
        max=max(report.max_us for report in reports),
        rounds_p50=medians,
        spread=(max(medians) - min(medians)) / statistics.median(medians) if len(medians) > 1 else None,
    )
    answer = answer_of(artifact) or {}
    figures = Figures(
        kind=Kind.MEASURED,
        latency_us=found,
        load_us=statistics.fmean(report.compile_us for report in reports),
        placement=dict.fromkeys(artifact.onnx.operators, device),
        artifact_sha256=artifact.sha256,
        statistic=benchmark_app.STATISTIC,
        calls_overlap=True,
        # The app multiplies by a batch that it guesses from the layout.
        tool_throughput_fps=statistics.fmean(report.throughput_fps for report in reports),
        details={
            "call_medians_us": list(medians),
            "runs_per_call": [report.runs for report in reports],
            "first_inference_us": [report.first_us for report in reports],
            "execution_devices": [device],
            "quantised_operators": answer.get("quantised_operators"),
        },
    )
    return with_accuracy(figures, answer)
