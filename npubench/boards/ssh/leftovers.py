"""Processes that a lost connection left on a board: they would run beside the next measurement.

The board's own guard ends them (see `guard`). Where that was ended as well, they are found at the next
connection: by cookies of this machine whose session or npubench is no more. Those of another machine, of
another container and of an open session are let be.
"""

import re
import threading
from collections.abc import Iterable

from npubench.boards.ssh.quoting import COOKIE
from npubench.tools import cookies

FIND = f"""\
tag={COOKIE}=$1
case "$(cat /proc/[0-9]*/environ 2>/dev/null)" in *"$tag"*) ;; *) exit 0 ;; esac
for entry in /proc/[0-9]*; do
    text="$(cat "$entry/environ" 2>/dev/null)"
    case "$text" in *"$tag"*) printf '%s%.44s\\n' "$1" "${{text#*"$tag"}}" ;; esac
done
exit 0
"""
"""Prints the session part of all cookies that begin with `$1`: 44 characters follow it there."""

_open: set[str] = set()
_lock = threading.Lock()
_COOKIE = re.compile(r"npubench-[0-9a-f]{12}-[0-9]{10}-[0-9]{16}-[0-9a-f]{16}")


def open_cookie() -> str:
    """A new session's cookie."""
    cookie = cookies.of_session()
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
    return tuple(cookie for cookie in found if is_over(cookie))


def is_over(cookie: str) -> bool:
    """Whether a session is surely no more: one of this process that was closed, or its npubench has ended."""
    if cookie.startswith(cookies.owner()):
        with _lock:
            return cookie not in _open
    return cookies.is_dead(cookie)
