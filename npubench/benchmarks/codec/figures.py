"""One result schema for all codec cases and engines: what an engine found, checked, as `Figures`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from npubench.benchmarks.codec.cases import HOLDS_FPS, LEAST_PSNR_DB, CodecCase
from npubench.domain.figures import CodecFigures, Figures, Kind
from npubench.domain.records import Failure, FailureClass, Stage
from npubench.measure.statistics import latency


@dataclass(frozen=True, slots=True)
class Checked:
    """An untimed pass over the input: frames that came out, and the SHA-256 of all of them.

    Of a decoder: planar 4:2:0 (I420) frame after frame in display order. `expected` is None where
    no standard says what must come out (an encoder's choices, a scaler's rounding).
    """

    frames: int
    frames_expected: int
    sha256: str | None
    sha256_expected: str | None = None
    psnr_db: float | None = None


@dataclass(frozen=True, slots=True)
class Timed:
    """The timed passes. `seconds` and `frames` by round; `cpu_s` is user and system time of all.

    `samples_us` are per-frame times by round, from a packet's way in to its frame's way out.
    """

    frames: tuple[int, ...]
    seconds: tuple[float, ...]
    frames_expected: int
    cpu_s: float | None = None
    samples_us: tuple[tuple[float, ...], ...] = ()

    @property
    def fps(self) -> float:
        """Frames a second over all rounds."""
        return sum(self.frames) / sum(self.seconds)

    @property
    def cpu_cores(self) -> float | None:
        """Cores kept busy: processor time over elapsed time."""
        return None if self.cpu_s is None else self.cpu_s / sum(self.seconds)


@dataclass(frozen=True, slots=True)
class Streams:
    """How many streams at once held 25 fps; 0 when not even one did. `tried` by number.

    `proven` says that one more was tried and did not hold; else time was up, and more may hold.
    """

    held: int
    tried: Mapping[int, bool]
    cpu_cores: float | None = None

    @property
    def proven(self) -> bool:
        """Whether one stream more did not hold."""
        return self.tried.get(self.held + 1) is False


@dataclass(frozen=True, slots=True)
class Found:
    """All that an engine found of a case."""

    checked: Checked
    timed: Timed
    program: str
    streams: Streams | None = None
    threads: int | None = None
    input_sha256: str | None = None
    tools: Mapping[str, str] = field(default_factory=dict)
    more: Mapping[str, Any] = field(default_factory=dict)


def outcome(case: CodecCase, found: Found) -> Figures | Failure:
    """The row, or what its checks say against it."""
    timed = found.timed
    return _mismatch(case, found) or Figures(
        Kind.MEASURED,
        latency_us=latency(timed.samples_us) if any(timed.samples_us) else None,
        throughput_fps=timed.fps,
        artifact_sha256=found.input_sha256,
        samples_us=timed.samples_us,
        codec=_codec(case, found),
        details=found.more,
        tools=found.tools,
    )


def _mismatch(case: CodecCase, found: Found) -> Failure | None:
    checked, timed = found.checked, found.timed
    message = ""
    if checked.frames != checked.frames_expected:
        message = f"{found.program} gave {checked.frames} of {checked.frames_expected} frames"
    elif sum(timed.frames) != timed.frames_expected:
        message = f"{found.program} gave {sum(timed.frames)} of {timed.frames_expected} frames while timed"
    elif checked.sha256_expected is not None and checked.sha256 != checked.sha256_expected:
        message = (
            f"{found.program} gave other frames than the reference: SHA-256"
            f" {_short(checked.sha256)} instead of {_short(checked.sha256_expected)}"
        )
    elif checked.psnr_db is not None and checked.psnr_db < LEAST_PSNR_DB:
        message = f"{found.program} gave frames that are {checked.psnr_db:.1f} dB from their source"
    if message:
        return Failure(Stage.MEASURE, FailureClass.OUTPUT_MISMATCH, message)
    if min(timed.seconds, default=0.0) <= 0 or not sum(timed.frames):
        message = f"{found.program} told no time for {case.name}"
        return Failure(Stage.MEASURE, FailureClass.UNPARSED_OUTPUT, message)
    return None


def _codec(case: CodecCase, found: Found) -> CodecFigures:
    """The fields that every codec row has, whatever engine it comes from."""
    checked, timed, streams = found.checked, found.timed, found.streams
    return CodecFigures(
        operation=case.operation.value,
        codec=case.codec,
        width=case.width,
        height=case.height,
        output=case.output or None,
        program=found.program,
        threads=found.threads,
        frames=sum(timed.frames),
        seconds=sum(timed.seconds),
        fps_by_round=tuple(n / s for n, s in zip(timed.frames, timed.seconds, strict=True)),
        cpu_cores=timed.cpu_cores,
        frames_checked=checked.frames,
        frames_sha256=checked.sha256,
        frames_sha256_expected=checked.sha256_expected,
        psnr_db=checked.psnr_db,
        streams=streams.held if streams else None,
        streams_proven=streams.proven if streams else None,
        streams_fps=HOLDS_FPS if streams else None,
        streams_tried={str(n): held for n, held in sorted(streams.tried.items())} if streams else None,
        streams_cpu_cores=streams.cpu_cores if streams else None,
    )


def _short(sha256: str | None) -> str:
    return f"{sha256[:12]}..." if sha256 else "nothing"
