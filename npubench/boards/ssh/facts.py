"""What a board says of itself: whether it has what npubench needs, its state, how its memory ran out."""

import dataclasses
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from npubench.boards.ssh.command import script
from npubench.boards.state import PATHS, parse, reading, texts_of
from npubench.domain.records import BoardState

TOOLS = {
    "sh": "runs everything; POSIX, as dash, bash and busybox ash are; as the login shell, printing nothing",
    "cat": "receives and sends files, reads the board's state",
    "chmod": "makes programs executable",
    "df": "tells the free space; with -P and -k",
    "kill": "ends what is left of a command at its deadline",
    "ln": "makes the lease; without -s",
    "mkdir": "makes remote_dir; with -p",
    "mv": "gives a whole file its name; with -f",
    "printf": "prints what was found",
    "rm": "removes old files; with -r and -f",
    "sha256sum": "verifies what arrived",
}
"""Programs or builtins of the shell and what for. busybox has all of them. Optional: date."""

CHECK = """\
folder=$1
shift
for tool in "$@"; do
    command -v "$tool" >/dev/null 2>&1 || echo "lacks $tool"
done
echo "hash $(printf abc | sha256sum 2>/dev/null)"
[ -r /proc/self/environ ] && echo proc
if mkdir -p -- "$folder" && : > "$folder/.check" && rm -f -- "$folder/.check"; then
    echo "folder $(cd -- "$folder" && pwd)"
    df -P -k -- "$folder"
fi
exit 0
"""
_HASH_OF_ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
SPACE = re.compile(r"(?m)\s([0-9]+)\s+-?[0-9]+\s+(-?[0-9]+)\s+(?:[0-9]+%|-)\s+/")
"""Size and free space in KiB in what `df -P -k` prints."""


@dataclass(frozen=True, slots=True)
class Findings:
    """What a board has: problems in a line each; `folder` and `free_bytes` of its remote_dir."""

    problems: tuple[str, ...]
    folder: str | None
    free_bytes: int | None


def read(output: str, remote_dir: str) -> Findings:
    """The findings that the output of `CHECK` tells."""
    lines = output.splitlines()
    lacking = [line.removeprefix("lacks ") for line in lines if line.startswith("lacks ")]
    problems = [f"{tool} is missing, which {TOOLS.get(tool, 'is needed')}" for tool in lacking]
    if "sha256sum" not in lacking and not any(line.startswith(f"hash {_HASH_OF_ABC}") for line in lines):
        problems.append("sha256sum does not give the SHA-256 of what it reads")
    if not lines or not lines[0].startswith(("lacks ", "hash ")):
        said = lines[0][:60] if lines else ""
        problems.append(f"its login shell prints {said!r} before a command's output: silence it")
    if "proc" not in lines:
        problems.append("/proc/<pid>/environ cannot be read: commands that hang cannot be ended")
    folder = next((line.removeprefix("folder ") for line in lines if line.startswith("folder /")), None)
    if folder is None:
        said = next((line for line in lines if remote_dir in line), "mkdir failed")
        problems.append(f"transport_options.remote_dir {remote_dir} cannot be written: {said}")
    space = SPACE.search(output)
    if folder is not None and space is None:
        problems.append(f"df -P -k does not tell the free space of {folder}")
    return Findings(tuple(problems), folder, int(space[2]) * 1024 if space else None)


_ASK = """\
{ read -r up rest < /proc/uptime; echo "up $up"; } 2>/dev/null
{ while read -r name value; do
    [ "$name" != oom_kill ] || echo "kills $value"
done < /proc/vmstat; } 2>/dev/null
dmesg 2>/dev/null
exit 0
"""
ASK: Sequence[str] = script(_ASK)
"""Prints the uptime, how many processes the kernel ended for lack of memory since boot, and its messages."""

_MESSAGE = re.compile(r"(?im)^(?:<\d+>)?\[\s*(\d+)\.\d+\].*?((?:out of memory|oom-kill|killed process).*)$")
_EARLIER_S = 5.0


def evidence(output: str, duration_s: float, kills_before: int | None) -> str:
    """What the answer to `ASK` says of the last `duration_s`; empty where it says nothing. Never raises."""
    up = re.search(r"(?m)^up (\d{1,12})", output)
    if up is not None:
        began = float(up[1]) - duration_s - _EARLIER_S
        said = [match for match in _MESSAGE.finditer(output) if float(match[1]) >= began]
        if said:
            return said[-1][2].strip()[:200]
    kills = re.search(r"(?m)^kills (\d{1,15})$", output)
    if kills is not None and kills_before is not None and int(kills[1]) > kills_before:
        more = int(kills[1]) - kills_before
        return f"its kernel ended {more} for lack of memory meanwhile (oom_kill of /proc/vmstat)"
    return ""


READ = f"""\
{reading(PATHS)}
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
    told = texts_of(output, mark).get("kills", "")
    return int(told) if told.isascii() and told.isdigit() and len(told) < 16 else None


def state(output: str, mark: str) -> BoardState:
    """The state that the output of `READ` tells; `extra` holds the board's own clock. Never raises."""
    texts = texts_of(output, mark)
    board_time = texts.get("time", "")
    found = parse(texts, datetime.now(UTC).isoformat(timespec="milliseconds"))
    if not board_time:
        return found
    return dataclasses.replace(found, extra={**found.extra, "board_time": board_time[:40]})
