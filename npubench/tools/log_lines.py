"""What parsers of tools' output stand on: whole lines without colours, and values that agree."""

import re
from collections.abc import Mapping
from typing import Any, TypeVar

from npubench.domain.records import Failure, FailureClass, Stage
from npubench.tools.logs import plain

T = TypeVar("T")
LINE_LIMIT = 1000


def whole_lines(text: str) -> list[str]:
    """Lines whose end was printed, without colours and trailing blanks; of a redrawn line its last state."""
    return whole_lines_and_rest(text)[0]


def whole_lines_and_rest(text: str) -> tuple[list[str], str]:
    """The same, and what stands after the last line end: a line that may have been cut."""
    *complete, rest = [line.rstrip().rpartition("\r")[2] for line in plain(text).split("\n")]
    return complete, rest


def short_lines(text: str) -> list[str]:
    """All lines without colours, also the last one, each cut to a length that patterns search fast."""
    return [line[:LINE_LIMIT] for line in plain(text).splitlines()]


class DamagedError(ValueError):
    """Output that contradicts itself or breaks off within a known line; stays inside the parsers."""


def put_once(found: dict[str, Any], key: str, value: Any) -> None:
    """Note a value; the same value again is fine. Raises DamagedError for another one."""
    if found.setdefault(key, value) != value:
        raise DamagedError(f"{key} is given as {found[key]} and as {value}")


def need(found: Mapping[str, T], key: str) -> T:
    """A value that must have been printed. Raises DamagedError when it was not."""
    if key not in found:
        raise DamagedError(f"there is no whole {key} line")
    return found[key]


def reject_split_number(previous: str, line: str) -> None:
    """Raise DamagedError for a line that can only be the rest of the number that ended the one before."""
    if re.search(r"[0-9]$", previous) and re.match(r"[0-9.,]+$", line):
        raise DamagedError(f"a number is broken over two lines: {previous[-40:]!r}, {line[:40]!r}")


def unparsed(stage: Stage, tool: str, why: str, text: str) -> Failure:
    """The failure of output that cannot be read; the output is kept whole in `detail`."""
    message = f"{tool} printed what cannot be read: {why}"[:300]
    return Failure(stage, FailureClass.UNPARSED_OUTPUT, message, detail=text)
