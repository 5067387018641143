"""Whether a board ran out of memory while a command was killed there: asked only then, of its kernel."""

import re
from collections.abc import Sequence

from npubench.boards.ssh.quoting import script

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
