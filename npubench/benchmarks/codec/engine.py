"""What all engines share: their protocol, how long a command took by the board's clock, why a tool failed."""

import math
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from npubench.benchmarks.codec.cases import HOLDS_FPS, CodecCase, most_held
from npubench.benchmarks.codec.figures import Checked, Found, Streams, Timed
from npubench.benchmarks.codec.media import Made
from npubench.benchmarks.codec.settings import Settings
from npubench.domain.protocols import Session
from npubench.domain.records import Completed, Failure, FailureClass, Skip, Stage
from npubench.tools.process import classify_run

_LACKS = re.compile(
    r"Unknown (?:decoder|encoder) '[^']{1,80}'"
    r"|(?:Decoder|Encoder) \(codec [^)]{1,80}\) not found.*"
    r"|(?:Decoder|Encoder) not found"
    r"|Could not find (?:a valid device|.{0,60}(?:decoder|encoder)).*"
    r"|no (?:decoder|encoder) named .*"
    r"|(?:Default|Automatic) encoder .{0,120}"
    r'|no element "[^"]{1,80}"'
    r"|No such element.*|Failed to initialize MPP.*|No device available .*"
)
"""A decoder, encoder or element that is not there, or whose driver is not."""
_MEMORY = re.compile(r"Cannot allocate memory|Out of memory|bad_alloc|MemoryError")


def lacking(text: str) -> str | None:
    """The line that tells of a codec or device which is not there; None when none does."""
    found = _LACKS.search(text)
    return found[0][:200].strip() if found else None


def failure_of(tool: str, completed: Completed) -> Failure | None:
    """The failure that a run's end and words tell of; None when it ended well."""
    ended = classify_run(tool, completed)
    if ended is None or ended.failure_class is not FailureClass.TOOL_ERROR:
        return ended
    if (words := lacking(completed.output)) is not None:
        return Failure(Stage.MEASURE, FailureClass.UNSUPPORTED_CODEC, f"{tool}: {words}")
    if _MEMORY.search(completed.output):
        message = f"{tool} ran out of memory on the board"
        return Failure(Stage.MEASURE, FailureClass.OUT_OF_MEMORY, message)
    return ended


ONE = """\
read -r begin rest </proc/uptime
"$@"
code=$?
read -r end rest </proc/uptime
echo
times
echo "npubench-clock $begin $end 0"
exit $code
"""
"""Runs `$@`."""

SEVERAL = """\
number=$1
shift
read -r begin rest </proc/uptime
running= ; i=0 ; failed=0
while [ $i -lt "$number" ]; do
    "$@" >/dev/null 2>&1 &
    running="$running $!"
    i=$((i + 1))
done
for one in $running; do
    wait "$one" || failed=$((failed + 1))
done
read -r end rest </proc/uptime
times
echo "npubench-clock $begin $end $failed"
"""
"""Runs `$1` copies of the rest at once."""

_TIME = r"([0-9]{1,9})m([0-9]{1,9}(?:\.[0-9]{1,9})?)s"
_TIMES = re.compile(rf"(?m)^{_TIME} {_TIME}$")
_CLOCK = re.compile(
    r"(?m)^npubench-clock ([0-9]{1,12}(?:\.[0-9]{1,9})?) ([0-9]{1,12}(?:\.[0-9]{1,9})?) ([0-9]{1,6})$"
)


@dataclass(frozen=True, slots=True)
class Elapsed:
    """`seconds` with the resolution of /proc/uptime, 10 ms; `cpu_s` of all children; how many `failed`."""

    seconds: float
    cpu_s: float | None
    failed: int


def shell(script: str, *arguments: str) -> tuple[str, ...]:
    """The argument list that runs one of these scripts with `$1`, `$2`, ..."""
    return ("sh", "-c", script, "npubench", *arguments)


def elapsed(output: str) -> Elapsed | None:
    """What a script told last; None when it did not come to its end, or the clock went backwards.

    `times` prints two lines, the shell's own and its children's (POSIX.1-2017, times).
    """
    clocks = list(_CLOCK.finditer(output))
    if not clocks:
        return None
    begin, end, failed = clocks[-1].groups()
    seconds = float(end) - float(begin)
    if seconds < 0:
        return None
    times = list(_TIMES.finditer(output, 0, clocks[-1].start()))
    cpu_s = None
    if len(times) >= 2:
        minutes, rest, more_minutes, more = (float(number) for number in times[-1].groups())
        cpu_s = 60 * (minutes + more_minutes) + rest + more
    return Elapsed(seconds, cpu_s, int(failed))


class EndedError(Exception):
    """A step that leaves a case without figures, and its outcome then; stays in the stage `codec`."""

    def __init__(self, outcome: Failure | Skip) -> None:
        super().__init__(str(outcome))
        self.outcome = outcome


def ended(failure_class: FailureClass, message: str) -> EndedError:
    """The failure of a measurement."""
    return EndedError(Failure(Stage.MEASURE, failure_class, message))


@dataclass(frozen=True, slots=True)
class Work:
    """A case with its input on this machine, and the board that it is for."""

    case: CodecCase
    settings: Settings
    path: Path
    made: Made
    session: Session
    deadline_s: float
    log: Path

    def put(self) -> str:
        """The path of the input on the board."""
        return str(self.session.put(self.path, self.made.sha256))

    def run(self, tool: str, argv: Sequence[str]) -> str:
        """The output of a command on the board. Raises EndedError when it does not end well."""
        done = self.session.run(argv, self.deadline_s, self.log)
        if failure := failure_of(tool, done):
            raise EndedError(failure)
        return done.output

    def found(self, tool: str, checked: Checked, timed: Timed, **more: str | float) -> Found:
        """What an engine found by this tool with our own input."""
        return Found(
            checked,
            timed,
            "_".join(part for part in (tool, self.settings.hardware) if part),
            threads=self.settings.threads,
            input_sha256=self.made.sha256,
            more={"encoded_by": self.made.encoder, "input_sha256": self.made.sha256, **more},
        )


Engine = Callable[[Work], Found]
"""Checks the output, times it, searches for the number of streams. Raises EndedError and as `Session`."""


ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Pass:
    """Of one pass over frames: their number, seconds, processor seconds; None for what was not told."""

    frames: int | None = None
    seconds: float | None = None
    cpu_s: float | None = None


def rounds(settings: Settings, tool: str, one: Callable[[int], Pass], frames: int, first: int = 1) -> Timed:
    """Passes of `one` over a number of units of so many `frames`; the first says how many a round has.

    All rounds are of one size. Raises EndedError when one told no frames or no time.
    """
    wanted_s = max(settings.least_s, min(settings.most_s, 2 * settings.least_s)) / ROUNDS
    _, (trial_s,), _ = _told(tool, [one(first)])
    units = max(1, math.ceil(first * wanted_s / trial_s))
    counted, seconds, cpu_s = _told(tool, [one(units) for _ in range(ROUNDS)])
    return Timed(counted, seconds, ROUNDS * units * frames, cpu_s)


def _told(tool: str, passes: Sequence[Pass]) -> tuple[tuple[int, ...], tuple[float, ...], float | None]:
    frames = tuple(one.frames for one in passes if one.frames)
    seconds = tuple(one.seconds for one in passes if one.seconds)
    cpu = [one.cpu_s for one in passes if one.cpu_s is not None]
    if len(frames) < len(passes) or len(seconds) < len(passes):
        raise ended(
            FailureClass.UNPARSED_OUTPUT, f"{tool} told neither frames nor time of a pass: see the log"
        )
    return frames, seconds, sum(cpu) if len(cpu) == len(passes) else None


LONGER = 4
"""A trial of programs is longer by this than one of decoders in one process: programs must start."""


def streams_held(
    work: Work, tool: str, argv: Callable[[int], list[str]], frames: int, fps: float, once: bool = False
) -> Streams:
    """Search from what one stream's `fps` makes likely on all cores. `argv(n)` decodes `frames` n times,
    or `once` whatever n is.

    n streams hold when n copies that start at once are all done within their frames' time at 25 fps,
    each program's start included. Raises EndedError for a trial that says nothing about the number.
    """
    settings = work.settings
    loops = 1 if once else max(1, math.ceil(settings.stream_s * LONGER * HOLDS_FPS / frames))
    limit_s = loops * frames / HOLDS_FPS
    until = time.monotonic() + LONGER * settings.search_s
    cpu: dict[int, float] = {}

    def holds(number: int) -> bool:
        told = elapsed(work.run(tool, shell(SEVERAL, str(number), *argv(loops))))
        if told is None:
            message = f"{number} copies of {tool} at once told no time: see the log"
            raise ended(FailureClass.UNPARSED_OUTPUT, message)
        if told.cpu_s is not None and told.seconds > 0:
            cpu[number] = told.cpu_s / told.seconds
        # A decoder that takes only so many sessions refuses the rest: they do not hold.
        return told.failed == 0 and told.seconds <= limit_s

    cores = work.session.facts().cores or 1
    guess = int(fps * (1 if settings.hardware else cores) / HOLDS_FPS)
    held, tried = most_held(holds, guess, may_go_on=lambda: time.monotonic() < until)
    return Streams(held, tried, cpu.get(held))


def with_streams(
    work: Work, found: Found, tool: str, argv: Callable[[int], list[str]], frames: int, once: bool = False
) -> Found:
    """The same with the number of streams, where the case asks for it. Raises EndedError."""
    if not work.case.counts_streams:
        return found
    return replace(found, streams=streams_held(work, tool, argv, frames, found.timed.fps, once))
