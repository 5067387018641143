"""Output of `ax_run_model`, the runner of Pulsar 2 boards, to figures.

Format: Pulsar 2 documentation. Indents and the order of the head lines differ by version.
"""

import re
from dataclasses import dataclass, field
from typing import Any

from npubench.backends.axera.lines import (
    DamagedError,
    need,
    put_once,
    unparsed,
    whole_lines,
)
from npubench.records import Failure, Stage

_MS = r"([0-9]{1,9}\.[0-9]{3})"
_TIMES = re.compile(rf"\s*min = +{_MS} ms +max = +{_MS} ms +avg = +{_MS} ms\s*")
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
    "pulsar2_version": re.compile(r"\s*pulsar2 ver: (.+)"),
    "engine_version": re.compile(r"\s*engine ver: (.+)"),
    "tool_version": re.compile(r"\s*tool ver: (.+)"),
}
_ENDS_OPEN = re.compile(r"\s*(?:warmup|repeat):")
_FOLLOWS = re.compile(r"\s*(?:$|[A-Za-z][A-Za-z0-9 ]*:|-{3,}|min = )")
_KNOWN = re.compile(r"\s*(?:min\b|repeat:|cmm size:)")


@dataclass(frozen=True, slots=True)
class AxRunModel:
    """One call of ax_run_model: times in us over `repeat` runs (1 where it is not printed)."""

    min_us: float
    max_us: float
    mean_us: float
    repeat: int
    warmup: int | None = None
    cmm_bytes: int | None = None
    texts: dict[str, str] = field(default_factory=dict)


def parse_ax_run_model(text: str) -> AxRunModel | Failure:
    """The figures of one or several equal printouts; UNPARSED_OUTPUT for anything doubtful."""
    try:
        return _parse(whole_lines(text))
    except DamagedError as damage:
        return unparsed(Stage.MEASURE, "ax_run_model", str(damage), text)


def _parse(lines: list[str]) -> AxRunModel:
    found: dict[str, Any] = {}
    for line, following in zip(lines, [*lines[1:], ""], strict=False):
        if _ENDS_OPEN.match(line) and not _FOLLOWS.match(following):
            raise DamagedError(f"the line {line.strip()[:80]!r} breaks off")
        if not _note(line, found) and _KNOWN.match(line):
            raise DamagedError(f"the line {line.strip()[:80]!r} is not whole")
    low, high, mean = need(found, "min max avg")
    if not 0 < low <= mean <= high:
        raise DamagedError(f"min {low}, avg {mean} and max {high} ms contradict each other")
    return AxRunModel(
        min_us=_us(low),
        max_us=_us(high),
        mean_us=_us(mean),
        repeat=max(1, found.get("repeat", 1)),
        warmup=found.get("warmup"),
        cmm_bytes=found.get("cmm size"),
        texts={key: found[key] for key in _TEXTS if key in found},
    )


def _us(ms: float) -> float:
    return round(ms * 1000, 3)


def _note(line: str, found: dict[str, Any]) -> bool:
    if match := _TIMES.fullmatch(line):
        put_once(found, "min max avg", tuple(map(float, match.groups())))
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
