"""Columns of the page's case tables: a value, its unit, how it is shown and why it may be missing."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from npubench.domain.figures import Accuracy, CodecFigures, Figures, Kind, NoAccuracy
from npubench.domain.records import Definition, Result, earlier
from npubench.domain.specs import Precision
from npubench.measure.statistics import least_samples
from npubench.reporting.data.accuracy import no_accuracy_of, why_none, word_of
from npubench.reporting.data.figures import (
    Speedup,
    bound_of,
    gmac_per_s,
    mark,
    opposite,
    source_text,
    whole_npu,
)
from npubench.reporting.data.formatting import COUNTS, TIMES, Scale, closeness
from npubench.reporting.data.translate import translate

ONE = (Scale(""),)
PERCENT = (Scale("%", 0.01),)


@dataclass(frozen=True, slots=True)
class Entry:
    """A result, its figures and how much faster than FP32 it is, both by kind."""

    result: Result
    figures: Mapping[Kind, Figures | None]
    speedups: Mapping[Kind, Speedup]


def nothing(_: Entry) -> str:
    """No word; by its name a table knows that it need not ask every row."""
    return ""


@dataclass(frozen=True, slots=True)
class Column:
    """`value` in base units (µs, bytes, 1), `scales` it may be shown in, `exact` its base unit.

    A column without any value is left out unless it is `always` there. `word` stands in for a value that is
    missing, where one dash would mean several things; rows that it `keeps` keep a column without a value.
    `mark` stands before the figure, as of a bound, `aside` after it with its unit.
    """

    title: str
    hint: str
    value: Callable[[Entry], float | None]
    scales: tuple[Scale, ...] = ONE
    exact: str = ""
    missing: Callable[[Entry], str] = lambda _: "not reported"
    kind: Kind | None = None
    always: bool = False
    digits: int | None = None
    word: Callable[[Entry], str] = nothing
    keeps: Callable[[Entry], bool] = lambda _: False
    mark: Callable[[Entry], str] = nothing
    aside: Callable[[Entry], str] = nothing


_MACS = Column(
    "MACs",
    "Multiply-accumulates of the exported graph at its fixed shapes",
    lambda entry: entry.result.macs,
    COUNTS,
    missing=lambda entry: "a shape is unknown" if entry.result.onnx_sha256 else "not exported",
)


_FPS = "Samples a second: those of one call over the mean latency, calls one after another"

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
    def opposite_mark(entry: Entry) -> str:
        return mark(opposite(bound_of(entry.figures.get(kind))))

    return [
        replace(
            _figure(kind, "fps", _FPS, lambda f: f.throughput_fps),
            mark=opposite_mark,
        ),
        Column(
            *("samples", "Samples in one call, and what says so; see docs/measuring.md"),
            _of(kind, lambda f: f.sampling.samples_per_call if f.sampling else None),
            digits=0,
            kind=kind,
            aside=lambda entry: _source(entry.figures.get(kind)),
        ),
        Column(
            *("GMAC/s", "1e9 multiply-accumulates a second: MACs over the median (else mean) latency"),
            lambda entry: gmac_per_s(entry.result, kind) if entry.result.macs else None,
            missing=lambda entry: "nothing to multiply" if entry.result.macs == 0 else "not reported",
            kind=kind,
            mark=opposite_mark,
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
            mark=lambda entry: mark(entry.speedups[kind].bound) if kind in entry.speedups else "",
        ),
        replace(
            _accuracy(
                *(kind, "cosine", "Cosine of outputs and FP32 reference", lambda a: a.cosine),
                digits=5,
            ),
            word=lambda entry: _word(entry, kind),
            keeps=lambda entry: _is_told(entry.figures.get(kind)),
        ),
        _accuracy(
            *(kind, "worst slice", "Lowest cosine of a slice of an output along one of its axes"),
            lambda a: a.worst_slice.cosine if a.worst_slice else None,
            digits=5,
        ),
        _accuracy(
            *(kind, "dead slices", "Slices of outputs that vary in FP32 and are constant here"),
            # None at all is what is expected of a row, and no column.
            lambda a: a.dead_slices or None,
            digits=0,
        ),
        _accuracy(
            *(kind, "rel. error", "2-norm of the difference over that of the FP32 reference"),
            lambda a: a.relative_error,
            scales=PERCENT,
        ),
        _accuracy(kind, "PSNR", "Peak signal-to-noise against the FP32 reference", lambda a: a.psnr_db, "dB"),
        _accuracy(
            *(kind, "top-1", "Share of inputs with the reference's arg-max", lambda a: a.top1_agreement),
            digits=3,
        ),
    ]


def _figure(
    kind: Kind, title: str, hint: str, get: Callable[[Figures], float | None], scales: tuple[Scale, ...] = ONE
) -> Column:
    return Column(title, hint, _of(kind, get), scales, kind=kind)


def _of(kind: Kind, get: Callable[[Figures], float | None]) -> Callable[[Entry], float | None]:
    """What `get` has of a row's figures of that kind; None without any."""

    def value(entry: Entry) -> float | None:
        figures = entry.figures.get(kind)
        return get(figures) if figures else None

    return value


def _percentile(kind: Kind, percentile: int, always: bool) -> Column:
    name, needed = f"p{percentile}", least_samples(percentile)

    def missing(entry: Entry) -> str:
        figures = entry.figures.get(kind)
        if figures is None or figures.latency_us is None:
            return translate("no {kind} latency", kind=translate(kind.value))
        if figures.statistic:
            return figures.statistic
        count = figures.latency_us.n
        if count < needed:
            return translate(
                "{name} needs {needed} runs, there were {count}", name=name, needed=needed, count=count
            )
        return "the tool reports no single runs"

    below = translate("Latency that {percentile} % stay below", percentile=percentile)
    hint = "Median latency of one inference" if percentile == 50 else below
    return Column(
        *(name, hint, _statistic(kind, name), TIMES, "µs", missing, kind, always),
        mark=_bound_mark(kind),
    )


def _latency(kind: Kind, name: str, hint: str) -> Column:
    """A latency that stands in for the median."""
    return Column(name, hint, _statistic(kind, name), TIMES, "µs", kind=kind, mark=_bound_mark(kind))


def _bound_mark(kind: Kind) -> Callable[[Entry], str]:
    return lambda entry: mark(bound_of(entry.figures.get(kind)))


def _source(figures: Figures | None) -> str:
    return f" ({source_text(figures.sampling)})" if figures and figures.sampling else ""


def _statistic(kind: Kind, name: str) -> Callable[[Entry], float | None]:
    return _of(kind, lambda figures: getattr(figures.latency_us, name, None))


def _accuracy(
    kind: Kind,
    title: str,
    hint: str,
    get: Callable[[Accuracy], float | None],
    unit: str = "",
    scales: tuple[Scale, ...] | None = None,
    digits: int | None = None,
) -> Column:
    def missing(entry: Entry) -> str:
        figures = entry.figures.get(kind)
        if figures is None:
            return translate("not compared")
        reason, why = no_accuracy_of(entry.result, figures)
        if reason is not None:
            return why_none(reason, why)
        if figures.accuracy is None:
            return translate("not compared")
        same = title == "PSNR" and figures.accuracy.max_abs == 0
        return "identical outputs: no noise" if same else "does not apply"

    value = _of(kind, lambda figures: get(figures.accuracy) if figures.accuracy else None)
    return Column(title, hint, value, scales or (Scale(unit),), unit, missing, kind, digits=digits)


def _is_told(figures: Figures | None) -> bool:
    """Whether a row itself says why it has no cosine, and is not the reference that needs none."""
    return figures is not None and figures.no_accuracy not in (None, NoAccuracy.IS_REFERENCE)


def _word(entry: Entry, kind: Kind) -> str:
    """What stands in a cosine's place: why there is none, or the share of whole numbers that are equal."""
    figures = entry.figures.get(kind)
    if figures is None:
        return ""
    reason, _ = no_accuracy_of(entry.result, figures)
    if reason is not None:
        return word_of(reason)
    equal = figures.accuracy.equal if figures.accuracy else None
    return "" if equal is None else translate("{share} equal", share=closeness(equal, 3))


def _lacks_median(entry: Entry, kind: Kind) -> bool:
    figures = entry.figures.get(kind)
    return figures is not None and figures.latency_us is not None and figures.latency_us.p50 is None


def _no_speedup(entry: Entry) -> str:
    if entry.result.precision is Precision.FP32:
        return "stands on the INT8 row"
    if Definition.QUANTISATION in earlier(entry.result):
        return translate("quantised by an earlier definition: measure it again")
    return "no FP32 latency of this kind to compare with"


def codec_columns() -> tuple[Column, ...]:
    """Measured alone: nobody simulates a codec."""
    seen = "Streams decoded at once, each with 25 frames a second; the most of which that was seen"
    kept_busy = "Cores kept busy by one stream: processor time over elapsed time"
    frames = "Frames whose number and checksum were checked before anything was timed"
    noise = "Least peak signal-to-noise ratio of a frame against its source"
    return (
        replace(_codec_figure("streams", seen, "streams", digits=0), missing=_why_no_streams),
        _codec_figure("CPU", kept_busy, "cpu_cores", "cores"),
        _codec_figure("checked", frames, "frames_checked", "frames", 0),
        Column(
            "checksum",
            "SHA-256 of all checked frames against the reference's",
            lambda _: None,
            missing=lambda entry: "" if _is_same(entry) else _why_no_reference(entry),
            kind=Kind.MEASURED,
            word=lambda entry: translate("same") if _is_same(entry) else "",
            keeps=_is_same,
        ),
        _codec_figure("PSNR", noise, "psnr_db", "dB"),
    )


def _codec_figure(title: str, hint: str, field: str, unit: str = "", digits: int | None = None) -> Column:
    value = _of(Kind.MEASURED, lambda figures: getattr(figures.codec, field, None))
    return Column(title, hint, value, (Scale(unit),), unit, kind=Kind.MEASURED, digits=digits)


def _is_same(entry: Entry) -> bool:
    codec = _codec(entry)
    expected = codec.frames_sha256_expected if codec else None
    return codec is not None and expected is not None and expected == codec.frames_sha256


def _why_no_streams(entry: Entry) -> str:
    codec = _codec(entry)
    return "only of decoders of video" if codec is None or codec.streams_fps is None else "not reported"


def _why_no_reference(entry: Entry) -> str:
    codec = _codec(entry)
    if codec is None or not codec.frames_sha256:
        return "the tool reports no checksum"
    return translate("no standard says what comes out; it was {found}", found=codec.frames_sha256)


def _codec(entry: Entry) -> CodecFigures | None:
    figures = entry.figures.get(Kind.MEASURED)
    return figures.codec if figures else None
