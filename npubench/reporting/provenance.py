"""Everything that is known of how a row came about, as labels and texts."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from npubench.records import BoardState, Figures, Result
from npubench.reporting.notation import duration, significant, size
from npubench.reporting.whole_npu import whole_npu
from npubench.specs import TensorSpec

Facts = tuple[tuple[str, str | None], ...]


def facts_of(result: Result) -> Facts:
    """Labels with their texts in reading order; None where nothing is known."""
    return (
        ("Model SHA-256", result.onnx_sha256),
        ("Artifact SHA-256", result.artifact_sha256),
        ("Artifact size", size(result.artifact_bytes) if result.artifact_bytes is not None else None),
        ("Export", _pairs(result.exported)),
        ("Opset", str(result.opset) if result.opset is not None else None),
        ("Inputs", _tensors(result.inputs)),
        ("Outputs", _tensors(result.outputs)),
        ("Operators", ", ".join(f"{name} × {count}" for name, count in result.operators.items()) or None),
        ("Parameters", f"{result.parameters:,}" if result.parameters is not None else None),
        *(_figures(result.figures) if result.figures else ()),
        *(_figures(result.estimate, "Estimate, ") if result.estimate else ()),
        *(_figures(whole, "Estimate, ") if (whole := whole_npu(result)) else ()),
        ("Tools", _pairs(result.tools)),
        ("npubench", result.npubench_version or None),
        ("Protocol", _pairs(result.protocol)),
        ("Seeds", _pairs(result.seeds)),
        ("Command", " ".join(result.command) or None),
        ("Board before", _state(result.board_before)),
        ("Board after", _state(result.board_after)),
        ("Run", f"{result.run_id}, started {result.started_at}, {significant(result.duration_s)} s"),
        ("Log", _file(result.log_path, result.log_sha256)),
        ("Samples", _file(result.samples_path, result.samples_sha256)),
    )


def _figures(figures: Figures, before: str = "") -> Iterator[tuple[str, str | None]]:
    latency, accuracy = figures.latency_us, figures.accuracy
    head = f"{before}{figures.kind}"
    if latency is not None:
        known = {name: getattr(latency, name) for name in ("mean", "std", "min", "p50", "p90", "p99", "max")}
        texts = [f"{name} {value:.6g}" for name, value in known.items() if value is not None]
        yield f"{head} latency, µs", f"{', '.join(texts)}; {latency.n} runs"
        if latency.rounds_p50:
            spread = f"; spread {latency.spread:.2%}" if latency.spread is not None else ""
            medians = ", ".join(f"{value:.6g}" for value in latency.rounds_p50)
            outliers = f"; {latency.outliers} outliers" if latency.outliers is not None else ""
            yield f"{head} round medians, µs", f"{medians}{spread}{outliers}"
    if accuracy is not None:
        names = ("cosine", "relative_error", "psnr_db", "max_abs", "top1_agreement")
        values = {name: getattr(accuracy, name) for name in names}
        texts = [f"{name} {value:.6g}" for name, value in values.items() if value is not None]
        yield f"{head} accuracy", f"{', '.join(texts)}; {accuracy.samples} inputs"
    costs = _costs(figures)
    if costs:
        yield f"{head} costs", costs
    if figures.placement:
        yield f"{head} placement", _pairs(figures.placement)
    if figures.details:
        yield f"{head} details", _pairs(figures.details)


def _costs(figures: Figures) -> str | None:
    times = {"load": figures.load_us, "host overhead": figures.host_overhead_us}
    sizes = {"memory": figures.memory_bytes, "I/O per inference": figures.io_bytes}
    parts = [f"{name} {duration(value)}" for name, value in times.items() if value is not None]
    parts += [f"{name} {size(value)}" for name, value in sizes.items() if value is not None]
    if figures.tool_macs is not None:
        parts.append(f"{figures.tool_macs:,} MACs by the tool's count")
    if figures.mac_utilisation is not None:
        parts.append(f"{figures.mac_utilisation:.2%} of the peak")
    return ", ".join(parts) or None


def _tensors(tensors: tuple[TensorSpec, ...]) -> str | None:
    shapes = (f"{one.name}: {one.dtype} {'×'.join(map(str, one.shape)) or 'scalar'}" for one in tensors)
    return ", ".join(shapes) or None


def _pairs(values: Mapping[str, Any]) -> str | None:
    return ", ".join(f"{name} {_text(value)}" for name, value in values.items()) or None


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, (dict, list, tuple)):
        return json.dumps(value, default=str)
    return "unknown" if value is None else str(value)


def _state(state: BoardState | None) -> str | None:
    if state is None:
        return None
    parts = [state.taken_at]
    if state.governor:
        parts.append(f"governor {state.governor}")
    if state.clocks_mhz:
        parts.append(f"{significant(min(state.clocks_mhz))} to {significant(max(state.clocks_mhz))} MHz")
    if state.temperature_c is not None:
        parts.append(f"{significant(state.temperature_c)} °C")
    if state.load_1min is not None:
        parts.append(f"load {state.load_1min:.2f}")
    if state.memory_available_bytes is not None:
        parts.append(f"{size(state.memory_available_bytes)} free")
    if state.uptime_s is not None:
        parts.append(f"up {significant(state.uptime_s / 3600)} h")
    return ", ".join([*parts, *(f"{name} {value}" for name, value in state.extra.items())])


def _file(path: str | None, sha256: str | None) -> str | None:
    return f"{path}, SHA-256 {sha256 or 'unknown'}" if path else None
