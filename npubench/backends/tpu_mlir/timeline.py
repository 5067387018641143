"""TPU-MLIR's timeline of a compiled file: what each engine does for each operation, and when, in cycles.

`Conv2D_17|CONV|s:4025|b:17|g:2|e:9448|t:5424` is a command of the operation in line 17 of the compiler's last
listing, from cycle 4025 to 9448; commands that move data tell a direction and bytes, too.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from npubench.backends.tpu_mlir.log import CYCLES

_COMMAND = re.compile(
    r"(?P<type>[A-Za-z]\w*)_(?P<line>\d{1,9})\|\w+\|s:(?P<start>\d{1,15})(?:\|[bg]:\d+){2}"
    r"\|e:(?P<end>\d{1,15})\|t:\d+(?P<moves>\|dr:\d+\|sz:(?P<bytes>\d{1,15})\|bw:\S+)?(?=\s)"
)
_BEGINS, _PART = "|s:", "ENGINE_BD"


@dataclass(frozen=True, slots=True)
class Command:
    """What one engine does at once, in cycles: from `start` to before `end`."""

    type: str  # of the operation, by the tool
    line: int  # of the operation
    start: int  # since the model began
    end: int  # the first cycle after it
    moves: bool  # it moves data, and does not compute
    bytes: int = 0  # that it moves


@dataclass(frozen=True, slots=True)
class Timeline:
    """Commands in the order of the file."""

    commands: tuple[Command, ...]
    complete: bool  # whether every command of the file was read


def parse_timeline(text: str) -> Timeline:
    """The commands of compiler_profile_0.txt; none of a text of another form.

    A model of which something runs elsewhere has several parts; each follows where the one before ended.
    """
    found, began = list[Command](), 0
    for part in text.split(_PART)[1:]:
        commands = [_command(match, began) for match in _COMMAND.finditer(part)]
        found += commands
        told = CYCLES.search(part)
        began = began + int(told[1]) if told else max((one.end for one in commands), default=began)
    return Timeline(tuple(found), len(found) == text.count(_BEGINS))


def _command(match: re.Match[str], began: int) -> Command:
    return Command(
        *(match["type"], int(match["line"]), began + int(match["start"]), began + int(match["end"]) + 1),
        *(match["moves"] is not None, int(match["bytes"] or 0)),
    )


def busy(commands: Iterable[Command]) -> int:
    """Cycles in which at least one of them runs."""
    total = until = 0
    for one in sorted(commands, key=lambda one: one.start):
        total += max(0, one.end - max(one.start, until))
        until = max(until, one.end)
    return total


def by_line(commands: Sequence[Command]) -> dict[int, list[Command]]:
    """Commands of each operation, in the order in which operations begin."""
    found: dict[int, list[Command]] = {}
    for one in sorted(commands, key=lambda one: one.start):
        found.setdefault(one.line, []).append(one)
    return found
