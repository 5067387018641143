"""Figures of a row in sections: latency, throughput and costs, accuracy, where it ran, what else was told."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict

from npubench.domain.figures import Accuracy, Computed, Figures, Latency, ProcessorRow, Shares
from npubench.domain.layout import Column, Gives, Labelled, fitted_table
from npubench.domain.text import counted
from npubench.reporting.data.accuracy import slice_text, why_none
from npubench.reporting.data.figures import aside, bound_of, bounds_of, counts_text, mark, rate_text
from npubench.reporting.data.formatting import closeness
from npubench.reporting.terminal.facts import (
    Section,
    count,
    duration,
    facts,
    facts_of_details,
    number,
    plain,
    share,
    size,
)
from npubench.storage.details import details_of

TOO_FEW = "not told: too few runs for it"


def sections_of(figures: Figures, of: str, layers_command: str, width: int) -> Iterator[Section]:
    """Sections of figures of one kind, which every title names; `of` says whose they are."""
    kind = f"{figures.kind.value}{of}"
    yield Section(f"Latency, {kind}", _latency(figures))
    yield Section(f"Throughput and costs, {kind}", _costs(figures))
    yield Section(f"Accuracy, {kind}", _accuracy(figures))
    yield Section(f"Where it ran, {kind}", _placed(figures, layers_command))
    yield Section(f"Also told, {kind}", *_told(figures, width))


def _latency(figures: Figures) -> list[Labelled]:
    latency = figures.latency_us
    if latency is None:
        return []
    before, after = mark(bound_of(figures)), aside(bounds_of(figures))

    def bounded(value_us: float | None) -> str | None:
        return None if value_us is None else f"{before}{duration(value_us)}"

    def percentile(value_us: float | None) -> str | None:
        lacking = TOO_FEW if latency.p50 is not None else None
        return lacking if value_us is None else bounded(value_us)

    mean = bounded(latency.mean)
    return facts(
        ("median", None if latency.p50 is None else f"{bounded(latency.p50)}{after}"),
        ("p90", percentile(latency.p90)),
        ("p99", percentile(latency.p99)),
        ("mean", mean if latency.p50 is not None else f"{mean}{after}"),
        ("standard deviation", duration(latency.std)),
        ("shortest to longest", _range(latency)),
        ("runs", _runs(latency)),
        ("round medians", _rounds(latency)),
        ("interrupted runs", share(figures.interrupted_share)),
        ("NPU alone", duration(figures.npu_time_us)),
        ("statistic", figures.statistic),
        ("for its publisher", figures.origin.value if figures.origin else None),
    )


def _range(latency: Latency) -> str | None:
    if latency.min is None or latency.max is None:
        return None
    return f"{duration(latency.min)} to {duration(latency.max)}"


def _runs(latency: Latency) -> str:
    outliers = "" if latency.outliers is None else f", {counted(latency.outliers, 'outlier')} among them"
    return f"{latency.n:,}{outliers}"


def _rounds(latency: Latency) -> str | None:
    medians = ", ".join(str(duration(one)) for one in latency.rounds_p50)
    if not medians or latency.spread is None:
        return medians or None
    return f"{medians}: they differ by {latency.spread:.1%}"


def _costs(figures: Figures) -> list[Labelled]:
    rate = figures.throughput_fps
    of = counts_text(figures)
    by_tool = number(figures.tool_throughput_fps, "fps")
    return facts(
        ("throughput", None if rate is None else f"{plain(rate_text(figures, rate))} fps"),
        ("counted", of or None),
        ("by the tool", by_tool),
        ("load", duration(figures.load_us)),
        ("host overhead", duration(figures.host_overhead_us)),
        ("memory", size(figures.memory_bytes)),
        ("memory traffic", _per_inference(size(figures.io_bytes))),
        ("MACs by the tool", count(figures.tool_macs)),
        ("of the MACs' peak", share(figures.mac_utilisation)),
    )


def _per_inference(text: str | None) -> str | None:
    return f"{text} an inference" if text else None


def _accuracy(figures: Figures) -> list[Labelled]:
    told = figures.accuracy
    lacking = why_none(figures.no_accuracy, figures.no_accuracy_why) if figures.no_accuracy else None
    if told is None:
        return facts(("none", lacking))
    outputs = {
        f"{name}: cosine {closeness(one.cosine)}, relative error {number(one.relative_error)}"
        for name, one in told.outputs.items()
    }
    return facts(
        ("cosine", None if told.cosine is None else f"{closeness(told.cosine)} against FP32"),
        ("no cosine", lacking),
        ("worst slice", slice_text(told) or None),
        ("dead slices", None if told.dead_slices is None else str(told.dead_slices)),
        ("relative error", number(told.relative_error)),
        ("PSNR", number(told.psnr_db, "dB")),
        ("greatest difference", number(told.max_abs)),
        ("same top-1", share(told.top1_agreement)),
        ("equal entries", _equal(told)),
        ("by kernels", _kernels(told)),
        ("outputs", "; ".join(sorted(outputs)) or None),
        ("compared", counted(told.samples, "input")),
    )


def _equal(told: Accuracy) -> str | None:
    if told.equal is None:
        return None
    beside = share(told.equal_rounded)
    return f"{share(told.equal)}" + (f"; FP32 with inputs of 8 bits: {beside}" if beside else "")


def _kernels(told: Accuracy) -> str | None:
    if told.kernels is None:
        return None
    cosines = (told.kernels.fused_cosine, told.kernels.unoptimised_cosine)
    fused, unoptimised = ("unknown" if one is None else closeness(one) for one in cosines)
    return f"{fused} fused, {unoptimised} without optimisation"


def _placed(figures: Figures, layers_command: str) -> list[Labelled]:
    units: dict[str, int] = {}
    for layer in figures.placed_layers:
        units[layer.unit or "not told"] = units.get(layer.unit or "not told", 0) + 1
    listed = ", ".join(f"{unit} {many}" for unit, many in units.items())
    table = f"{listed}: {layers_command}" if figures.layers is not None and listed else listed
    return facts(
        ("NPU mode", figures.npu_mode or None),
        ("cores", str(figures.npu.cores) if figures.npu and figures.npu.cores else None),
        ("operators", ", ".join(f"{name} on {unit}" for name, unit in figures.placement.items()) or None),
        ("layers by unit", table or None),
        ("no layers", figures.no_layers or None),
        ("computed in", _computed(figures.computed) if figures.computed else None),
    )


def _computed(computed: Computed) -> str:
    told = f"operators: {_shares(computed.operators)}"
    return told if computed.macs is None else f"{told}; MACs: {_shares(computed.macs)}"


def _shares(shares: Shares) -> str:
    named = (
        ("integers", shares.integer),
        ("NPU", shares.npu),
        ("CPU", shares.cpu),
        ("float", shares.floating),
    )
    return ", ".join(f"{name} {one:.0%}" for name, one in named if one)


_OWN = frozenset({"npu_mode", "neu_us", "statistic", "throughput_by_the_tool", "layers", "rows", "memory"})
"""Details that stand elsewhere: in a section above, in a table, or in a command of their own."""


def _told(figures: Figures, width: int) -> tuple[list[Labelled], list[str]]:
    processor = figures.processor
    known = details_of(figures)
    rest = {name: value for name, value in known.items() if not (name in _OWN and _is_own(name, figures))}
    table = _processor_table((*processor.rows, *processor.memory), width) if processor else []
    return facts_of_details(rest), table


def _is_own(name: str, figures: Figures) -> bool:
    """`memory` and `rows` are also words of tools: they are a table's only of a processor."""
    if name in ("rows", "memory"):
        return figures.processor is not None
    return name != "layers" or figures.layers is not None


_PROCESSOR = (
    ("row", "row", ""), ("cores_at_once", "cores", ""), ("core", "core", ""), ("clock_mhz", "clock", "MHz"),
    ("throughput_ns", "throughput", "ns"), ("latency_ns", "latency", "ns"),
    ("gflop_per_s", "rate", "GFLOP/s"), ("gop_per_s", "rate", "Gop/s"), ("gib_per_s", "rate", "GiB/s"),
    ("set_bytes", "set", "B"), ("message", "said", ""),
)  # fmt: skip
"""Field, title and unit of a processor's table; all fields are in --json and `results --cpu`."""


def _processor_table(rows: Sequence[ProcessorRow], width: int) -> list[str]:
    told = [asdict(row) for row in rows]
    columns = []
    for name, title, unit in _PROCESSOR:
        cells = [_cell(row[name]) for row in told]
        if any(cell != "-" for cell in cells):
            head = f"{title} {unit}".strip()
            words = name in ("row", "message")
            columns.append(Column(head, cells, Gives.LINES if words else Gives.NOTHING, 12, right=not words))
    return fitted_table(columns, width)


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return (number(value) or "-") if isinstance(value, float) else str(value)
