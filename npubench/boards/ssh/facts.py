"""A board's state, read in one command with nothing but a shell, `cat` and `date`."""

import dataclasses
from datetime import UTC, datetime

from npubench.boards.state import PATHS, parse
from npubench.domain.records import BoardState

READ = f"""\
for file in {" ".join(PATHS)}; do
    [ -r "$file" ] || continue
    echo "$1 $file"
    cat "$file" 2>/dev/null
    echo
done
echo "$1 kills"
{{ while read -r name value; do
    [ "$name" != oom_kill ] || echo "$value"
done < /proc/vmstat; }} 2>/dev/null
echo "$1 time"
date -u +%Y-%m-%dT%H:%M:%SZ 2>/dev/null
exit 0
"""
"""Prints every file of `PATHS` that can be read after a line with the mark `$1` and its path."""


def oom_kills(output: str, mark: str) -> int | None:
    """Processes that the board's kernel ended for lack of memory since boot; None where it counts none."""
    told = _texts(output, mark).get("kills", "").strip()
    return int(told) if told.isascii() and told.isdigit() and len(told) < 16 else None


def state(output: str, mark: str) -> BoardState:
    """The state that the output of `READ` tells; `extra` holds the board's own clock. Never raises."""
    texts = _texts(output, mark)
    texts.pop("kills", None)
    board_time = texts.pop("time", "").strip()
    found = parse(texts, datetime.now(UTC).isoformat(timespec="milliseconds"))
    if not board_time:
        return found
    return dataclasses.replace(found, extra={**found.extra, "board_time": board_time[:40]})


def _texts(output: str, mark: str) -> dict[str, str]:
    texts: dict[str, str] = {}
    for part in f"\n{output}".split(f"\n{mark} ")[1:]:
        path, _, text = part.partition("\n")
        texts[path] = text.removesuffix("\n")
    return texts
