"""Everything that is known of how a row came about, as labels and texts; what rows share stands once."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from operator import attrgetter
from typing import Any

from markupsafe import Markup
from msgspec import msgpack

from npubench.domain.figures import Computed, Figures, Kernels, Kind, Latency, Shares
from npubench.domain.records import BoardState, DataUse, Result
from npubench.domain.specs import TensorSpec
from npubench.domain.text import visible
from npubench.reporting.data.accuracy import slice_text, why_none
from npubench.reporting.data.figures import whole_npu
from npubench.reporting.data.formatting import duration, significant, size
from npubench.reporting.data.tables import json_text, script_text
from npubench.reporting.data.translate import language, recorded, translate, translate_count
from npubench.storage.details import details_of

Facts = tuple[tuple[str, str | None], ...]


def facts_of(result: Result) -> Facts:
    """Labels with their texts: what is the row's own, then what it shares; None where nothing is known."""
    return (*own_facts(result), *graph_facts(result), *setting_facts(result))


def own_facts(result: Result) -> Facts:
    """What a row shares with no other, in reading order."""
    estimate = f"{translate('Estimate')}, "
    return (
        (translate("Artifact SHA-256"), result.artifact_sha256),
        (translate("Artifact size"), None if result.artifact_bytes is None else size(result.artifact_bytes)),
        *(_figures(result.figures) if result.figures else ()),
        *(_figures(result.estimate, estimate) if result.estimate else ()),
        *(_figures(whole, estimate) if (whole := whole_npu(result)) else ()),
        *(((translate("Data"), _data(result.data)),) if result.data else ()),
        (translate("Board before"), _state(result.board_before)),
        (translate("Board after"), _state(result.board_after)),
        (translate("Started"), _started(result)),
        (translate("Log"), _file(result.log_path, result.log_sha256)),
        (translate("Samples"), _file(result.samples_path, result.samples_sha256)),
    )


def graph_facts(result: Result) -> Facts:
    """What all rows of one exported model have in common."""
    operators = ", ".join(f"{name} × {count}" for name, count in result.operators.items())
    return (
        (translate("Model SHA-256"), result.onnx_sha256),
        *(((translate("Export"), _pairs(result.exported)),) if result.exported else ()),
        (translate("Opset"), str(result.opset) if result.opset is not None else None),
        (translate("Inputs"), _tensors(result.inputs)),
        (translate("Outputs"), _tensors(result.outputs)),
        (translate("Operators"), operators or None),
        (translate("Parameters"), f"{result.parameters:,}" if result.parameters is not None else None),
    )


def setting_facts(result: Result) -> Facts:
    """What most rows of a run have in common."""
    return (
        (translate("Run"), result.run_id),
        (translate("Tools"), _pairs(result.tools)),
        ("npubench", result.npubench_version or None),
        (translate("Protocol"), _pairs(result.protocol)),
        (translate("Seeds"), _pairs(result.seeds)),
        (translate("Command"), " ".join(result.command) or None),
    )


_STATISTICS = ("mean", "std", "min", "p50", "p90", "p99", "max")
_ACCURACIES = (
    "cosine", "relative_error", "psnr_db", "max_abs", "top1_agreement", "equal", "equal_rounded"
)  # fmt: skip


def _figures(figures: Figures, before: str = "") -> Iterator[tuple[str, str | None]]:
    latency, accuracy = figures.latency_us, figures.accuracy
    head = f"{before}{translate(figures.kind)}"
    if latency is not None:
        yield f"{head} {translate('latency, µs')}", _latency(latency)
        if latency.rounds_p50:
            yield f"{head} {translate('round medians, µs')}", _rounds(latency)
    if accuracy is not None:
        values = ((name, getattr(accuracy, name)) for name in _ACCURACIES)
        texts = [f"{name} {value:.6g}" for name, value in values if value is not None]
        if accuracy.kernels is not None:
            texts.append(_kernels(accuracy.kernels))
        inputs = translate("{count} inputs", count=accuracy.samples)
        yield f"{head} {translate('accuracy')}", f"{', '.join(texts)}; {inputs}"
        if text := slice_text(accuracy):
            yield f"{head} {translate('worst slice')}", text
        if accuracy.dead_slices is not None:
            yield f"{head} {translate('dead slices')}", str(accuracy.dead_slices)
    if figures.no_accuracy is not None:
        yield f"{head} {translate('no cosine')}", why_none(figures.no_accuracy, figures.no_accuracy_why)
    if costs := _costs(figures):
        yield f"{head} {translate('costs')}", costs
    if figures.placement:
        yield f"{head} {translate('placement')}", _pairs(figures.placement)
    if figures.computed is not None:
        yield f"{head} {translate('computed in')}", _computed(figures.computed)
    if details := details_of(figures):
        yield f"{head} {translate('details')}", _pairs(details)


def _kernels(kernels: Kernels) -> str:
    cosines = (kernels.fused_cosine, kernels.unoptimised_cosine)
    fused, plain = (translate("unknown") if one is None else f"{one:.6g}" for one in cosines)
    return translate(
        "cosine {fused} by fused kernels, {plain} without optimisation", fused=fused, plain=plain
    )


def _computed(computed: Computed) -> str:
    operators = translate("operators: {shares}", shares=_shares(computed.operators))
    if computed.macs is None:
        return operators
    return f"{operators}; {translate('MACs: {shares}', shares=_shares(computed.macs))}"


def _shares(shares: Shares) -> str:
    names = (translate("integers"), "NPU", "CPU", translate("float"))
    named = zip(names, (shares.integer, shares.npu, shares.cpu, shares.floating), strict=True)
    return ", ".join(f"{name} {share:.1%}" for name, share in named if share)


def _latency(latency: Latency) -> str:
    values = _statistics(latency)
    template = _template(language(), tuple([value is not None for value in values]))
    runs = translate_count(latency.n, "{count} run", "{count} runs")
    return f"{template % tuple([value for value in values if value is not None])}; {runs}"


_statistics = attrgetter(*_STATISTICS)


@cache
def _template(spoken: str, known: tuple[bool, ...]) -> str:  # noqa: ARG001 - translate() depends on it
    """All known statistics are put into one text at once: that takes a third of the time of one by one."""
    return ", ".join(
        f"{translate(name)} %.6g" for name, there in zip(_STATISTICS, known, strict=True) if there
    )


def _rounds(latency: Latency) -> str:
    text = ", ".join([f"{value:.6g}" for value in latency.rounds_p50])
    if latency.spread is not None:
        text = f"{text}; {translate('spread')} {latency.spread:.2%}"
    return (
        text
        if latency.outliers is None
        else f"{text}; {translate('{count} outliers', count=latency.outliers)}"
    )


def _costs(figures: Figures) -> str:
    told = (
        ("load", figures.load_us, duration),
        ("host overhead", figures.host_overhead_us, duration),
        ("memory", figures.memory_bytes, size),
        ("I/O per inference", figures.io_bytes, size),
    )
    parts = [f"{translate(name)} {show(value)}" for name, value, show in told if value is not None]
    if figures.tool_macs is not None:
        parts.append(translate("{count} MACs by the tool's count", count=f"{figures.tool_macs:,}"))
    if figures.mac_utilisation is not None:
        parts.append(translate("{share} of the peak", share=f"{figures.mac_utilisation:.2%}"))
    return ", ".join(parts)


def _data(data: DataUse) -> str:
    counts = translate(
        "{source}: {calibrated} samples calibrate, {evaluated} are compared",
        source=translate(data.source),
        calibrated=data.calibrated,
        evaluated=data.evaluated,
    )
    note = f"; {recorded(data.note)}" if data.note else ""
    return f"{counts}{note}; {_pairs(data.inputs)}"


def _tensors(tensors: tuple[TensorSpec, ...]) -> str | None:
    shapes = (
        f"{one.name}: {one.dtype} {'×'.join(map(str, one.shape)) or translate('scalar')}" for one in tensors
    )
    return ", ".join(shapes) or None


def _pairs(values: Mapping[str, Any]) -> str | None:
    return ", ".join(f"{name} {_text(value)}" for name, value in values.items()) or None


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, (dict, list, tuple)):
        return json.dumps(value, default=str)
    return translate("unknown") if value is None else str(value)


def _state(state: BoardState | None) -> str | None:
    if state is None:
        return None
    parts = [state.taken_at]
    if state.governor:
        parts.append(f"{translate('governor')} {state.governor}")
    if state.clocks_mhz:
        parts.append(_clocks(state.clocks_mhz))
    if state.temperature_c is not None:
        parts.append(f"{significant(state.temperature_c)} °C")
    if state.load_1min is not None:
        parts.append(f"{translate('load, 1 min')} {state.load_1min:.2f}")
    if state.memory_available_bytes is not None:
        parts.append(translate("{size} free", size=size(state.memory_available_bytes)))
    if state.uptime_s is not None:
        parts.append(translate("up {hours} h", hours=significant(state.uptime_s / 3600)))
    parts += (" ".join(state.cpu_flags),) if state.cpu_flags else ()
    parts += [f"{name} {value}" for name, value in state.extra.items()]
    return ", ".join(parts)


def _clocks(clocks_mhz: Sequence[float]) -> str:
    low, high = significant(min(clocks_mhz)), significant(max(clocks_mhz))
    return f"{translate('{first} to {last}', first=low, last=high)} MHz"


def _started(result: Result) -> str:
    return translate("{time}, {taken} s", time=result.started_at, taken=significant(result.duration_s))


def _file(path: str | None, sha256: str | None) -> str | None:
    return f"{path}, SHA-256 {sha256 or translate('unknown')}" if path else None


def _shared(
    results: Sequence[Result], facts_of: Callable[[Result], Facts], parts: Callable[[Result], tuple[Any, ...]]
) -> tuple[list[int], list[Facts]]:
    """The distinct facts in the order in which they occur, and for every row which of them are its own.

    Facts are made once for each distinct set of their `parts`: to encode those takes less time.
    """
    encode = msgpack.Encoder(enc_hook=str).encode
    found: dict[bytes, int] = {}
    facts: list[Facts] = []
    numbers = []
    for result in results:
        try:
            key = encode(parts(result))
        except UnicodeEncodeError:  # A lone surrogate, of which a board's files may be full.
            key = repr(parts(result)).encode("utf-8", "surrogatepass")
        if key not in found:
            found[key] = len(found)
            facts.append(facts_of(result))
        numbers.append(found[key])
    return numbers, facts


_GRAPH = attrgetter("onnx_sha256", "exported", "opset", "inputs", "outputs", "operators", "parameters")
_SETTING = attrgetter("run_id", "tools", "npubench_version", "protocol", "seeds", "command")
"""What such facts are made of."""

BRIEF_FROM = 20_001
"""Rows from which a page keeps of each row's provenance only what finds it again."""


def pack_provenance(rows: Sequence[Result]) -> Markup:
    """Facts of every row: labels, repeated texts and shared sets once; rows as the place of their labels,
    of their graph and setting, then a text (or its place) for every label.
    """
    shapes: dict[tuple[str, ...], int] = {}
    texts: dict[str, int] = {}
    read = own_facts if len(rows) < BRIEF_FROM else _brief
    unique = _unique()
    packed = []
    for row in rows:
        labels, values = zip(*read(row), strict=True)
        entry: list[Any] = [shapes.setdefault(labels, len(shapes)), 0, 0]
        for label, text in zip(labels, values, strict=True):
            if text is None:
                entry.append(None)
                continue
            shown = visible(text)
            entry.append(shown if label in unique else texts.setdefault(shown, len(texts)))
        packed.append(entry)
    shared: list[list[list[list[str | None]]]] = []
    if len(rows) < BRIEF_FROM:
        for at, (of_row, parts) in enumerate(((graph_facts, _GRAPH), (setting_facts, _SETTING)), 1):
            numbers, found = _shared(rows, of_row, parts)
            for entry, number in zip(packed, numbers, strict=True):
                entry[at] = number
            shared.append([_seen(facts) for facts in found])
    return script_text(
        json_text({"shapes": list(shapes), "texts": list(texts), "shared": shared, "rows": packed})
    )


_UNIQUE = ("Model SHA-256", "Artifact SHA-256", "Started", "Log", "Samples", "Board before", "Board after")
"""Labels of what hardly any two rows have the same text of: keeping it apart would gain nothing."""


def _unique() -> frozenset[str]:
    times = (translate("latency, µs"), translate("round medians, µs"))
    heads = (f"{before}{translate(kind)}" for before in ("", translate("Estimate") + ", ") for kind in Kind)
    return frozenset((*map(translate, _UNIQUE), *(f"{head} {time}" for head in heads for time in times)))


def _seen(facts: Facts) -> list[list[str | None]]:
    return [[label, None if text is None else visible(text)] for label, text in facts]


def _brief(row: Result) -> Iterable[tuple[str, str | None]]:
    yield translate("Model SHA-256"), row.onnx_sha256
    yield translate("Artifact SHA-256"), row.artifact_sha256
    yield translate("Run"), row.run_id
    yield translate("Log"), row.log_path
