"""Output of `ax_run_model` and `axcl_run_model`, the runners of Pulsar 2 boards and cards, to figures.

Formats: Pulsar 2 and AXCL documentation. Indents, the rules and the order of the head lines differ by
version. A card's runner names its runtime (`axclrt ver`) instead of an engine; newer ones print a median
and percentiles.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from npubench.backends.axera.lines import (
    DamagedError,
    need,
    put_once,
    unparsed,
    whole_lines_and_rest,
)
from npubench.domain.records import Failure, FailureClass, Stage

MEDIAN = 50.0
_MS = r"([0-9]{1,9}\.[0-9]{3})"
_TIMES = re.compile(
    rf"\s*min =\s*{_MS} ms\s+max =\s*{_MS} ms\s+avg =\s*{_MS} ms(?:\s+median =\s*{_MS} ms)?\s*"
)
_SHARE = re.compile(rf"([1-9][0-9]?(?:\.[0-9]{{1,2}})?)% =\s*{_MS} ms(?:\s+|$)")
_COUNTS = {
    "warmup": re.compile(r"\s*warmup: ([0-9]{1,9})"),
    "repeat": re.compile(r"\s*repeat: ([0-9]{1,9})"),
    "cmm size": re.compile(r"\s*cmm size: ([0-9]{1,12}) Bytes\s*"),
}
_TEXTS = {
    "model": re.compile(r"\s*model: (.+)"),
    "type": re.compile(r"\s*type: (.+)"),
    "vnpu": re.compile(r"\s*vnpu: (.+)"),
    "affinity": re.compile(r"\s*affinity: (0b[01]+)"),
    "batch": re.compile(r"\s*batch: (.+)"),
    "parallel": re.compile(r"\s*parallel: (true|false)"),
    "sleep": re.compile(r"\s*sleep: ([0-9]+ms)"),
    "shape_groups": re.compile(r"\s*shape groups: ([0-9]+/[0-9]+)"),
    "pulsar2_version": re.compile(r"\s*pulsar2 ver: (.+)"),
    "engine_version": re.compile(r"\s*engine ver: (.+)"),
    "axclrt_version": re.compile(r"\s*axclrt ver: (.+)"),
    "tool_version": re.compile(r"\s*tool ver: (.+)"),
}
_ENDS_OPEN = re.compile(r"\s*(?:warmup|repeat):")
_FOLLOWS = re.compile(r"\s*(?:$|[A-Za-z][A-Za-z0-9 ]*:|-{3,}|min = )")
_KNOWN = re.compile(r"\s*(?:(?:min|max|avg|median)\b|warmup:|repeat:|cmm size:)|.*[0-9] ?% ?=")


@dataclass(frozen=True, slots=True)
class AxRunModel:
    """One call of a runner: times in us over `repeat` runs (1 where it is not printed).

    `percentiles_us` are the runner's own, by percent, the median among them as 50; none from older ones.
    """

    min_us: float
    max_us: float
    mean_us: float
    repeat: int
    warmup: int | None = None
    cmm_bytes: int | None = None
    texts: dict[str, str] = field(default_factory=dict)
    percentiles_us: Mapping[float, float] = field(default_factory=dict)

    @property
    def by_card(self) -> bool:
        """Whether a card's runner printed it: axcl_run_model counts the device's time alone."""
        return "axclrt_version" in self.texts


def parse_ax_run_model(text: str) -> AxRunModel | Failure:
    """The figures of one or several equal printouts; UNPARSED_OUTPUT for anything doubtful."""
    lines, rest = whole_lines_and_rest(text)
    try:
        # Of a line that may have been cut, its closing unit shows that it was not.
        return _parse([*lines, rest] if rest.endswith(" ms") else lines)
    except DamagedError as damage:
        return unparsed(Stage.MEASURE, "ax_run_model", str(damage), text)


def wrong_repeat(call: AxRunModel, asked: int) -> Failure | None:
    """The failure of a printout over other runs than were asked for: it is of another call."""
    if call.repeat == asked:
        return None
    message = f"the runner tells of {call.repeat} run(s), where {asked} were asked for"
    return Failure(Stage.MEASURE, FailureClass.UNPARSED_OUTPUT, message)


def _parse(lines: list[str]) -> AxRunModel:
    found: dict[str, Any] = {}
    percentiles: dict[float, float] = {}
    for line, following in zip(lines, [*lines[1:], ""], strict=False):
        if _ENDS_OPEN.match(line) and not _FOLLOWS.match(following):
            raise DamagedError(f"the line {line.strip()[:80]!r} breaks off")
        if not _note(line, found, percentiles) and _KNOWN.match(line):
            raise DamagedError(f"the line {line.strip()[:80]!r} is not whole")
    low, high, mean = need(found, "min max avg")
    _check(low, high, mean, percentiles)
    repeat = found.get("repeat")
    if repeat == 0 or (repeat == 1 and low != high):
        raise DamagedError(f"min {low} and max {high} ms of {repeat} run(s)")
    return AxRunModel(
        min_us=_us(low),
        max_us=_us(high),
        mean_us=_us(mean),
        repeat=repeat or 1,
        warmup=found.get("warmup"),
        cmm_bytes=found.get("cmm size"),
        texts={key: found[key] for key in _TEXTS if key in found},
        percentiles_us={percent: _us(percentiles[percent]) for percent in sorted(percentiles)},
    )


def _check(low: float, high: float, mean: float, percentiles: Mapping[float, float]) -> None:
    if not 0 < low <= mean <= high:
        raise DamagedError(f"min {low}, avg {mean} and max {high} ms contradict each other")
    rising = [("min", low), *((f"{p:g}%", percentiles[p]) for p in sorted(percentiles)), ("max", high)]
    for (name, value), (next_name, next_value) in pairwise(rising):
        if value > next_value:
            raise DamagedError(f"{name} {value} ms is above {next_name} {next_value} ms")


def _us(ms: float) -> float:
    return round(ms * 1000, 3)


def _note(line: str, found: dict[str, Any], percentiles: dict[float, float]) -> bool:
    if match := _TIMES.fullmatch(line):
        put_once(found, "min max avg", tuple(map(float, match.groups()[:3])))
        if match[4] is not None:
            _put_percentile(percentiles, MEDIAN, float(match[4]))
        return True
    shares = [(float(one[1]), float(one[2])) for one in _SHARE.finditer(line)]
    if shares and not _SHARE.sub("", line).strip():
        if any(first >= second for (first, _), (second, _) in pairwise(shares)):
            raise DamagedError(f"the percentiles of {line.strip()[:80]!r} are out of order")
        for percent, ms in shares:
            _put_percentile(percentiles, percent, ms)
        return True
    for key, pattern in _COUNTS.items():
        if match := pattern.fullmatch(line):
            put_once(found, key, int(match[1]))
            return True
    for key, pattern in _TEXTS.items():
        if match := pattern.fullmatch(line):
            put_once(found, key, match[1].strip())
            return True
    return False


def _put_percentile(percentiles: dict[float, float], percent: float, ms: float) -> None:
    if percentiles.setdefault(percent, ms) != ms:
        raise DamagedError(f"{percent:g}% is given as {percentiles[percent]} and as {ms} ms")
