"""Lines of a log while a process writes it."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

_LOOK_EVERY_S = 0.2
"""A file cannot be waited on without a library of its own; a person does not see the difference."""


@contextlib.contextmanager
def following(log: Path, on_line: Callable[[str], None]) -> Iterator[None]:
    """Hand every whole line that is appended to `log` meanwhile to `on_line`, in order, none twice."""
    ended = threading.Event()
    start = log.stat().st_size if log.exists() else 0
    thread = threading.Thread(target=_follow, args=(log, start, on_line, ended), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _follow(log: Path, offset: int, on_line: Callable[[str], None], ended: threading.Event) -> None:
    rest = b""
    last_look = False
    while not last_look:
        last_look = ended.wait(_LOOK_EVERY_S)
        if not log.exists():
            continue
        with log.open("rb") as stream:
            stream.seek(offset)
            new = stream.read()
        offset += len(new)
        *lines, rest = (rest + new).split(b"\n")
        for line in lines:
            on_line(line.decode("utf-8", "replace").rstrip())
