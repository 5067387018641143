"""What a throughput counts, in words: samples a call, what says so, and what it was made of."""

from npubench.domain.records import Figures, Kind, RateFrom, SamplesFrom, Sampling
from npubench.reporting.data.words import say

SHORT = {
    SamplesFrom.SYMBOLIC_AXIS: "open axis",
    SamplesFrom.MANIFEST: "manifest",
    SamplesFrom.OPTION: "--batch-axis",
    SamplesFrom.TOOL: "its batch",
    SamplesFrom.LEADING_SIZE: "leading size",
    SamplesFrom.ONE_A_CALL: "one a call",
}
"""For the column of a terminal."""


def source_text(sampling: Sampling) -> str:
    """What says how many samples a call holds."""
    words = {
        SamplesFrom.SYMBOLIC_AXIS: say("an open axis of the model"),
        SamplesFrom.MANIFEST: say("the manifest"),
        SamplesFrom.OPTION: "--batch-axis",
        SamplesFrom.TOOL: say("the tool's batch"),
        SamplesFrom.LEADING_SIZE: say("leading size"),
        SamplesFrom.ONE_A_CALL: say("one sample a call"),
    }
    return words[sampling.source]


def counts_text(figures: Figures) -> str:
    """`4 a call: leading size, over the mean latency`; empty where nothing is known of it."""
    if figures.throughput_fps is None:
        return ""
    rate = _rate(figures)
    sampling = figures.sampling
    if sampling is None:
        return rate
    counted = say("{count} a call", count=sampling.samples_per_call)
    axis = "" if sampling.axis is None else f" ({say('axis {axis}', axis=sampling.axis)})"
    text = f"{counted}: {source_text(sampling)}{axis}"
    return f"{text}, {rate}" if rate else text


def _rate(figures: Figures) -> str:
    if figures.throughput_from is RateFrom.MEAN_LATENCY:
        return say("over the mean latency")
    if figures.throughput_from is RateFrom.TOOL:
        return say("counted by the tool")
    return say("as it was published") if figures.kind is Kind.PUBLISHED else ""
