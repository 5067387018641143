"""Waiting for what runs, and signals that arrive meanwhile."""

import _thread
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from npubench.engine.session import ended


def test_an_interrupt_that_wakes_nobody_ends_the_wait():
    over = threading.Event()

    def interrupt():
        # As a signal does that comes between the last look for one and the wait.
        _thread.interrupt_main()
        over.wait(600)

    started = time.monotonic()
    with ThreadPoolExecutor(1) as pool:
        try:
            with pytest.raises(KeyboardInterrupt):
                next(ended([pool.submit(interrupt)]))
        finally:
            over.set()
    assert time.monotonic() - started < 300


def test_futures_come_as_they_end_over_many_waits(monkeypatch):
    monkeypatch.setattr("npubench.engine.session.SIGNAL_SEEN_S", 0.001)
    second, first = threading.Event(), threading.Event()
    with ThreadPoolExecutor(2) as pool:
        late, early = pool.submit(second.wait, 600), pool.submit(first.wait, 600)
        threading.Timer(0.05, first.set).start()
        seen = []
        for future in ended([late, early]):
            seen.append(future)
            second.set()
    assert seen == [early, late]
