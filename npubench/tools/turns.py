"""Whose turn it is: cases that are measured on one machine in turn, a round each, so that one alone computes.

A disturbance of a second then costs one round of several cases, and not all rounds of one.
"""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from npubench.domain.errors import Interrupted
from npubench.tools import process

SEEN_S = 5.0
"""A stop ends the process that has the turn, which wakes whoever waits for it; else it is seen this late."""


class Turns:
    """Gives the turn to one thread after another, in the order in which they ask."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._order: deque[int] = deque()
        self._next = 0

    @contextmanager
    def turn(self) -> "Iterator[Turn]":
        """The turn, once it comes, until the block ends. Raises Interrupted after `process.stop()`."""
        mine = Turn(self)
        try:
            mine.take()
            yield mine
        finally:
            mine.leave()

    def join(self) -> int:
        """A place at the end of the line."""
        with self._changed:
            self._next += 1
            self._order.append(self._next)
            self._changed.notify_all()
            return self._next

    def stand(self, count: int) -> None:
        """Until so many stand in line. Raises Interrupted after `process.stop()`."""
        with self._changed:
            while len(self._order) < count:
                if process.stopping():
                    raise Interrupted
                self._changed.wait(SEEN_S)

    def wait(self, place: int) -> None:
        """Until that place is the first. Raises Interrupted after `process.stop()`."""
        with self._changed:
            while self._order[0] != place:
                if process.stopping():
                    raise Interrupted
                self._changed.wait(SEEN_S)

    def give_up(self, place: int) -> None:
        """The place is no longer needed, whether its turn had come or not."""
        with self._changed:
            if place in self._order:
                self._order.remove(place)
            self._changed.notify_all()


class Turn:
    """One member's turn, which it may pass on and wait for again."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self._place = 0

    def take(self) -> None:
        """Wait for it. Raises Interrupted after `process.stop()`."""
        self._place = self._turns.join()
        self._turns.wait(self._place)

    def leave(self) -> None:
        """Let the next one have it."""
        self._turns.give_up(self._place)

    def pass_on(self) -> None:
        """Let the others have theirs first. Raises Interrupted after `process.stop()`."""
        before = self._place
        self._place = self._turns.join()
        self._turns.give_up(before)
        self._turns.wait(self._place)
