"""A shell that outlives npubench by a moment: when npubench was killed, it ends all that it had started.

It reads from a pipe that only npubench holds. An orderly end says so, and leaves what is meant to stay (the
virtual board); an end without a word is a kill. PR_SET_PDEATHSIG would reach neither grandchildren nor
containers, and it is sent when the thread ends that forked, not the process.
"""

import atexit
import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from npubench.tools import cookies

SCRIPT = f"""\
trap '' HUP INT TERM
tree={cookies.VARIABLE}=$1- elsewhere=
end_tree() {{
{cookies.END_TREE}}}
while read -r word rest; do
    case $word in
        bye) exit 0 ;;
        later) elsewhere="$elsewhere$rest
" ;;
        over)
            kept=
            while read -r line; do
                case $line in "$rest"|'') ;; *) kept="$kept$line
" ;; esac
            done <<END
$elsewhere
END
            elsewhere=$kept ;;
    esac
done
end_tree "$tree"
while read -r line; do
    set -f
    set -- $line
    set +f
    [ $# = 0 ] || "$@" < /dev/null
done <<END
$elsewhere
END
# What was between fork and exec then had no cookie yet.
sleep 1
end_tree "$tree"
"""


class Pipe(Protocol):
    """What a guard is told through: a shell that runs, and its end."""

    def write(self, data: bytes) -> None:
        """Write at once. Raises OSError."""

    def close(self) -> None:
        """Close it, and wait for the shell's end."""


class Guard:
    """The guard of this process, started with the first process that it has to watch."""

    def __init__(self, spawn: Callable[[Sequence[str]], Pipe]) -> None:
        self._spawn = spawn
        self._lock = threading.Lock()
        self._pipe: Pipe | None = None
        self._owner = ""

    def watch(self) -> None:
        """Have this process watched from now on. Raises OSError."""
        with self._lock:
            owner = cookies.owner()
            if self._owner != owner:
                if not self._owner:
                    atexit.register(self._leave)
                self._pipe = self._spawn(["/bin/sh", "-c", SCRIPT, "npubench", owner])
                self._owner = owner

    @contextlib.contextmanager
    def ended_elsewhere(self, argv: Sequence[str]) -> Iterator[None]:
        """What `argv` ends is ended by it also when npubench is killed meanwhile.

        A command line with blanks or wildcards in a word is not told.
        """
        line = " ".join(argv)
        if not argv or line.split() != list(argv):
            yield
            return
        self.watch()
        self._tell(f"later {line}")
        try:
            yield
        finally:
            self._tell(f"over {line}")

    def _tell(self, line: str) -> None:
        with self._lock, contextlib.suppress(OSError):
            if self._pipe is not None:
                self._pipe.write(f"{line}\n".encode())

    def _leave(self) -> None:
        if self._owner == cookies.owner() and self._pipe is not None:
            self._tell("bye")
            self._pipe.close()
