"""Everything that is known of how a row came about, as labels and texts."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from npubench.records import BoardState, Figures, Result
from npubench.reporting.notation import duration, significant, size
from npubench.reporting.whole_npu import whole_npu
from npubench.reporting.words import say, say_count
from npubench.specs import TensorSpec

Facts = tuple[tuple[str, str | None], ...]


def facts_of(result: Result) -> Facts:
    """Labels with their texts: what is the row's own, then what it shares; None where nothing is known."""
    return (*own_facts(result), *graph_facts(result), *setting_facts(result))


def own_facts(result: Result) -> Facts:
    """What a row shares with no other, in reading order."""
    return (
        (say("Artifact SHA-256"), result.artifact_sha256),
        (say("Artifact size"), size(result.artifact_bytes) if result.artifact_bytes is not None else None),
        *(_figures(result.figures) if result.figures else ()),
        *(_figures(result.estimate, say("Estimate") + ", ") if result.estimate else ()),
        *(_figures(whole, say("Estimate") + ", ") if (whole := whole_npu(result)) else ()),
        (say("Board before"), _state(result.board_before)),
        (say("Board after"), _state(result.board_after)),
        (say("Started"), _started(result)),
        (say("Log"), _file(result.log_path, result.log_sha256)),
        (say("Samples"), _file(result.samples_path, result.samples_sha256)),
    )


def graph_facts(result: Result) -> Facts:
    """What all rows of one exported model have in common."""
    operators = ", ".join(f"{name} × {count}" for name, count in result.operators.items())
    return (
        (say("Model SHA-256"), result.onnx_sha256),
        *(((say("Export"), _pairs(result.exported)),) if result.exported else ()),
        (say("Opset"), str(result.opset) if result.opset is not None else None),
        (say("Inputs"), _tensors(result.inputs)),
        (say("Outputs"), _tensors(result.outputs)),
        (say("Operators"), operators or None),
        (say("Parameters"), f"{result.parameters:,}" if result.parameters is not None else None),
    )


def setting_facts(result: Result) -> Facts:
    """What most rows of a run have in common."""
    return (
        (say("Run"), result.run_id),
        (say("Tools"), _pairs(result.tools)),
        ("npubench", result.npubench_version or None),
        (say("Protocol"), _pairs(result.protocol)),
        (say("Seeds"), _pairs(result.seeds)),
        (say("Command"), " ".join(result.command) or None),
    )


def _figures(figures: Figures, before: str = "") -> Iterator[tuple[str, str | None]]:
    latency, accuracy = figures.latency_us, figures.accuracy
    head = f"{before}{say(figures.kind.value)}"
    if latency is not None:
        known = {name: getattr(latency, name) for name in ("mean", "std", "min", "p50", "p90", "p99", "max")}
        texts = [f"{say(name)} {value:.6g}" for name, value in known.items() if value is not None]
        runs = say_count(latency.n, "{count} run", "{count} runs")
        yield f"{head} {say('latency, µs')}", f"{', '.join(texts)}; {runs}"
        if latency.rounds_p50:
            spread = f"; {say('spread')} {latency.spread:.2%}" if latency.spread is not None else ""
            medians = ", ".join(f"{value:.6g}" for value in latency.rounds_p50)
            outliers = (
                f"; {say('{count} outliers', count=latency.outliers)}" if latency.outliers is not None else ""
            )
            yield f"{head} {say('round medians, µs')}", f"{medians}{spread}{outliers}"
    if accuracy is not None:
        names = ("cosine", "relative_error", "psnr_db", "max_abs", "top1_agreement")
        values = {name: getattr(accuracy, name) for name in names}
        texts = [f"{name} {value:.6g}" for name, value in values.items() if value is not None]
        yield (
            f"{head} {say('accuracy')}",
            f"{', '.join(texts)}; {say('{count} inputs', count=accuracy.samples)}",
        )
    costs = _costs(figures)
    if costs:
        yield f"{head} {say('costs')}", costs
    if figures.placement:
        yield f"{head} {say('placement')}", _pairs(figures.placement)
    if figures.details:
        yield f"{head} {say('details')}", _pairs(figures.details)


def _costs(figures: Figures) -> str | None:
    times = {"load": figures.load_us, "host overhead": figures.host_overhead_us}
    sizes = {"memory": figures.memory_bytes, "I/O per inference": figures.io_bytes}
    parts = [f"{say(name)} {duration(value)}" for name, value in times.items() if value is not None]
    parts += [f"{say(name)} {size(value)}" for name, value in sizes.items() if value is not None]
    if figures.tool_macs is not None:
        parts.append(say("{count} MACs by the tool's count", count=f"{figures.tool_macs:,}"))
    if figures.mac_utilisation is not None:
        parts.append(say("{share} of the peak", share=f"{figures.mac_utilisation:.2%}"))
    return ", ".join(parts) or None


def _tensors(tensors: tuple[TensorSpec, ...]) -> str | None:
    shapes = (f"{one.name}: {one.dtype} {'×'.join(map(str, one.shape)) or say('scalar')}" for one in tensors)
    return ", ".join(shapes) or None


def _pairs(values: Mapping[str, Any]) -> str | None:
    return ", ".join(f"{name} {_text(value)}" for name, value in values.items()) or None


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, (dict, list, tuple)):
        return json.dumps(value, default=str)
    return say("unknown") if value is None else str(value)


def _state(state: BoardState | None) -> str | None:
    if state is None:
        return None
    parts = [state.taken_at]
    if state.governor:
        parts.append(f"{say('governor')} {state.governor}")
    if state.clocks_mhz:
        parts.append(_clocks(state.clocks_mhz))
    if state.temperature_c is not None:
        parts.append(f"{significant(state.temperature_c)} °C")
    if state.load_1min is not None:
        parts.append(f"{say('load, 1 min')} {state.load_1min:.2f}")
    if state.memory_available_bytes is not None:
        parts.append(say("{size} free", size=size(state.memory_available_bytes)))
    if state.uptime_s is not None:
        parts.append(say("up {hours} h", hours=significant(state.uptime_s / 3600)))
    return ", ".join([*parts, *(f"{name} {value}" for name, value in state.extra.items())])


def _clocks(clocks_mhz: Sequence[float]) -> str:
    low, high = significant(min(clocks_mhz)), significant(max(clocks_mhz))
    return f"{say('{first} to {last}', first=low, last=high)} MHz"


def _started(result: Result) -> str:
    return say("{time}, {taken} s", time=result.started_at, taken=significant(result.duration_s))


def _file(path: str | None, sha256: str | None) -> str | None:
    return f"{path}, SHA-256 {sha256 or say('unknown')}" if path else None
