"""Columns of the case tables: a value, its unit, how it is shown and why it may be missing."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from npubench.definitions import Definition, earlier
from npubench.records import Accuracy, Figures, Kind, Latency, Result
from npubench.reporting.notation import COUNTS, TIMES, Scale, closeness, significant
from npubench.reporting.pairs import Speedup, gmac_per_s
from npubench.reporting.whole_npu import whole_npu
from npubench.reporting.words import say
from npubench.specs import Precision
from npubench.timing import least_samples

ONE = (Scale(""),)
PERCENT = (Scale("%", 0.01),)


@dataclass(frozen=True, slots=True)
class Entry:
    """A result, its figures and how much faster than FP32 it is, both by kind."""

    result: Result
    figures: Mapping[Kind, Figures | None]
    speedups: Mapping[Kind, Speedup]


@dataclass(frozen=True, slots=True)
class Column:
    """`value` in base units (µs, bytes, 1), `scales` it may be shown in, `exact` its base unit.

    A column without any value is left out unless it is `always` there.
    """

    title: str
    hint: str
    value: Callable[[Entry], float | None]
    scales: tuple[Scale, ...] = ONE
    exact: str = ""
    show: Callable[[float], str] = significant
    missing: Callable[[Entry], str] = lambda _: "not reported"
    kind: Kind | None = None
    always: bool = False
    digits: int | None = None


_MACS = Column(
    "MACs",
    "Multiply-accumulates of the exported graph at its fixed shapes",
    lambda entry: entry.result.macs,
    COUNTS,
    missing=lambda entry: "a shape is unknown" if entry.result.onnx_sha256 else "not exported",
)


_WHOLE_NPU = Column(
    "×2 upper estimate",
    "Inferences a second if the whole NPU did twice what the half did that ran: an estimate, not measured",
    lambda entry: whole.throughput_fps if (whole := whole_npu(entry.result)) else None,
    (Scale("fps"),),
    "fps",
    missing=lambda _: "not a figure of half an NPU",
    kind=Kind.PREDICTED,
)


def columns_of(entries: Sequence[Entry], kinds: Sequence[Kind], more: Sequence[Column] = ()) -> list[Column]:
    """MACs first, then those of each kind, then `more`, then what npubench makes of them itself."""
    return [_MACS, *(column for kind in kinds for column in _of_kind(kind, entries)), *more, _WHOLE_NPU]


def _of_kind(kind: Kind, entries: Sequence[Entry]) -> list[Column]:
    measured = kind is Kind.MEASURED
    times = [_percentile(kind, percentile, measured) for percentile in (50, 90, 99)]
    if any(_lacks_median(entry, kind) for entry in entries):
        times.append(_latency(kind, "mean", "Mean of all runs, for rows without a median"))
    return [*times, *_rates(kind), *_accuracies(kind)]


def _rates(kind: Kind) -> list[Column]:
    return [
        _figure(kind, "fps", "Inferences a second", lambda f: f.throughput_fps),
        Column(
            *("GMAC/s", "1e9 multiply-accumulates a second: MACs over the median (else mean) latency"),
            lambda entry: gmac_per_s(entry.result, kind) if entry.result.macs else None,
            missing=lambda entry: "nothing to multiply" if entry.result.macs == 0 else "not reported",
            kind=kind,
        ),
        _figure(kind, "MAC use", "Share of the chip's peak", lambda f: f.mac_utilisation, PERCENT),
    ]


def _accuracies(kind: Kind) -> list[Column]:
    return [
        Column(
            *("speed-up", "FP32 latency over INT8 latency, medians (else means) of the same kind"),
            lambda entry: entry.speedups[kind].factor if kind in entry.speedups else None,
            (Scale("×"),),
            missing=_no_speedup,
            kind=kind,
        ),
        _accuracy(
            *(kind, "cosine", "Cosine of outputs and FP32 reference", lambda a: a.cosine),
            show=closeness,
            digits=5,
        ),
        _accuracy(
            *(kind, "rel. error", "2-norm of the difference over that of the FP32 reference"),
            lambda a: a.relative_error,
            scales=PERCENT,
        ),
        _accuracy(kind, "PSNR", "Peak signal-to-noise against the FP32 reference", lambda a: a.psnr_db, "dB"),
        _accuracy(
            *(kind, "top-1", "Share of inputs with the reference's arg-max", lambda a: a.top1_agreement),
            show=lambda value: closeness(value, 3),
            digits=3,
        ),
    ]


def _figure(
    kind: Kind, title: str, hint: str, get: Callable[[Figures], float | None], scales: tuple[Scale, ...] = ONE
) -> Column:
    def value(entry: Entry) -> float | None:
        figures = entry.figures.get(kind)
        return get(figures) if figures else None

    return Column(title, hint, value, scales, kind=kind)


def _percentile(kind: Kind, percentile: int, always: bool) -> Column:
    name, needed = f"p{percentile}", least_samples(percentile)

    def missing(entry: Entry) -> str:
        latency, figures = _latency_of(entry, kind), entry.figures.get(kind)
        if latency is None or figures is None:
            return say("no {kind} latency", kind=say(kind.value))
        if "statistic" in figures.details:
            return str(figures.details["statistic"])
        if latency.n < needed:
            return say(
                "{name} needs {needed} runs, there were {count}", name=name, needed=needed, count=latency.n
            )
        return "the tool reports no single runs"

    below = say("Latency that {percentile} % stay below", percentile=percentile)
    hint = "Median latency of one inference" if percentile == 50 else below
    return Column(name, hint, _statistic(kind, name), TIMES, "µs", missing=missing, kind=kind, always=always)


def _latency(kind: Kind, name: str, hint: str) -> Column:
    return Column(name, hint, _statistic(kind, name), TIMES, "µs", kind=kind)


def _statistic(kind: Kind, name: str) -> Callable[[Entry], float | None]:
    def value(entry: Entry) -> float | None:
        found: float | None = getattr(_latency_of(entry, kind), name, None)
        return found

    return value


def _accuracy(
    kind: Kind,
    title: str,
    hint: str,
    get: Callable[[Accuracy], float | None],
    unit: str = "",
    show: Callable[[float], str] = significant,
    scales: tuple[Scale, ...] | None = None,
    digits: int | None = None,
) -> Column:
    def value(entry: Entry) -> float | None:
        figures = entry.figures.get(kind)
        return get(figures.accuracy) if figures and figures.accuracy else None

    def missing(entry: Entry) -> str:
        figures = entry.figures.get(kind)
        if figures is None or figures.accuracy is None:
            return say("not compared")
        same = title == "PSNR" and figures.accuracy.max_abs == 0
        return "identical outputs: no noise" if same else "does not apply"

    return Column(title, hint, value, scales or (Scale(unit),), unit, show, missing, kind, digits=digits)


def _latency_of(entry: Entry, kind: Kind) -> Latency | None:
    figures = entry.figures.get(kind)
    return figures.latency_us if figures else None


def _lacks_median(entry: Entry, kind: Kind) -> bool:
    latency = _latency_of(entry, kind)
    return latency is not None and latency.p50 is None


def _no_speedup(entry: Entry) -> str:
    if entry.result.precision is Precision.FP32:
        return "stands on the INT8 row"
    if Definition.QUANTISATION in earlier(entry.result):
        return say("quantised by an earlier definition: measure it again")
    return "no FP32 latency of this kind to compare with"
