"""Argument list -> command line of a POSIX shell. The only place that quotes.

An SSH server takes one string and gives it to the login shell (RFC 4254, 6.5). Single quotes
keep everything but themselves in every POSIX shell, busybox ash included; `shlex` does that.
"""

import shlex
from collections.abc import Sequence

from npubench.domain.errors import UsageError
from npubench.tools.cookies import VARIABLE

COOKIE = VARIABLE
LIMIT_BYTES = 128 * 1024 - 4096
"""Linux takes at most 32 pages for one argument (execve(2)), and the command line is one."""


def command_line(argv: Sequence[str], cookie: str = "", merge: bool = True) -> bytes:
    """The command line that runs `argv` as it is, with `cookie` in its environment.

    `exec` lets the server see the program's own end, so that a signal is told as one. With `merge`
    both outputs are one stream, in the order in which they were written. Raises UsageError for
    what cannot be an argument list.
    """
    if not argv or not argv[0]:
        raise UsageError("a command for a board has no program: name one")
    if argv[0].startswith("-"):
        raise UsageError(f"the program {argv[0]!r:.60} begins with '-': give its path")
    if any("\0" in word for word in argv):
        raise UsageError(f"an argument of {argv[0]!r:.60} has a NUL character: no program can take it")
    mark = f"export {COOKIE}={shlex.quote(cookie)}; " if cookie else ""
    both = "exec 2>&1; " if merge else ""
    line = f"{mark}{both}exec {shlex.join(argv)}".encode("utf-8", "surrogateescape")
    if len(line) > LIMIT_BYTES:
        raise UsageError(
            f"the command line of {argv[0]!r:.60} has {len(line)} bytes: {LIMIT_BYTES} are possible"
        )
    return line


def script(text: str, *arguments: str) -> tuple[str, ...]:
    """The argument list that runs a POSIX shell script with arguments `$1`, `$2`, ..."""
    return ("sh", "-c", text, "npubench", *arguments)
