"""What a board's file and a command line say of the stage `codec`, checked."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from npubench.benchmarks.codec.cases import BY_NAME
from npubench.benchmarks.codec.declared import problem_of
from npubench.domain.errors import UsageError
from npubench.domain.specs import BoardSpec, Options
from npubench.measure.statistics import least_samples

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
