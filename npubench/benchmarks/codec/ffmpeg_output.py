"""What ffmpeg prints, read line by line.

    ffmpeg version 5.1.9-0+deb12u1 Copyright (c) 2000-2026 the FFmpeg developers
    frame=50
    fps=0.00
    progress=end
    SHA256=aa53a53f...
    bench: utime=0.179s stime=0.003s rtime=0.598s

`-progress` ends with fps=0.00 when a run is short, and its out_time_ms are microseconds, so only
`frame` is taken of it; `rtime` is the time of the transcoding loop by the board's clock.
"""

import re
from dataclasses import dataclass

from npubench.benchmarks.codec.figures import Timed

_VERSION = re.compile(r"(?m)^ffmpeg version (\S{1,60}) Copyright")
_FRAME = re.compile(r"(?m)^frame=[ ]*([0-9]{1,12})$")
_END = re.compile(r"(?m)^progress=end$")
_SHA256 = re.compile(r"(?m)^SHA256=([0-9a-f]{64})$")
_SECONDS = r"([0-9]{1,9}\.[0-9]{1,6})s"
_BENCH = re.compile(rf"(?m)^bench: utime={_SECONDS} stime={_SECONDS} rtime={_SECONDS}$")

_PSNR = re.compile(r"(?m)^\[Parsed_psnr_[0-9]{1,4} @ \w{1,40}\] PSNR .{0,200}\bmin:([0-9]{1,4}\.[0-9]{1,9}) ")


@dataclass(frozen=True, slots=True)
class FfmpegOutput:
    """Of the last run in a text: frames written, seconds, processor seconds, their hash, least PSNR."""

    frames: int | None = None
    seconds: float | None = None
    cpu_s: float | None = None
    sha256: str | None = None
    version: str | None = None
    psnr_db: float | None = None


def parse_ffmpeg(text: str) -> FfmpegOutput:
    """What is there; the rest is None. Frames count only from a report that ended. Never raises."""
    text = text.replace("\r", "\n")
    end = _last(_END, text)
    frame = _last(_FRAME, text[: end.start()]) if end else None
    psnr = _last(_PSNR, text)
    bench, sha256, version = _last(_BENCH, text), _last(_SHA256, text), _VERSION.search(text)
    return FfmpegOutput(
        frames=int(frame[1]) if frame else None,
        seconds=float(bench[3]) if bench else None,
        cpu_s=float(bench[1]) + float(bench[2]) if bench else None,
        sha256=sha256[1] if sha256 else None,
        version=version[1] if version else None,
        psnr_db=float(psnr[1]) if psnr else None,
    )


def timed(runs: list[FfmpegOutput], frames_expected: int) -> Timed | None:
    """Rounds of runs; None when one of them told no frames or no time."""
    frames = [run.frames for run in runs if run.frames is not None]
    seconds = [run.seconds for run in runs if run.seconds]
    cpu = [run.cpu_s for run in runs if run.cpu_s is not None]
    if not runs or len(frames) < len(runs) or len(seconds) < len(runs):
        return None
    return Timed(tuple(frames), tuple(seconds), frames_expected, sum(cpu) if len(cpu) == len(runs) else None)


def _last(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    found = list(pattern.finditer(text))
    return found[-1] if found else None
