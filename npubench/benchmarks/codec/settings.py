"""A vendor's sample program as a board's file declares it, and what its output says.

[benchmark_options.codec.command."decode-h264-*"]
argv = ["/opt/bin/sample_vdec", "-i", "{input}"]
frames = 'decoded=([0-9]+)'
fps = 'fps[=:] *([0-9.]+)'
"""

import math
import re
import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from itertools import pairwise
from pathlib import Path
from typing import Any

from npubench.benchmarks.codec.cases import BY_NAME
from npubench.domain.errors import UsageError
from npubench.domain.specs import BoardSpec, Options
from npubench.measure.statistics import least_samples

PLACEHOLDERS = ("input", "width", "height", "frames", "codec", "threads")
_PATTERNS = ("frames", "fps", "counter", "sha256", "unsupported")
_KEYS = {"argv", "loops", "input", "counter_s", "frames_expected", "parallel", *_PATTERNS}
_GROUPS = {"unsupported": 0}
_LINE_LIMIT = 2000
"""A pattern never sees more of a line, so that none takes for ever on what a broken program prints."""
_EDGE = 3
"""Counters of the first and last seconds are of a start and an end, not of a steady stream."""
_NUMBER = re.compile(r"[0-9]{1,15}(?:\.[0-9]{1,9})?")


@dataclass(frozen=True, slots=True)
class Said:
    """What a program's output told. `fps` is its own figure; `rates` are of its counter, by interval."""

    frames: int | None = None
    fps: float | None = None
    rates: tuple[float, ...] = ()
    sha256: str | None = None
    unsupported: str | None = None


def problem_of(table: Mapping[str, Any]) -> str | None:
    """What is wrong with a declaration, beginning with its key; None when nothing is."""
    for key in table:
        if key not in _KEYS:
            return f"{key:.40}: nothing reads it: name some of {', '.join(sorted(_KEYS))}"
    argv = table.get("argv")
    if not isinstance(argv, list) or not argv or not all(isinstance(word, str) and word for word in argv):
        return "argv: give a list of texts, the program first"
    if "frames" not in table and "counter" not in table:
        return "frames: give a regular expression for the number of frames"
    for key in _PATTERNS:
        if key in table and (problem := _problem_of_pattern(table[key], _GROUPS.get(key, 1))):
            return f"{key}: {problem}"
    for key in ("loops", "frames_expected"):
        if key in table and (not _is(table[key], int) or table[key] < 1):
            return f"{key}: give a whole number from 1"
    if "counter_s" in table and (not _is(table["counter_s"], (int, float)) or not table["counter_s"] > 0):
        return "counter_s: give seconds above zero"
    if "parallel" in table and not isinstance(table["parallel"], bool):
        return "parallel: give true or false"
    return None if isinstance(table.get("input", ""), str) else "input: give a path on the board"


def _problem_of_pattern(pattern: Any, groups: int) -> str | None:
    if not isinstance(pattern, str):
        return "give a regular expression as a text"
    try:
        found = re.compile(pattern).groups
    except re.error as error:
        return f"{pattern!r:.80} is no regular expression: {error}"
    if groups and found != groups:
        return f"{pattern!r:.80} has {found} groups: put one around the figure"
    return None


def _is(value: Any, kind: Any) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)


def command_line(table: Mapping[str, Any], values: Mapping[str, str]) -> list[str]:
    """The declared argument list with `{input}` and its like filled in; other braces stay."""
    return [_filled(word, values) for word in table["argv"]]


def _filled(word: str, values: Mapping[str, str]) -> str:
    names = "|".join(PLACEHOLDERS)
    return re.sub(rf"\{{({names})\}}", lambda found: values[found[1]], word)


def said(table: Mapping[str, Any], output: str) -> Said:
    """What the patterns find, line by line; of several finds the last counts. Never raises."""
    lines = [line[:_LINE_LIMIT] for line in output.replace("\r", "\n").split("\n")]
    found = {key: [m for line in lines for m in _finds(table, key, line)] for key in _PATTERNS}
    counters = [number for text in found["counter"] if (number := _number(text)) is not None]
    frames = _last_number(found["frames" if "frames" in table else "counter"])
    return Said(
        frames=int(frames) if frames is not None and frames == int(frames) else None,
        fps=_last_number(found["fps"]),
        rates=rates(counters, float(table.get("counter_s", 1.0))),
        sha256=_last(found["sha256"]),
        unsupported=_last(found["unsupported"]),
    )


def _finds(table: Mapping[str, Any], key: str, line: str) -> list[str]:
    if key not in table:
        return []
    matches = re.finditer(table[key], line)
    return [match[0].strip()[:200] if key == "unsupported" else (match[1] or "") for match in matches]


def rates(counters: list[float], interval_s: float) -> tuple[float, ...]:
    """Frames a second of each interval between counters, without the first and last three."""
    steps = [(b - a) / interval_s for a, b in pairwise(counters) if b >= a]
    return tuple(steps[_EDGE:-_EDGE])


def spread(found: tuple[float, ...]) -> Mapping[str, float]:
    """Mean, 5th percentile (nearest rank) and least of the rates; nothing without any."""
    if not found:
        return {}
    ordered = sorted(found)
    low = ordered[max(0, math.ceil(0.05 * len(ordered)) - 1)]
    return {"rate_mean": statistics.fmean(found), "rate_p5": low, "rate_min": ordered[0]}


def _last(texts: list[str]) -> str | None:
    return texts[-1] if texts else None


def _last_number(texts: list[str]) -> float | None:
    return _number(texts[-1]) if texts else None


def _number(text: str) -> float | None:
    return float(text) if _NUMBER.fullmatch(text) else None


ENGINES = ("pyav", "ffmpeg", "gstreamer", "command")
LATENCY_SAMPLES = least_samples(99)
_WORDS = {"engine", "hardware", "model", "program", "frame_format"}
_NUMBERS = {"threads", "least_s", "most_s", "stream_s", "search_s"}
_TABLES = {"lacks", "command"}


@dataclass(frozen=True, slots=True)
class Settings:
    """`[benchmark_options.codec]` of a board.

    `hardware` is the family of a hardware codec (`v4l2m2m`, `rkmpp`, ...), empty for software.
    `threads` is for one decoder or encoder. A timed pass takes `least_s`; a decoder's takes up to
    `most_s` until it has enough frames for a p99. A trial of several streams decodes `stream_s` at
    25 fps, and no new one begins after `search_s`. `frame_format` is a filter of FFmpeg that brings a
    hardware decoder's frames to memory. `lacks` has cases (names or globs) that the board cannot do,
    and why; `commands` are tables of the engine `command`, by case or glob.
    """

    engine: str
    hardware: str = ""
    program: str = ""
    model: str = ""
    frame_format: str = ""
    threads: int = 1
    least_s: float = 1.5
    most_s: float = 3.5
    stream_s: float = 1.0
    search_s: float = 3.0
    lacks: Mapping[str, str] = field(default_factory=dict)
    commands: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def why_lacking(self, case: str) -> str | None:
        """Why the board cannot do a case; None when nothing is known against it."""
        return next((why for glob, why in self.lacks.items() if fnmatchcase(case, glob)), None)

    def command_for(self, case: str) -> Mapping[str, Any] | None:
        """The table of the engine `command` for a case: of its own name first, else of the first glob."""
        if case in self.commands:
            return self.commands[case]
        return next((table for glob, table in self.commands.items() if fnmatchcase(case, glob)), None)


def settings(board: BoardSpec, options: Options, default_engine: str) -> Settings:
    """The board's table with the command line's options over it. Raises UsageError with its key."""
    table = {**board.benchmark_options.get("codec", {}), **{k: v for k, v in options.items() if v}}
    where = f"board {board.name}: benchmark_options.codec"
    known = _WORDS | _NUMBERS | _TABLES
    for key, value in table.items():
        if key not in known:
            raise UsageError(f"{where} has {key!r:.40}, which nothing reads: name some of {_list(known)}")
        _check(f"{where}.{key}", key, value)
    engine = table.pop("engine", default_engine)
    if engine not in ENGINES:
        raise UsageError(f"{where}.engine is {engine!r:.40}: name one of {', '.join(ENGINES)}")
    table["commands"] = table.pop("command", {})
    found = Settings(engine=engine, **table)
    if found.least_s > found.most_s:
        raise UsageError(f"{where}.least_s is more than most_s, {found.most_s:g}: make it less")
    if found.model and not Path(found.model).is_file():
        raise UsageError(f"{where}.model {found.model!r:.80}: no such file: check the path")
    return found


def _check(where: str, key: str, value: Any) -> None:
    if key in _WORDS and not isinstance(value, str):
        raise UsageError(f"{where} is {value!r:.40}: give a text")
    if key == "threads" and (not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 256):
        raise UsageError(f"{where} is {value!r:.40}: give a whole number from 1 to 256")
    if key in _NUMBERS and (isinstance(value, bool) or not isinstance(value, (int, float)) or not value > 0):
        raise UsageError(f"{where} is {value!r:.40}: give a number above zero")
    if key in _TABLES:
        _check_table(where, key, value)


def _check_table(where: str, key: str, value: Any) -> None:
    wanted = str if key == "lacks" else Mapping
    if not isinstance(value, Mapping) or not all(isinstance(one, wanted) for one in value.values()):
        raise UsageError(f"{where} must be a table of cases with {'reasons' if key == 'lacks' else 'tables'}")
    for glob in value:
        if not any(fnmatchcase(name, glob) for name in BY_NAME):
            raise UsageError(f"{where}: {glob!r:.60} fits no case: there are {_list(BY_NAME)}")
        if key == "command" and (problem := problem_of(value[glob])):
            raise UsageError(f'{where}."{glob}".{problem}')


def _list(names: Any) -> str:
    return ", ".join(sorted(names))
