"""Engine `ffmpeg`: the program, on this machine or behind SSH, with software or hardware codecs."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from npubench.benchmarks.codec.board_clock import shell
from npubench.benchmarks.codec.cases import Operation
from npubench.benchmarks.codec.engines import ffmpeg_argv as argv_of
from npubench.benchmarks.codec.engines.base import Work
from npubench.benchmarks.codec.engines.parallel import streams_held
from npubench.benchmarks.codec.expected import expected_sha256
from npubench.benchmarks.codec.ffmpeg_output import FfmpegOutput, parse_ffmpeg, timed
from npubench.benchmarks.codec.figures import Checked, Found, Timed
from npubench.benchmarks.codec.tool_errors import failure_of
from npubench.domain.records import Failure, FailureClass, Skip, Stage

ROUNDS = 3
TOOL = "ffmpeg"
Argv = Callable[[int], list[str]]
"""The argument list that does a number of units: loops of a stream, or frames."""


def run(work: Work) -> Found | Failure | Skip:
    """One case: an exact pass that is checked, timed rounds, and the search for streams."""
    path = str(work.session.put(work.path, work.made.sha256))
    match work.case.operation:
        case Operation.DECODE:
            return _decode(work, path)
        case Operation.ENCODE:
            return _encode(work, path)
        case Operation.IMAGE:
            return _image(work, path)
        case Operation.PIPELINE:
            return Skip("ffmpeg runs no model: the engines pyav and command have this case")


def _decode(work: Work, path: str) -> Found | Failure:
    case, settings = work.case, work.settings

    def argv(loops: int) -> list[str]:
        return argv_of.decode(case, settings, path, loops, exact=False)

    exact = _ffmpeg(work, argv_of.decode(case, settings, path, 1, exact=True))
    if isinstance(exact, Failure):
        return exact
    times = _rounds(work, argv, per_unit=work.made.frames)
    if isinstance(times, Failure):
        return times
    found = _found(work, exact, times, work.made.frames, work.made.psnr_db)
    if isinstance(found, Failure) or not case.counts_streams:
        return found
    held = streams_held(work, TOOL, argv, work.made.frames, times.fps)
    return held if isinstance(held, Failure) else replace(found, streams=held)


def _encode(work: Work, path: str) -> Found | Failure:
    case, settings = work.case, work.settings

    def argv(frames: int) -> list[str]:
        return [argv_of.program(settings), *argv_of.encode(case, settings, path, frames, exact=False)]

    frames = work.made.frames
    words = argv_of.check_encoded(
        case, argv_of.encode(case, settings, path, frames, exact=True), settings, path
    )
    exact = _ffmpeg(work, list(shell(argv_of.CHECK_ENCODED, *words)))
    if isinstance(exact, Failure):
        return exact
    times = _rounds(work, argv, per_unit=1, first=2 * frames)
    if isinstance(times, Failure):
        return times
    return _found(work, exact, times, frames, exact.psnr_db, {"encoder": argv_of.encoder(case, settings)})


def _image(work: Work, path: str) -> Found | Failure:
    case, settings, frames = work.case, work.settings, work.made.frames
    exact = _ffmpeg(work, argv_of.image(case, settings, path, frames, exact=True))
    if isinstance(exact, Failure):
        return exact

    def argv(number: int) -> list[str]:
        return argv_of.image(case, settings, path, number, exact=False)

    times = _rounds(work, argv, per_unit=1, first=4 * frames)
    return times if isinstance(times, Failure) else _found(work, exact, times, frames, None)


def _ffmpeg(work: Work, argv: Sequence[str]) -> FfmpegOutput | Failure:
    # env ends with 127 where there is no such program; that says nothing about the board's link.
    done = work.session.run(["env", *argv], work.deadline_s, work.log)
    return failure_of(TOOL, done) or parse_ffmpeg(done.output)


def _rounds(work: Work, argv: Argv, per_unit: int, first: int = 1) -> Timed | Failure:
    """A short run says how many units a round of the asked length has; then the rounds, all of one size."""
    trial = _ffmpeg(work, argv(first))
    if isinstance(trial, Failure):
        return trial
    settings = work.settings
    if not trial.seconds or not trial.frames:
        return _silent("a first run")
    wanted_s = max(settings.least_s, min(settings.most_s, 2 * settings.least_s)) / ROUNDS
    units = max(1, math.ceil(first * wanted_s / trial.seconds))
    runs = []
    for _ in range(ROUNDS):
        one = _ffmpeg(work, argv(units))
        if isinstance(one, Failure):
            return one
        runs.append(one)
    return timed(runs, ROUNDS * units * per_unit) or _silent("a round")


def _silent(what: str) -> Failure:
    message = f"ffmpeg told neither frames nor time of {what}: see the log"
    return Failure(Stage.MEASURE, FailureClass.UNPARSED_OUTPUT, message)


def _found(
    work: Work,
    exact: FfmpegOutput,
    times: Timed,
    frames: int,
    psnr_db: float | None,
    more: Mapping[str, str] | None = None,
) -> Found | Failure:
    if exact.frames is None or exact.sha256 is None:
        return _silent("the checked pass")
    expected = expected_sha256(work.case, work.made, ffmpeg=not work.settings.hardware)
    told = {"encoded_by": work.made.encoder, "input_sha256": work.made.sha256}
    return Found(
        Checked(exact.frames, frames, exact.sha256, expected, psnr_db),
        times,
        "_".join(part for part in (TOOL, work.settings.hardware) if part),
        threads=work.settings.threads,
        input_sha256=work.made.sha256,
        tools={TOOL: exact.version} if exact.version else {},
        more={**told, **(more or {})},
    )
