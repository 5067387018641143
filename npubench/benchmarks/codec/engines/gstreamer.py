"""Engine `gstreamer`: gst-launch-1.0 with software or hardware elements, here or behind SSH."""

import math
from dataclasses import replace

from npubench.benchmarks.codec.board_clock import ONE, elapsed, shell
from npubench.benchmarks.codec.cases import Operation
from npubench.benchmarks.codec.engines import gstreamer_argv as argv_of
from npubench.benchmarks.codec.engines.base import Work
from npubench.benchmarks.codec.engines.parallel import streams_held
from npubench.benchmarks.codec.expected import expected_sha256
from npubench.benchmarks.codec.figures import Checked, Found, Timed
from npubench.benchmarks.codec.gstreamer_output import (
    HASHED,
    GstreamerRun,
    parse_hashed,
    parse_run,
    parse_version,
)
from npubench.benchmarks.codec.tool_errors import failure_of
from npubench.domain.records import Failure, FailureClass, Skip, Stage

ROUNDS = 3
TOOL = argv_of.PROGRAM


def run(work: Work) -> Found | Failure | Skip:
    """One case: a pass whose frames are hashed, timed rounds, and the search for streams."""
    case, settings = work.case, work.settings
    if case.operation is Operation.PIPELINE:
        return Skip("gst-launch-1.0 runs no model: the engines pyav and command have this case")
    if settings.hardware not in argv_of.DECODERS:
        known = ", ".join(argv_of.families())
        message = f"no GStreamer elements are known for hardware {settings.hardware!r:.40}: there are {known}"
        return Failure(Stage.MEASURE, FailureClass.UNSUPPORTED_CODEC, message)
    path = str(work.session.put(work.path, work.made.sha256))

    def argv(loops: int, exact: bool = False) -> list[str]:
        return argv_of.launch(case, settings.hardware, settings.threads, path, loops, exact)

    version = _version(work)
    if isinstance(version, Failure):
        return version
    checked = _checked(work, argv(1, exact=True))
    if isinstance(checked, Failure):
        return checked
    first = _timed(work, argv(1))
    if isinstance(first, Failure):
        return first
    seconds, _ = first
    loops = max(1, math.ceil(settings.least_s * 2 / ROUNDS / max(seconds.seconds or 0.0, 0.01)))
    rounds = []
    for _ in range(ROUNDS):
        one = _timed(work, argv(loops))
        if isinstance(one, Failure):
            return one
        rounds.append(one)
    found = replace(_found(work, checked, rounds, loops), tools={"gstreamer": version} if version else {})
    if not case.counts_streams:
        return found
    held = streams_held(work, TOOL, argv, work.made.frames, found.timed.fps)
    return held if isinstance(held, Failure) else replace(found, streams=held)


def _version(work: Work) -> str | Failure | None:
    # env ends with 127 where there is no such program; that says nothing about the board's link.
    done = work.session.run(["env", TOOL, "--version"], work.deadline_s, work.log)
    return failure_of(TOOL, done) or parse_version(done.output)


def _checked(work: Work, argv: list[str]) -> Checked | Failure:
    done = work.session.run(shell(HASHED, *argv), work.deadline_s, work.log)
    if failure := failure_of(TOOL, done):
        return failure
    told = parse_hashed(done.output)
    if told is None:
        message = f"the frames of {TOOL} could not be hashed: the board needs mkfifo, tee, wc and sha256sum"
        return Failure(Stage.MEASURE, FailureClass.TOOL_MISSING, message)
    size, sha256 = told
    frames, rest = divmod(size, argv_of.frame_bytes(work.case))
    if rest:
        message = f"{TOOL} gave {size} bytes, which are no whole frames of {work.case.name}"
        return Failure(Stage.MEASURE, FailureClass.OUTPUT_MISMATCH, message)
    return Checked(frames, work.made.frames, sha256, expected_sha256(work.case, work.made, ffmpeg=False))


def _timed(work: Work, argv: list[str]) -> tuple[GstreamerRun, float | None] | Failure:
    """A run, and processor seconds of the whole program."""
    done = work.session.run(shell(ONE, *argv), work.deadline_s, work.log)
    if failure := failure_of(TOOL, done):
        return failure
    told, clock = parse_run(done.output), elapsed(done.output)
    if not told.seconds or not told.frames:
        message = f"{TOOL} told neither frames nor time: see the log"
        return Failure(Stage.MEASURE, FailureClass.UNPARSED_OUTPUT, message)
    return told, clock.cpu_s if clock else None


def _found(
    work: Work, checked: Checked, rounds: list[tuple[GstreamerRun, float | None]], loops: int
) -> Found:
    hardware = work.settings.hardware
    cpu = [cpu_s for _, cpu_s in rounds if cpu_s is not None]
    timed = Timed(
        tuple(one.frames for one, _ in rounds),
        tuple(one.seconds or 0.0 for one, _ in rounds),
        ROUNDS * loops * work.made.frames,
        sum(cpu) if len(cpu) == len(rounds) else None,
    )
    return Found(
        checked,
        timed,
        "_".join(part for part in (TOOL, hardware) if part),
        threads=None if hardware else work.settings.threads,
        input_sha256=work.made.sha256,
        more={"encoded_by": work.made.encoder, "input_sha256": work.made.sha256},
    )
