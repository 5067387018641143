"""The number of streams that hold 25 fps, for engines that are programs: as many copies at once."""

import math
import time
from collections.abc import Callable

from npubench.benchmarks.codec.board_clock import SEVERAL, elapsed, shell
from npubench.benchmarks.codec.cases import HOLDS_FPS
from npubench.benchmarks.codec.engines.base import Work
from npubench.benchmarks.codec.figures import Streams
from npubench.benchmarks.codec.search import most_held
from npubench.benchmarks.codec.tool_errors import failure_of
from npubench.domain.records import Failure, FailureClass, Stage

LONGER = 4
"""A trial of programs is longer by this than one of decoders in one process: programs must start."""


class _FailedError(Exception):
    """A trial that says nothing about the number; stays in this module."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


def streams_held(
    work: Work, tool: str, argv: Callable[[int], list[str]], frames: int, fps: float, once: bool = False
) -> Streams | Failure:
    """Search from what one stream's `fps` makes likely on all cores. `argv(n)` decodes `frames` n times,
    or `once` whatever n is.

    n streams hold when n copies that start at once are all done within their frames' time at 25 fps,
    each program's start included.
    """
    settings = work.settings
    loops = 1 if once else max(1, math.ceil(settings.stream_s * LONGER * HOLDS_FPS / frames))
    limit_s = loops * frames / HOLDS_FPS
    until = time.monotonic() + LONGER * settings.search_s
    cpu: dict[int, float] = {}

    def holds(number: int) -> bool:
        done = work.session.run(shell(SEVERAL, str(number), *argv(loops)), work.deadline_s, work.log)
        failure = failure_of(tool, done)
        told = elapsed(done.output)
        if failure or told is None:
            message = f"{number} copies of {tool} at once told no time: see the log"
            raise _FailedError(failure or Failure(Stage.MEASURE, FailureClass.UNPARSED_OUTPUT, message))
        if told.cpu_s is not None and told.seconds > 0:
            cpu[number] = told.cpu_s / told.seconds
        # A decoder that takes only so many sessions refuses the rest: they do not hold.
        return told.failed == 0 and told.seconds <= limit_s

    cores = work.session.facts().cores or 1
    guess = int(fps * (1 if settings.hardware else cores) / HOLDS_FPS)
    try:
        held, tried = most_held(holds, guess, may_go_on=lambda: time.monotonic() < until)
    except _FailedError as error:
        return error.failure
    return Streams(held, tried, cpu.get(held))
