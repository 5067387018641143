"""Columns of the table of codecs: what `details` of a row of the stage `codec` tells."""

from collections.abc import Callable
from typing import Any

from npubench.domain.records import Kind
from npubench.reporting.data.columns import Column, Entry
from npubench.reporting.data.formatting import Scale
from npubench.reporting.data.words import say


def codec_columns() -> tuple[Column, ...]:
    """Measured alone: nobody simulates a codec."""
    return (
        Column(
            "streams",
            "Streams decoded at once, each with 25 frames a second; the most of which that was seen",
            _number("streams"),
            show=lambda value: f"{value:.0f}",
            missing=_why_no_streams,
            kind=Kind.MEASURED,
        ),
        Column(
            "CPU",
            "Cores kept busy by one stream: processor time over elapsed time",
            _number("cpu_cores"),
            (Scale("cores"),),
            "cores",
            kind=Kind.MEASURED,
        ),
        Column(
            "checked",
            "Frames whose number and checksum were checked before anything was timed",
            _number("frames_checked"),
            (Scale("frames"),),
            "frames",
            show=lambda value: f"{value:.0f}",
            kind=Kind.MEASURED,
        ),
        Column(
            "checksum",
            "SHA-256 of all checked frames against the reference's",
            _same,
            show=lambda _: say("same"),
            missing=_why_no_reference,
            kind=Kind.MEASURED,
        ),
        Column(
            "PSNR",
            "Least peak signal-to-noise ratio of a frame against its source",
            _number("psnr_db"),
            (Scale("dB"),),
            "dB",
            kind=Kind.MEASURED,
        ),
    )


def _number(name: str) -> Callable[[Entry], float | None]:
    def value(entry: Entry) -> float | None:
        found = _detail(entry, name)
        number = isinstance(found, (int, float)) and not isinstance(found, bool)
        return float(found) if number else None

    return value


def _same(entry: Entry) -> float | None:
    expected = _detail(entry, "frames_sha256_expected")
    return 1.0 if expected is not None and expected == _detail(entry, "frames_sha256") else None


def _why_no_streams(entry: Entry) -> str:
    return "only of decoders of video" if _detail(entry, "streams_fps") is None else "not reported"


def _why_no_reference(entry: Entry) -> str:
    found = _detail(entry, "frames_sha256")
    if not found:
        return "the tool reports no checksum"
    return say("no standard says what comes out; it was {found}", found=found)


def _detail(entry: Entry, name: str) -> Any:
    figures = entry.figures.get(Kind.MEASURED)
    return figures.details.get(name) if figures else None
