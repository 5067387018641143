"""Requirements out of a few words: so many equal cameras, each of whose frames meets each of the models."""

from dataclasses import dataclass
from pathlib import Path

from npubench.domain.errors import UsageError
from npubench.domain.text import did_you_mean, printable
from npubench.reporting.data.translate import translate, translate_count
from npubench.reporting.select.decode_text import codec_of
from npubench.reporting.select.requirements import (
    CODECS,
    RESOLUTIONS,
    Level,
    Limits,
    ModelNeed,
    Requirements,
    StreamNeed,
    codec_asked,
    file_of,
    frame_of,
)

USUAL_FPS = 25.0
"""Frames a second of a camera where nobody says so."""
MOST_CAMERAS = 10_000
"""As many as a file may ask for."""


@dataclass(frozen=True, slots=True)
class Cameras:
    """The words of the command line, as they were given."""

    count: int
    models: tuple[str, ...]  # names or files; `yolov8s@320` at that input
    budget_usd: float | None = None
    price_of: Level | None = None
    power_w: float | None = None
    latency_ms: float | None = None
    fps: float | None = None
    resolution: str = "1080p"
    codec: str = "h264"
    precision: str = ""
    power_of: Level | None = None


def asked_by(words: Cameras) -> Requirements:
    """Requirements of these words. Raises UsageError with all that is wrong with them, in a line."""
    problems = _problems(words)
    if problems:
        raise UsageError("; ".join(problems))
    fps = words.fps or USUAL_FPS
    wide, high = frame_of(words.resolution)
    codec = codec_asked(words.codec)
    models = tuple(_model(name, fps, words.precision) for name in words.models)
    stream = StreamNeed("camera", words.count, wide, high, fps, codec, models)
    limits = Limits(
        latency_ms=words.latency_ms,
        price_usd=words.budget_usd,
        price_of=words.price_of,
        power_w=words.power_w,
        power_of=words.power_of,
    )
    weights = [("headroom", 1.0)]
    weights += [("price", 1.0)] if words.budget_usd else []
    weights += [("power", 1.0)] if words.power_w else []
    title = translate(
        "{cameras} ({size}, {fps} frames/s, {codec}), each frame through {models}",
        cameras=translate_count(words.count, "{count} camera", "{count} cameras"),
        size=f"{wide}x{high}",
        fps=f"{fps:g}",
        codec=translate("raw frames") if codec == "none" else codec,
        models=", ".join(words.models),
    )
    return Requirements(title, (stream,), limits, tuple(weights))


def _problems(words: Cameras) -> list[str]:
    found = []
    positive = {
        "--cameras": words.count,
        "--fps": words.fps,
        "--budget": words.budget_usd,
        "--power": words.power_w,
        "--latency": words.latency_ms,
    }
    found += [
        f"{name[2:]} must be above 0, not {value:g}"
        for name, value in positive.items()
        if value is not None and not value > 0
    ]
    if words.count > MOST_CAMERAS:
        found.append(f"cameras must be at most {MOST_CAMERAS}, not {words.count}")
    if not [name for name in words.models if name.strip()]:
        found.append("name the models that each frame meets: --models yolov8s,resnet18")
    for name in words.models:
        model, at, size = name.partition("@")
        if not model.strip() or (at and not _is_size(size)):
            found.append(
                f"'{printable(name, 60)}' is no model: write a name, or one with its input as yolov8s@640"
            )
    if words.resolution.strip().isdecimal() or not _is_size(words.resolution):
        hint = did_you_mean(words.resolution, RESOLUTIONS)
        shown = printable(words.resolution, 60)
        found.append(f"'{shown}' is not a resolution{hint}: write it as 1920x1080, 720p, 1080p or 4K")
    if codec_of(words.codec) not in CODECS and words.codec.casefold() not in ("none", "raw"):
        hint = did_you_mean(words.codec, (*CODECS, "hevc", "avc"))
        shown = printable(words.codec, 60)
        found.append(f"'{shown}' is not a codec{hint}: write one of {', '.join(CODECS)}")
    return found


def _is_size(text: str) -> bool:
    try:
        return min(frame_of(text)) > 0 and max(frame_of(text)) < 100_000
    except KeyError:
        return False


def _model(name: str, fps: float, precision: str) -> ModelNeed:
    model, _, size = name.strip().partition("@")
    return ModelNeed(
        (model,),
        model,
        fps,
        frame_of(size) if size else None,
        file=file_of((model,), Path()),
        precision=precision,
    )
