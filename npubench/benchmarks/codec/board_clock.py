"""Times by the board's own clock and processor times, for programs that do not tell them.

The scripts are fixed texts; everything that changes is an argument of its own, so nothing is quoted
into them. They need a POSIX shell and /proc, no more.
"""

import re
from dataclasses import dataclass

ONE = """\
read -r begin rest </proc/uptime
"$@"
code=$?
read -r end rest </proc/uptime
echo
times
echo "npubench-clock $begin $end 0"
exit $code
"""
"""Runs `$@`."""

SEVERAL = """\
number=$1
shift
read -r begin rest </proc/uptime
running= ; i=0 ; failed=0
while [ $i -lt "$number" ]; do
    "$@" >/dev/null 2>&1 &
    running="$running $!"
    i=$((i + 1))
done
for one in $running; do
    wait "$one" || failed=$((failed + 1))
done
read -r end rest </proc/uptime
times
echo "npubench-clock $begin $end $failed"
"""
"""Runs `$1` copies of the rest at once."""

_TIME = r"([0-9]{1,9})m([0-9]{1,9}(?:\.[0-9]{1,9})?)s"
_TIMES = re.compile(rf"(?m)^{_TIME} {_TIME}$")
_CLOCK = re.compile(
    r"(?m)^npubench-clock ([0-9]{1,12}(?:\.[0-9]{1,9})?) ([0-9]{1,12}(?:\.[0-9]{1,9})?) ([0-9]{1,6})$"
)


@dataclass(frozen=True, slots=True)
class Elapsed:
    """`seconds` with the resolution of /proc/uptime, 10 ms; `cpu_s` of all children; how many `failed`."""

    seconds: float
    cpu_s: float | None
    failed: int


def shell(script: str, *arguments: str) -> tuple[str, ...]:
    """The argument list that runs one of these scripts with `$1`, `$2`, ..."""
    return ("sh", "-c", script, "npubench", *arguments)


def elapsed(output: str) -> Elapsed | None:
    """What a script told last; None when it did not come to its end, or the clock went backwards.

    `times` prints two lines, the shell's own and its children's (POSIX.1-2017, times).
    """
    clocks = list(_CLOCK.finditer(output))
    if not clocks:
        return None
    begin, end, failed = clocks[-1].groups()
    seconds = float(end) - float(begin)
    if seconds < 0:
        return None
    times = list(_TIMES.finditer(output, 0, clocks[-1].start()))
    cpu_s = None
    if len(times) >= 2:
        minutes, rest, more_minutes, more = (float(number) for number in times[-1].groups())
        cpu_s = 60 * (minutes + more_minutes) + rest + more
    return Elapsed(seconds, cpu_s, int(failed))
