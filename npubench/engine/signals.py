"""Ctrl-C, SIGTERM and SIGHUP end what runs, with all processes that it started."""

import signal
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from types import FrameType
from typing import TypeVar

from npubench.tools import process

SIGNAL_SEEN_S = 0.5
"""A signal that comes just before a wait begins does not end it: Python sees the signal after it."""

STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

Result = TypeVar("Result")


def ended(futures: "Iterable[Future[Result]]") -> "Iterator[Future[Result]]":
    """Each future when it has ended, in that order, and signals heard all the while."""
    done: SimpleQueue[Future[Result]] = SimpleQueue()
    waited = list(futures)
    for future in waited:
        future.add_done_callback(done.put)
    left = len(waited)
    while left:
        with suppress(Empty):
            future = done.get(timeout=SIGNAL_SEEN_S)
            left -= 1
            yield future


@contextmanager
def stop_on_signals() -> Iterator[None]:
    """The first signal raises KeyboardInterrupt; more do not interrupt its ending, which leaves processes."""
    ending = threading.Event()

    def stop(_signal: int, _frame: FrameType | None) -> None:
        if not ending.is_set():
            ending.set()
            raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    # What was started with a signal ignored, as by nohup or in the background of a script, still ignores it.
    caught = [number for number in STOPPING if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, stop) for number in caught}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        process.reset()
