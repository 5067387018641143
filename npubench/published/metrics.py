"""What published figures are figures of: metrics, the units they are told in, and whose family they are."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from npubench.domain.text import did_you_mean


class Family(StrEnum):
    """What never shares a column or a mean: networks of images, language models, and all else."""

    VISION = "vision"
    LANGUAGE = "language"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric by its name; `scales` brings its units, in small letters, to `unit`."""

    name: str
    family: Family
    unit: str
    scales: Mapping[str, float]
    rate: bool = False  # a rate: the greater, the faster


_TIMES = MappingProxyType(
    {"ns": 1e-6, "us": 1e-3, "µs": 1e-3, "μs": 1e-3, "ms": 1.0, "msec": 1.0, "s": 1e3, "sec": 1e3}
)
_PER_SECOND = ("inferences/s", "images/s", "frames/s", "samples/s", "img/s", "ips", "qps", "1/s")
_RATES = MappingProxyType(dict.fromkeys(("fps", *_PER_SECOND), 1.0))
_TOKENS = MappingProxyType(dict.fromkeys(("tokens/s", "token/s", "tok/s", "t/s", "tps"), 1.0))
_SIZES = MappingProxyType(
    {"b": 1e-6, "kb": 1e-3, "mb": 1.0, "gb": 1e3, "kib": 1.024e-3, "mib": 1.048576, "gib": 1073.741824}
)

METRICS: Mapping[str, Metric] = MappingProxyType(
    {
        metric.name: metric
        for metric in (
            Metric("latency", Family.VISION, "ms", _TIMES),
            Metric("calculate time", Family.VISION, "ms", _TIMES),
            Metric("throughput", Family.VISION, "fps", _RATES, rate=True),
            Metric("decode", Family.LANGUAGE, "tokens/s", _TOKENS, rate=True),
            Metric("prefill", Family.LANGUAGE, "tokens/s", _TOKENS, rate=True),
            Metric("ttft", Family.LANGUAGE, "ms", _TIMES),
            Metric("memory", Family.LANGUAGE, "MB", _SIZES),
            Metric("image encoder", Family.LANGUAGE, "ms", _TIMES),
            Metric("cmm memory", Family.OTHER, "MB", _SIZES),
            Metric("rtf", Family.OTHER, "RTF", MappingProxyType({"rtf": 1.0, "": 1.0})),
        )
    }
)
"""By name. `calculate time` is a time an image of a batch; `ttft` the time to the first token; `rtf` the
real-time factor of speech, seconds of computing a second of sound. Any other metric is `other`, in its own
unit."""


def known_as(metric: str) -> str:
    """A metric's name as `METRICS` has it, in whatever case it is written; others as they are."""
    small = metric.casefold()
    return small if small in METRICS else metric


def wrong_metric(metric: str, unit: str) -> str:
    """What is wrong with a metric or its unit; empty where nothing is."""
    if not metric:
        return "is empty: name the metric"
    known = METRICS.get(metric)
    if known is not None and unit.casefold() not in known.scales:
        units = ", ".join(filter(None, known.scales))
        what = f"{unit[:60]!r} is no unit" if unit else "there is no unit"
        return f"{what} of {metric!r}: use one of {units}"
    if known is None and (near := did_you_mean(metric, METRICS, most=1)) and len(metric.split()) == 1:
        return f"{metric[:60]!r} is no metric that npubench knows{near}: correct it"
    return ""
