"""What lies below a board's `remote_dir`, and what of it may go.

    <remote_dir>/<sha256>/<name>     a file, whole: it came here by a rename after its hash was right
    <remote_dir>/<sha256>/.part-*    one on its way, or left by a connection that broke
    <remote_dir>/<sha256>/.used      "<seconds since 1970> <bytes>", by the clock of npubench's machine

So nothing is asked of a board's clock, which may stand at 1970, nor of its `find` and `stat`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

IN_USE_S = 3600.0
"""Whatever was used within this time is never removed: another npubench may be measuring it."""

LIST = """\
mkdir -p -- "$1" && cd -- "$1" && pwd || exit 1
for used in */.used; do
    [ -f "$used" ] && IFS= read -r line < "$used" && echo "${used%/.used} $line"
done
exit 0
"""
"""Makes the folder `$1` and prints its absolute path, then its entries."""

REMOVE = """\
cd -- "$1" || exit 1
shift
rm -rf -- "$@"
"""
"""Removes the entries `$2` ... of the folder `$1`."""

_ENTRY = re.compile(r"([0-9a-f]{64}) ([0-9]{1,12}) ([0-9]{1,15})")


@dataclass(frozen=True, slots=True)
class Entry:
    """A folder for one hash: seconds since 1970 of its last use, and its size."""

    sha256: str
    used_at: float
    size_bytes: int


def parse(lines: Sequence[str]) -> tuple[Entry, ...]:
    """The entries among lines of `LIST`; what npubench did not put there is none."""
    found = (_ENTRY.fullmatch(line.strip()) for line in lines)
    return tuple(Entry(m[1], float(m[2]), int(m[3])) for m in found if m)


def expired(entries: Sequence[Entry], now: float, keep_s: float, keep_bytes: int) -> tuple[Entry, ...]:
    """What is to go, oldest first: unused for `keep_s`, or too much of it for `keep_bytes`.

    A use in the future is one of now: that clock was wrong.
    """
    total = sum(entry.size_bytes for entry in entries)
    gone = []
    for entry in sorted(entries, key=lambda e: min(e.used_at, now)):
        age_s = now - min(entry.used_at, now)
        if age_s < IN_USE_S and (keep_s > 0 or keep_bytes > 0):
            break
        if age_s >= keep_s or total > keep_bytes:
            gone.append(entry)
            total -= entry.size_bytes
    return tuple(gone)
