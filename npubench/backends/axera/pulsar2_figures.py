"""Figures of Pulsar 2: what compiler and simulator tell, and what a runner measures; never in one record."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from npubench.backends.axera import build, measuring, pulsar2_precision, pulsar2_run, pulsar2_trace
from npubench.backends.axera.ax_run_model import AxRunModel
from npubench.backends.axera.lines import DamagedError, whole_lines
from npubench.backends.axera.measuring import Round
from npubench.backends.axera.pulsar2_build import PRECISION
from npubench.backends.axera.pulsar2_log import parse_build_log
from npubench.backends.axera.pulsar2_trace import Trace
from npubench.backends.onnxruntime.compare import lacking_of
from npubench.domain.records import Artifact, Computed, Failure, Figures, Kind, Latency, NoAccuracy
from npubench.graph.shares import of_types

TRACE = "trace.json"
DEVICE_TIME = "axcl_run_model counts the card's time alone: copies by the host and PCIe are not in it"
WHOLE_CALL = "ax_run_model runs on the board itself and counts its calls"


def simulated(artifact: Artifact) -> Figures | None:
    """The build log, the tables of its precision analysis, its timelines, and accuracy of `pulsar2 run`."""
    logs = [path for path in artifact.extras if path.name == build.BUILD_LOG]
    if not logs:
        return None
    given = {"npu_mode": artifact.settings.get("npu_mode")}
    if "simulated_execution" in artifact.settings:
        given["simulated_execution"] = artifact.settings["simulated_execution"]
    figures = parse_build_log(_text(logs[0]), artifact.settings.get("npu_clock_mhz"))
    if isinstance(figures, Failure):
        figures = Figures(Kind.SIMULATED, details={"problem": figures.message})
    figures = _analysed(figures, artifact)
    figures = with_traces(figures, _traces(artifact.extras), artifact.settings.get("npu_clock_mhz"))
    answer = pulsar2_run.answer_of(artifact.extras)
    accuracy = pulsar2_run.accuracy_of(artifact.extras)
    if accuracy is not None:
        word, sentence = lacking_of(answer)
        details = {**figures.details, "accuracy_from": "pulsar2 run: the model's outputs against FP32"}
        figures = replace(
            figures, accuracy=accuracy, no_accuracy=word, no_accuracy_why=sentence, details=details
        )
    elif figures.accuracy is None and figures.no_accuracy is None and "simulated_execution" in given:
        why = f"pulsar2 run: {given['simulated_execution']}"[:300]
        figures = replace(figures, no_accuracy=NoAccuracy.NOT_COMPARED, no_accuracy_why=why)
    placed = by_operator(figures.placement, tuple(artifact.onnx.operators))
    return replace(
        figures,
        placement=placed,
        computed=shares(placed, artifact),
        details={**figures.details, **given},
    )


def by_operator(by_subgraph: Mapping[str, str], operators: Sequence[str]) -> Mapping[str, str]:
    """Where the model's operator types run, when all subgraphs run in one place.

    Else where its subgraphs do: the log does not tell which operators are in which.
    """
    targets = set(by_subgraph.values())
    return dict.fromkeys(operators, targets.pop()) if len(targets) == 1 else by_subgraph


def shares(placed: Mapping[str, str], artifact: Artifact) -> Computed | None:
    """Shares of NPU and CPU, where it is known of every operator."""
    known = placed.keys() == artifact.onnx.operators.keys()
    return of_types(placed, artifact.onnx) if known else None


def placement(artifact: Artifact) -> Mapping[str, str]:
    """Where the parts of an artifact run, as its build log tells; empty where it does not."""
    for path in artifact.extras:
        if path.name == build.BUILD_LOG:
            figures = parse_build_log(_text(path))
            if not isinstance(figures, Failure):
                return by_operator(figures.placement, tuple(artifact.onnx.operators))
    return {}


def with_traces(figures: Figures, traces: Mapping[str, Trace], clock_mhz: float | None) -> Figures:
    """The figures with the compiler's timelines, by subgraph, and the time that these are of.

    Where a timeline is as long as the log's cycles it is written in these, and a time only over a declared
    clock; else its own microseconds are a simulated latency, as long as every NPU subgraph has one.
    """
    if not traces:
        return figures
    listed = figures.details.get("placement_of_subgraphs") or ()
    total = figures.details.get("max_cycle")
    cycles = {f"subgraph_npu_{one['subgraph']}": one["max_cycle"] for one in listed}
    of = {name: cycles.get(name) or (total if len(traces) == 1 else None) for name in traces}
    details = {
        **figures.details,
        "timelines": {name: pulsar2_trace.plain(trace, of[name]) for name, trace in traces.items()},
    }
    in_cycles = any(trace.in_cycles(of[name]) for name, trace in traces.items())
    npu_count = sum(one["target"] == "NPU" for one in listed) or 1
    if figures.latency_us is not None or in_cycles or clock_mhz is not None or len(traces) != npu_count:
        return replace(figures, details=details)
    details["statistic"] = (
        "length of the compiler's timeline, which the vendor says is aligned with the board"
    )
    latency = Latency(n=1, mean=sum(trace.span_us for trace in traces.values()))
    return replace(figures, latency_us=latency, details=details)


def measured(calls: Sequence[AxRunModel], npu_mode: str | None, artifact_sha256: str | None) -> Figures:
    """Calls of a runner as one figure, with what its time covers."""
    rounds = [round_of(call) for call in calls]
    memory = [call.cmm_bytes for call in calls if call.cmm_bytes is not None]
    texts: dict[str, Any] = {key: value for key, value in calls[-1].texts.items() if key != "model"}
    by_card = any(call.by_card for call in calls)
    runner = "axcl_run_model" if by_card else "ax_run_model"
    return Figures(
        kind=Kind.MEASURED,
        latency_us=measuring.latency(rounds),
        memory_bytes=max(memory) if memory else None,
        artifact_sha256=artifact_sha256,
        no_accuracy=NoAccuracy.NO_OUTPUTS,
        no_accuracy_why=f"{runner} gives no outputs",
        details={
            **texts,
            **({"npu_mode": npu_mode} if npu_mode else {}),
            "latency_covers": DEVICE_TIME if by_card else WHOLE_CALL,
            **measuring.statistic(rounds, runner),
        },
    )


def round_of(call: AxRunModel) -> Round:
    """One call as a round."""
    return Round(call.mean_us, call.repeat, call.min_us, call.max_us, call.percentiles_us)


def _analysed(figures: Figures, artifact: Artifact) -> Figures:
    """With the tables that the tool saved, which are whole where a log's are cut to its width."""
    names = [tensor.name for tensor in artifact.onnx.outputs]
    tables = next((path for path in artifact.extras if path.name == Path(PRECISION).name), None)
    if tables is None:
        return figures
    try:
        found = pulsar2_precision.tables(whole_lines(f"{_text(tables)}\n"))
    except DamagedError as damage:
        return replace(figures, details={**figures.details, "precision_problem": str(damage)})
    return pulsar2_precision.with_accuracy(figures, found, names)


def _traces(files: Sequence[Path]) -> dict[str, Trace]:
    found: dict[str, Trace] = {}
    for path in files:
        # compiler/debug/<subgraph>/b1/trace.json
        if path.name == TRACE and not isinstance(trace := pulsar2_trace.parse_trace(_text(path)), Failure):
            found[path.parent.parent.name] = trace
    return found


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")
