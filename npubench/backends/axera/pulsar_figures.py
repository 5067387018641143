"""Figures of Pulsar 1: what the compiler simulates, and what run_joint measures; never in one record."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from npubench.backends.axera import joint_parts, measuring, pulsar_tools
from npubench.backends.axera.inference_report import PartReport, add_parts, parse_inference_report
from npubench.backends.axera.measuring import Round
from npubench.backends.axera.pulsar_build import INFO_LOG, REPORTS, RUN_LOG
from npubench.backends.axera.run_joint import RunJoint
from npubench.domain.npu_parts import part_of_npu
from npubench.domain.records import Artifact, Computed, Failure, Figures, Kind, NoAccuracy
from npubench.graph.shares import of_types


def simulated(artifact: Artifact) -> Figures | None:
    """The inference reports of all parts, and the accuracy of the simulated execution."""
    reports = [path for path in artifact.extras if _is_part(path)]
    figures = _sum_of(reports) if reports else Figures(Kind.SIMULATED, details={"parts": 0})
    details: dict[str, Any] = {**figures.details, "npu_mode": artifact.settings.get("npu_mode")}
    parts = parts_of(artifact)
    if parts:
        details["joint_parts"] = {f"part_{part.number}": part.kind for part in parts}
    placement = joint_parts.placement(artifact.onnx.operators, {}, parts)
    figures = replace(figures, placement=placement, computed=_computed(placement, artifact))
    scores = _scores(artifact)
    if isinstance(scores, Failure):
        details["simulated_execution"] = scores.message
        return replace(figures, details=details, **_lacking(f"not read: {scores.message}"))
    if not reports and not scores:
        return None
    outputs = [tensor.name for tensor in artifact.onnx.outputs]
    if "simulated_execution" in artifact.settings:
        details["simulated_execution"] = artifact.settings["simulated_execution"]
    accuracy = pulsar_tools.accuracy(scores, outputs)
    if scores and accuracy is None:
        details["scores_of_some_outputs"] = {name: asdict(score) for name, score in scores.items()}
    part = part_of_npu(str(artifact.settings.get("npu_mode")))
    figures = replace(figures, details=details, bounds=part)
    if accuracy is not None:
        return replace(figures, accuracy=accuracy)
    ran = str(artifact.settings.get("simulated_execution", "not done"))
    missing = {"no_accuracy_why": "there are scores of some outputs only"} if scores else {}
    return replace(figures, **{**_lacking(ran), **missing})


def _lacking(what: str) -> dict[str, Any]:
    return {
        "no_accuracy": NoAccuracy.NOT_COMPARED,
        "no_accuracy_why": f"the simulated execution was {what}",
    }


def parts_of(artifact: Artifact) -> tuple[joint_parts.JointPart, ...]:
    """The parts that the toolchain lists of its .joint; none where it lists none."""
    return joint_parts.read_parts(_said(artifact, INFO_LOG))


def measured(calls: Sequence[RunJoint], npu_mode: str, artifact: Artifact | None) -> Figures:
    """Calls of run_joint as one figure: latency is the run task, the wall clock of one inference.

    The NPU's own time is `details["neu_us"]`; it leaves out what the host adds. `artifact` is what ran, where
    that is known: without it there is no placement by operator.
    """
    rounds = [round_of(call) for call in calls]
    creates = [call.create_ms for call in calls if call.create_ms is not None]
    memory = {call.cmm_bytes for call in calls if call.cmm_bytes is not None}
    last = calls[-1]
    names = sorted({name for call in calls for name in call.parts})
    kinds = joint_parts.ran_on(calls)
    operators = artifact.onnx.operators if artifact else ()
    placement = joint_parts.placement(operators, kinds, parts_of(artifact) if artifact else ())
    return Figures(
        kind=Kind.MEASURED,
        latency_us=measuring.latency(rounds),
        load_us=round(statistics.median(create["total"] for create in creates) * 1000, 3)
        if creates
        else None,
        host_overhead_us=measuring.weighted_mean([call.host_overhead_us for call in calls], rounds),
        memory_bytes=max(memory) if memory else None,
        placement=placement,
        computed=_computed(placement, artifact),
        artifact_sha256=artifact.sha256 if artifact else None,
        no_accuracy=NoAccuracy.NO_OUTPUTS,
        no_accuracy_why="run_joint gives no outputs",
        bounds=part_of_npu(npu_mode),
        details={
            "npu_mode": npu_mode,
            "board_npu_mode": last.npu_mode,
            **{f"{name.lower()}_us": _part_mean(calls, name, rounds) for name in names},
            "parts_ran_on": kinds,
            **last.texts,
            "perf_count_total": last.perf_total,
            "perf_count_eu": {str(eu): count for eu, count in last.perf_eu.items()},
            "inputs": [asdict(tensor) for tensor in last.inputs],
            "outputs": [asdict(tensor) for tensor in last.outputs],
            "calls": [asdict(call, dict_factory=_without_tensors) for call in calls],
            **measuring.statistic(rounds, "run_joint"),
        },
    )


def _computed(placement: Mapping[str, str], artifact: Artifact | None) -> Computed | None:
    """Shares of NPU and CPU, where it is known of every operator."""
    if artifact is None or placement.keys() != artifact.onnx.operators.keys():
        return None
    return of_types(placement, artifact.onnx)


def round_of(call: RunJoint) -> Round:
    """One call as a round."""
    return Round(float(call.run_task_us), call.rounds)


def _part_mean(calls: Sequence[RunJoint], name: str, rounds: Sequence[Round]) -> float | None:
    times = [call.parts[name].us if name in call.parts else None for call in calls]
    return measuring.weighted_mean(times, rounds)


def _without_tensors(fields: list[tuple[str, Any]]) -> dict[str, Any]:
    left_out = {"inputs", "outputs", "texts"}
    return {
        key: {str(k): v for k, v in value.items()} if isinstance(value, dict) else value
        for key, value in fields
        if key not in left_out
    }


def _is_part(path: Path) -> bool:
    """part_N.lava/inference_report.log; reports of subgraphs are contained in their part's."""
    return (
        path.name == "inference_report.log"
        and path.parent.suffix == ".lava"
        and path.parent.parent.name == REPORTS
    )


def _sum_of(reports: Sequence[Path]) -> Figures:
    parts: list[PartReport] = []
    for path in reports:
        report = parse_inference_report(path.read_text(encoding="utf-8", errors="replace"))
        if isinstance(report, Failure):
            problem = f"{path.parent.name}: {report.message}"
            return Figures(Kind.SIMULATED, details={"parts": len(reports), "problem": problem})
        parts.append(report)
    return add_parts(parts)


def _scores(artifact: Artifact) -> Any:
    return pulsar_tools.parse_scores(_said(artifact, RUN_LOG))


def _said(artifact: Artifact, log: str) -> str:
    for path in artifact.extras:
        if path.name == log:
            return path.read_text(encoding="utf-8", errors="replace")
    return ""
