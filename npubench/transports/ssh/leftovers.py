"""Processes that a lost connection left on a board: they would run beside the next measurement.

A session's cookie is `npubench-<machine>-<process, 10 digits>-<random>`. At connect those are ended
whose session or npubench is no more; those of another machine or of an open session are let be.
"""

import hashlib
import os
import re
import secrets
import threading
from collections.abc import Iterable
from pathlib import Path

from npubench.transports.ssh.quoting import COOKIE

FIND = f"""\
tag={COOKIE}=$1
case "$(cat /proc/[0-9]*/environ 2>/dev/null)" in *"$tag"*) ;; *) exit 0 ;; esac
for entry in /proc/[0-9]*; do
    text="$(cat "$entry/environ" 2>/dev/null)"
    case "$text" in *"$tag"*) printf '%s%.19s\\n' "$1" "${{text#*"$tag"}}" ;; esac
done
exit 0
"""
"""Prints the session part of all cookies that begin with `$1`: 19 characters follow it there."""

_open: set[str] = set()
_lock = threading.Lock()
_COOKIE = re.compile(r"npubench-[0-9a-f]{12}-([0-9]{10})-[0-9a-f]{8}")


def machine() -> str:
    """What the cookies of this machine begin with."""
    try:
        identity = Path("/etc/machine-id").read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        identity = ""
    name = f"{identity} {os.uname().nodename} {os.getuid()}"
    return f"npubench-{hashlib.sha256(name.encode()).hexdigest()[:12]}-"


def open_cookie() -> str:
    """A new session's cookie."""
    cookie = f"{machine()}{os.getpid():010d}-{secrets.token_hex(4)}"
    with _lock:
        _open.add(cookie)
    return cookie


def close_cookie(cookie: str) -> None:
    """The session is no more; what it left may be ended."""
    with _lock:
        _open.discard(cookie)


def orphans(lines: Iterable[str]) -> tuple[str, ...]:
    """The cookies among lines of `FIND` whose session is no more."""
    found = dict.fromkeys(m[0] for line in lines if (m := _COOKIE.match(line)))
    with _lock:
        living = set(_open)
    return tuple(cookie for cookie in found if cookie not in living and not _alive(cookie))


def _alive(cookie: str) -> bool:
    """Whether another npubench process holds that session."""
    process = int(cookie.split("-")[2])
    return process != os.getpid() and Path(f"/proc/{process}").exists()
