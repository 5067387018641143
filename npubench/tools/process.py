"""The only place that starts processes on this machine; and what the end of one means, here or on a board.

Argument lists, never a shell; stdin closed; output to a file; a session of its own, and the whole
tree ends at the deadline. The tree is found by process group and by a cookie in the environment,
so that a child that made a session of its own does not get away. When npubench is killed, its guard ends
all of them.
"""

import atexit
import contextlib
import os
import resource
import select
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from npubench.domain.errors import Interrupted
from npubench.domain.records import Completed, Failure, FailureClass, Stage
from npubench.domain.text import last_line
from npubench.tools import cookies

OUTPUT_LIMIT_BYTES = 4 * 1024 * 1024
COOKIE = cookies.VARIABLE
CLEAN_UP_TIMEOUT_S = 60.0
KILLED = (-9, 137)
"""Ends by SIGKILL: of the process, or of what it ran for a shell or a container."""
LONGEST_POLL_MS = 2**31 - 1
KEEP_MEMORY = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2**36)}
"""Environment for a process where tensors come and go: with glibc's defaults what was given back comes as
new pages, and filling those costs more than computing (mallopt(3)).
"""

_lock = threading.Lock()
_running: dict[str, subprocess.Popen[bytes]] = {}
_stopping = threading.Event()


_GUARD = f"""\
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


class _Guard:
    """A shell that outlives npubench by a moment: when npubench was killed, it ends all that it had started.

    It reads from a pipe that only npubench holds. An orderly end says so, and leaves what is meant to stay
    (the virtual board); an end without a word is a kill. PR_SET_PDEATHSIG would reach neither grandchildren
    nor containers, and it is sent when the thread ends that forked, not the process.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._shell: subprocess.Popen[bytes] | None = None
        self._owner = ""

    def watch(self) -> None:
        """Have this process watched from now on. Raises OSError."""
        with self._lock:
            owner = cookies.owner()
            if self._owner != owner:
                if not self._owner:
                    atexit.register(self._leave)
                self._shell = subprocess.Popen(
                    ["/bin/sh", "-c", _GUARD, "npubench", owner], stdin=subprocess.PIPE,
                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, bufsize=0, cwd="/",
                    start_new_session=True,
                )  # fmt: skip
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
            if self._shell and self._shell.stdin:
                self._shell.stdin.write(f"{line}\n".encode())

    def _leave(self) -> None:
        if self._owner == cookies.owner() and self._shell and self._shell.stdin:
            self._tell("bye")
            with contextlib.suppress(OSError):
                self._shell.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._shell.wait(CLEAN_UP_TIMEOUT_S)


_guard = _Guard()


def run(
    argv: Sequence[str],
    *,
    timeout_s: float,
    log: Path,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    memory_limit_bytes: int | None = None,
    on_kill: Sequence[str] = (),
) -> Completed:
    """Run to the end or the deadline; output is appended to `log` and its last 4 MiB returned.

    `on_kill` is a command that ends what the process started elsewhere (a container); it runs only
    when the process was killed. `env` is added to this process's environment. Raises Interrupted
    after `stop()`, OSError when the program cannot be started.
    """
    cookie = cookies.of_process()
    started = time.monotonic()
    kills = _oom_kills()
    # Read from the same stream: a tool may have put something else in its place.
    with log.open("a+b") as stream, _guard.ended_elsewhere(on_kill):
        offset = stream.tell()
        output_to = stream.fileno()
        process = _start(argv, cookie, env, subprocess.DEVNULL, output_to, subprocess.STDOUT, cwd)
        try:
            if memory_limit_bytes is not None:
                limits = (memory_limit_bytes, memory_limit_bytes)
                with contextlib.suppress(ProcessLookupError):
                    resource.prlimit(process.pid, resource.RLIMIT_AS, limits)
            timed_out = _wait(process, timeout_s)
        finally:
            killed = _end_tree(process, cookie) or _stopping.is_set()
            with _lock:
                _running.pop(cookie, None)
            if killed and on_kill:
                _clean_up(on_kill, output_to)
        if _stopping.is_set():
            raise Interrupted
        output, truncated = read_tail(stream, offset)
    duration_s = time.monotonic() - started
    memory = "" if timed_out or process.returncode not in KILLED else _out_of_memory(kills)
    return Completed(tuple(argv), process.returncode, output, duration_s, timed_out, truncated, memory)


def connected(
    argv: Sequence[str], env: Mapping[str, str] | None = None
) -> tuple[socket.socket, Callable[[], None]]:
    """A process whose standard input and output are the other end of a socket, and what ends it.

    For a command that carries a connection, or serves one. `env` is added to this process's environment.
    Raises Interrupted after `stop()`, OSError when the program cannot be started.
    """
    cookie = cookies.of_process()
    ours, theirs = socket.socketpair()
    with theirs:
        try:
            process = _start(argv, cookie, env, theirs.fileno(), theirs.fileno(), subprocess.DEVNULL)
        except BaseException:
            ours.close()
            raise

    def end() -> None:
        ours.close()
        _end_tree(process, cookie)
        with _lock:
            _running.pop(cookie, None)

    return ours, end


def stop() -> None:
    """End every running process tree; each waiting `run` raises Interrupted, and so do later ones."""
    _stopping.set()
    with _lock:
        running = dict(_running)
    for cookie, process in running.items():
        _end_tree(process, cookie)


def end_owned(owner: str) -> None:
    """End what an npubench left here that was killed; `owner` is what its cookies begin with."""
    for pid in _pids_with_cookie(f"{owner}-", whole=False):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)


def pause(seconds: float) -> None:
    """Do nothing for a while. Raises Interrupted after `stop()`."""
    if _stopping.wait(seconds):
        raise Interrupted


def running() -> bool:
    """Whether a process of ours runs."""
    return bool(_running)


def stopping() -> bool:
    """Whether `stop` was called."""
    return _stopping.is_set()


def reset() -> None:
    """Allow processes again after `stop`; for a process that runs several commands in turn."""
    _stopping.clear()


def _start(
    argv: Sequence[str], cookie: str, env: Mapping[str, str] | None, stdin: int, stdout: int, stderr: int,
    cwd: Path | None = None,
) -> subprocess.Popen[bytes]:  # fmt: skip
    _guard.watch()
    with _lock:
        if _stopping.is_set():
            raise Interrupted
        process = subprocess.Popen(
            list(argv), stdin=stdin, stdout=stdout, stderr=stderr, cwd=cwd, start_new_session=True,
            env={**os.environ, **(env or {}), COOKIE: cookie},
        )  # fmt: skip
        _running[cookie] = process
    return process


def _wait(process: subprocess.Popen[bytes], timeout_s: float) -> bool:
    """Wait for the end; whether the deadline came first."""
    # Popen.wait with a timeout looks every 50 ms; a pidfd tells at once, so no board idles meanwhile.
    try:
        descriptor = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return False
    except (AttributeError, OSError):
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout_s)
        return process.returncode is None
    try:
        waiting = select.poll()
        waiting.register(descriptor, select.POLLIN)
        return not waiting.poll(min(max(0.0, timeout_s) * 1000, LONGEST_POLL_MS))
    finally:
        os.close(descriptor)


def _clean_up(argv: Sequence[str], output: int) -> None:
    with contextlib.suppress(subprocess.TimeoutExpired):
        subprocess.run(
            list(argv), stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            timeout=CLEAN_UP_TIMEOUT_S, check=False, start_new_session=True,
        )  # fmt: skip


def _end_tree(process: subprocess.Popen[bytes], cookie: str) -> bool:
    killed_by_us = process.poll() is None
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    if killed_by_us:
        process.wait()
        for pid in _pids_with_cookie(cookie):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
    return killed_by_us


def _pids_with_cookie(cookie: str, whole: bool = True) -> list[int]:
    needle = f"{COOKIE}={cookie}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                variables = (entry / "environ").read_bytes().split(b"\0")
                if needle in variables or (not whole and any(v.startswith(needle) for v in variables)):
                    found.append(int(entry.name))
    return found


def _oom_kills() -> int:
    """Processes that the kernel ended here for lack of memory since boot; -1 where it does not count them."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/vmstat").read_text(encoding="ascii").splitlines():
            if line.startswith("oom_kill "):
                return int(line.partition(" ")[2])
    return -1


def _out_of_memory(before: int) -> str:
    more = _oom_kills() - before
    told = f"the kernel ended {more} for lack of memory meanwhile (oom_kill of /proc/vmstat)"
    return told if more > 0 else ""


def read_tail(stream: BinaryIO, offset: int) -> tuple[str, bool]:
    """What stands in a log from `offset` on, its last 4 MiB at most; whether there was more."""
    end = stream.seek(0, os.SEEK_END)
    begin = max(offset, end - OUTPUT_LIMIT_BYTES)
    stream.seek(begin)
    return stream.read().decode("utf-8", "replace"), begin > offset


NOT_STARTED = (126, 127)
"""Exit codes by which shells and env say that a program is not there, or cannot be run."""
_SIGNALS = 128
_LAST_SIGNAL = 64
_SHOWN = 200

Explain = Callable[[str, str], Failure | None]
"""May know from a tool's name and output why it failed."""


def _nothing_named(_tool: str, _text: str) -> None:
    """The default: a tool whose output is not searched for reasons."""


def classify_exit(
    tool: str,
    completed: Completed,
    stage: Stage,
    where: str = "on the board",
    *,
    during: str = "",
    explain: Explain = _nothing_named,
    lines_of: Callable[[str], Sequence[str]] = str.splitlines,
) -> Failure | None:
    """The failure that the end of a process tells, whatever it printed before; None when it ended well.

    `explain` may know a better one; `lines_of` splits output for a person. `where` says where it ran,
    `during` at what (" while it was at convert").
    """
    if completed.timed_out:
        message = f"{tool}: no end after {completed.duration_s:.3g} s{during}: ended at the deadline"
        return Failure(stage, FailureClass.HANG, f"{message}; --deadline gives more")
    code = completed.returncode
    if code == 0:
        return None
    if (named := explain(tool, completed.output)) is not None:
        return named
    last = last_line("\n".join(lines_of(completed.output)), limit=_SHOWN)
    if code in NOT_STARTED:
        message = f"{tool} cannot be started {where}: {last}"
        return Failure(stage, FailureClass.TOOL_MISSING, message)
    number = -code if code < 0 else code - _SIGNALS
    if number == signal.SIGKILL:
        return killed(stage, tool, completed, f"{where}{during}")
    # A code of 255 is a program's own -1, not a signal.
    if 0 < number <= _LAST_SIGNAL:
        name = {one.value: one.name for one in signal.Signals}.get(number, "a signal without a name")
        message = f"{tool} crashed with {name}{during}, signal {number}: {last}"
        return Failure(stage, FailureClass.CRASH, message)
    return Failure(stage, FailureClass.TOOL_ERROR, f"{tool} ended with exit code {code}{during}: {last}")


def classify_run(
    tool: str,
    completed: Completed,
    explain: Explain = _nothing_named,
    lines_of: Callable[[str], Sequence[str]] = str.splitlines,
) -> Failure | None:
    """The same of a program on a board whose output holds the figures: all of it has to be there."""
    if completed.truncated and not completed.timed_out:
        message = f"{tool} printed more than is kept: its beginning is lost"
        return Failure(Stage.MEASURE, FailureClass.UNPARSED_OUTPUT, message)
    return classify_exit(tool, completed, Stage.MEASURE, explain=explain, lines_of=lines_of)


def was_killed(completed: Completed) -> bool:
    """Whether SIGKILL ended it, or what it ran for a shell or a container."""
    return not completed.timed_out and completed.returncode in KILLED


def killed(stage: Stage, tool: str, completed: Completed, where: str) -> Failure:
    """The failure of what SIGKILL ended: out of memory only where something says so.

    Else it says nothing about the case, and the next run tries again.
    """
    if completed.out_of_memory:
        message = f"{tool} was killed {where}: it ran out of memory: {completed.out_of_memory}"
        return Failure(stage, FailureClass.OUT_OF_MEMORY, message[:300])
    message = f"{tool} was killed {where}, and nothing says that memory ran out: the next run tries again"
    return Failure(stage, FailureClass.KILLED, message)
