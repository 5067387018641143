"""Waiting that ends when npubench is asked to stop."""

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from npubench.domain.errors import Interrupted
from npubench.tools import process

POLL_S = 0.05
"""How long a stop may go unnoticed."""

T = TypeVar("T")


def nothing() -> None:
    """A check that always passes."""


def in_background(work: Callable[[], T], limit_s: float, check: Callable[[], None] = nothing) -> T:
    """What `work` returns or raises; it runs in a thread because it cannot be told to stop.

    `check` is called at every look and may raise. Raises TimeoutError after `limit_s`, Interrupted
    after `process.stop()`; then the caller closes what `work` waits on, or leaves it to its own end.
    """
    task = Task(work)
    until = time.monotonic() + limit_s
    while not task.done(POLL_S):
        if process.stopping():
            raise Interrupted
        check()
        if time.monotonic() >= until:
            raise TimeoutError
    return task.result()


class Task(Generic[T]):
    """Work in a thread of its own that does not keep npubench from ending."""

    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self._values: list[T] = []
        self._error: BaseException | None = None
        self._done = threading.Event()
        threading.Thread(target=self._run, name="ssh", daemon=True).start()

    def done(self, wait_s: float = 0.0) -> bool:
        """Whether it ended, after waiting at most that long."""
        return self._done.wait(wait_s)

    def result(self) -> T:
        """What the work returned or raised; only for work that is done."""
        if self._error is not None:
            raise self._error
        return self._values[0]

    def _run(self) -> None:
        try:
            self._values.append(self._work())
        except BaseException as error:  # noqa: BLE001 - handed to whoever waits
            self._error = error
        self._done.set()


def pause(seconds: float) -> None:
    """Do nothing for a while. Raises Interrupted after `process.stop()`."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        if process.stopping():
            raise Interrupted
        time.sleep(min(left, POLL_S))
