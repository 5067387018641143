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
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec

from npubench.benchmarks.codec.cases import BY_NAME
from npubench.domain.errors import UsageError
from npubench.domain.specs import BoardSpec, Options
from npubench.measure.statistics import least_samples
from npubench.storage import json
from npubench.storage.json import Positive, Table, Text, mistakes

_PLACEHOLDER = re.compile(r"\{(input|width|height|frames|codec|threads)\}")
_PATTERNS = ("frames", "fps", "counter", "sha256", "unsupported")
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


_Count = Annotated[int, msgspec.Meta(ge=1)]


class Declaration(Table, frozen=True):
    """A table of the engine `command`; see docs/codec.md."""

    argv: Annotated[tuple[Text, ...], msgspec.Meta(min_length=1)]
    loops: _Count = 1
    input: str = ""
    counter_s: Positive = 1.0
    frames_expected: _Count = 1
    parallel: bool = False
    frames: str = ""
    fps: str = ""
    counter: str = ""
    sha256: str = ""
    unsupported: str = ""


def problem_of(table: Mapping[str, Any]) -> str | None:
    """What is wrong with a declaration, beginning with its key; None when nothing is."""
    if found := list(mistakes(table, Declaration)):
        return "; ".join(map(str, found))
    if "frames" not in table and "counter" not in table:
        return "frames: give a regular expression for the number of frames"
    for key in (key for key in _PATTERNS if key in table):
        try:
            groups = re.compile(table[key]).groups
        except re.error as error:
            return f"{key}: {table[key]!r:.80} is no regular expression: {error}"
        if key != "unsupported" and groups != 1:
            return f"{key}: {table[key]!r:.80} has {groups} groups: put one around the figure"
    return None


def command_line(table: Mapping[str, Any], values: Mapping[str, str]) -> list[str]:
    """The declared argument list with `{input}` and its like filled in; other braces stay."""
    return [_PLACEHOLDER.sub(lambda found: values[found[1]], word) for word in table["argv"]]


def said(table: Mapping[str, Any], output: str) -> Said:
    """What the patterns find, line by line; of several finds the last counts. Never raises."""
    lines = [line[:_LINE_LIMIT] for line in output.replace("\r", "\n").split("\n")]
    found = {key: [m for line in lines for m in _finds(table, key, line)] for key in _PATTERNS}
    counters = [number for text in found["counter"] if (number := _number(text)) is not None]
    last = {key: texts[-1] for key, texts in found.items() if texts}
    frames = _number(last.get("frames" if "frames" in table else "counter", ""))
    return Said(
        frames=int(frames) if frames is not None and frames == int(frames) else None,
        fps=_number(last.get("fps", "")),
        rates=rates(counters, float(table.get("counter_s", 1.0))),
        sha256=last.get("sha256"),
        unsupported=last.get("unsupported"),
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


def _number(text: str) -> float | None:
    return float(text) if _NUMBER.fullmatch(text) else None


T = TypeVar("T")
LATENCY_SAMPLES = least_samples(99)


class Settings(Table, frozen=True):
    """`[benchmark_options.codec]` of a board.

    `hardware` is the family of a hardware codec (`v4l2m2m`, `rkmpp`, ...), empty for software.
    `threads` is for one decoder or encoder. A timed pass takes `least_s`; a decoder's takes up to
    `most_s` until it has enough frames for a p99. A trial of several streams decodes `stream_s` at
    25 fps, and no new one begins after `search_s`. `frame_format` is a filter of FFmpeg that brings a
    hardware decoder's frames to memory. `lacks` has cases (names or globs) that the board cannot do,
    and why; `commands` are tables of the engine `command`, by case or glob.
    """

    engine: Literal["pyav", "ffmpeg", "gstreamer", "command"]
    hardware: str = ""
    program: str = ""
    model: str = ""
    frame_format: str = ""
    threads: Annotated[int, msgspec.Meta(ge=1, le=256)] = 1
    least_s: Positive = 1.5
    most_s: Positive = 3.5
    stream_s: Positive = 1.0
    search_s: Positive = 3.0
    lacks: dict[str, str] = msgspec.field(default_factory=dict)
    commands: dict[str, dict[str, Any]] = msgspec.field(default_factory=dict, name="command")

    def why_lacking(self, case: str) -> str | None:
        """Why the board cannot do a case; None when nothing is known against it."""
        return _of_case(self.lacks, case)

    def command_for(self, case: str) -> Mapping[str, Any] | None:
        """The table of the engine `command` for a case."""
        return _of_case(self.commands, case)


def _of_case(table: Mapping[str, T], case: str) -> T | None:
    """What is said of a case: by its own name first, else by the first glob that fits."""
    fitting = (glob for glob in (case, *table) if glob in table and fnmatchcase(case, glob))
    return next((table[glob] for glob in fitting), None)


def settings(board: BoardSpec, options: Options, default_engine: str) -> Settings:
    """The board's table with the command line's options over it. Raises UsageError with its key."""
    chosen = {k: v for k, v in options.items() if v}
    table = {"engine": default_engine, **board.benchmark_options.get("codec", {}), **chosen}
    where = f"board {board.name}: benchmark_options.codec"
    json.options(table, Settings, where)
    # As they are written: a whole number of seconds stays one, and with it the keys of rows.
    made = Settings(**{"commands" if key == "command" else key: value for key, value in table.items()})
    _check_cases(f"{where}.lacks", made.lacks)
    _check_cases(f"{where}.command", made.commands)
    if made.least_s > made.most_s:
        raise UsageError(f"{where}.least_s is more than most_s, {made.most_s:g}: make it less")
    if made.model and not Path(made.model).is_file():
        raise UsageError(f"{where}.model {made.model!r:.80}: no such file: check the path")
    return made


def _check_cases(where: str, table: Mapping[str, Any]) -> None:
    for glob, value in table.items():
        if not any(fnmatchcase(name, glob) for name in BY_NAME):
            raise UsageError(f"{where}: {glob!r:.60} fits no case: there are {', '.join(sorted(BY_NAME))}")
        if isinstance(value, Mapping) and (problem := problem_of(value)):
            raise UsageError(f'{where}."{glob}".{problem}')
