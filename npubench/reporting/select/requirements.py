"""What is asked of a chip: `requirements.toml`, checked on reading."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta
from msgspec.structs import asdict

from npubench.domain.errors import UsageError
from npubench.domain.nearest import path_meant
from npubench.storage.toml import checked
from npubench.storage.validate import LARGEST, Number, Positive, Table


@dataclass(frozen=True, slots=True)
class ModelNeed:
    """A model that every stream runs `rate` times a second; the first of `names` that has a row counts.

    `input_size` is (width, height) in pixels; `minimum` is of `metric`, against the FP32 reference.
    """

    names: tuple[str, ...]
    role: str
    rate: float
    input_size: tuple[int, int] | None = None
    minimum: float | None = None
    metric: str = "cosine"


@dataclass(frozen=True, slots=True)
class StreamNeed:
    """`count` equal streams; `codec` none: raw frames, nothing to decode."""

    name: str
    count: int
    width: int
    height: int
    fps: float
    codec: str
    models: tuple[ModelNeed, ...]


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds; None: not asked. `percentile` None: the median, else the mean."""

    latency_ms: float | None = None
    percentile: int | None = None
    price_usd: float | None = None
    price_of: str | None = None
    power_w: float | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """What the asker knows of a chip beyond the shipped facts, with its source."""

    board: str
    source: str
    price_usd: float | None = None
    power_w: float | None = None
    memory_bytes: float | None = None


@dataclass(frozen=True, slots=True)
class Requirements:
    """The whole file. `weights` of terms are as given; the ranking divides by their sum."""

    title: str
    streams: tuple[StreamNeed, ...]
    limits: Limits
    weights: tuple[tuple[str, float], ...]
    known: tuple[Known, ...] = ()

    @property
    def models(self) -> tuple[tuple[StreamNeed, ModelNeed], ...]:
        """Every model with its stream."""
        return tuple((stream, model) for stream in self.streams for model in stream.models)


_SIZE = re.compile(r"([1-9][0-9]{0,4})x([1-9][0-9]{0,4})")


def _size_of(text: str) -> tuple[int, int]:
    """`1920x1080` as (width, height). Raises ValueError for anything else."""
    found = _SIZE.fullmatch(text)
    if not found:
        raise ValueError(f"{text[:40]!r} is not WIDTHxHEIGHT")
    return int(found[1]), int(found[2])


_Size = Annotated[str, Meta(pattern=rf"\A{_SIZE.pattern}\Z", description="WIDTHxHEIGHT")]
_Weight = Annotated[float, Meta(ge=0, le=LARGEST)]
_Text = Annotated[str, Meta(min_length=1, max_length=300)]


class _ModelTable(Table, frozen=True, kw_only=True):
    """`[[stream.model]]`: a case, or names for it in order of preference; runs a second and stream."""

    name: _Text | Annotated[list[_Text], Meta(min_length=1)]
    role: str = ""
    input: _Size | None = None
    rate: Positive | None = None
    minimum_accuracy: Number | None = None
    accuracy: Literal["cosine", "top1_agreement", "psnr_db"] = "cosine"


class _StreamTable(Table, frozen=True, kw_only=True):
    """`[[stream]]`: `count` equal streams."""

    name: _Text
    count: Annotated[int, Meta(ge=1, le=10_000)] = 1
    resolution: _Size
    fps: Positive
    codec: Literal["h264", "h265", "av1", "vp9", "mjpeg", "none"]
    model: Annotated[list[_ModelTable], Meta(min_length=1)]


class _LimitTable(Table, frozen=True, kw_only=True):
    """`[limits]`: bounds; what is not there is not asked."""

    latency_ms: Positive | None = None
    percentile: Literal[50, 90, 99] | None = None
    price_usd: Positive | None = None
    price_of: Literal["chip", "module", "board"] | None = None
    power_w: Positive | None = None


class _ChipTable(Table, frozen=True, kw_only=True):
    """`[[chip]]`: what the asker knows of a board, with its source."""

    board: _Text
    source: _Text
    price_usd: Positive | None = None
    power_w: Positive | None = None
    memory_mib: Positive | None = None


class _RankingTable(Table, frozen=True, kw_only=True):
    """`[ranking]`: weights."""

    headroom: _Weight = 0.0
    price: _Weight = 0.0
    latency: _Weight = 0.0
    accuracy: _Weight = 0.0
    power: _Weight = 0.0


class _RequirementsTable(Table, frozen=True, kw_only=True):
    """The whole file."""

    title: _Text
    stream: Annotated[list[_StreamTable], Meta(min_length=1)]
    limits: _LimitTable = _LimitTable()
    ranking: _RankingTable = _RankingTable()
    chip: tuple[_ChipTable, ...] = ()


def read_requirements(file: Path) -> Requirements:
    """Raises UsageError that names file, line, key and what is wrong, of everything that is."""
    try:
        data = file.read_bytes()
    except OSError as error:
        hint = "" if file.exists() else path_meant(file, (".toml",))
        raise UsageError(f"cannot read {file}: {(error.strerror or 'it fails').lower()}{hint}") from error
    return _spec(checked(file, data, _RequirementsTable))


def _spec(table: _RequirementsTable) -> Requirements:
    streams = tuple(_stream(one) for one in table.stream)
    limits = Limits(**asdict(table.limits))
    known = tuple(
        Known(one.board, one.source, one.price_usd, one.power_w, one.memory_mib and one.memory_mib * 2.0**20)
        for one in table.chip
    )
    weights = tuple((name, weight) for name, weight in asdict(table.ranking).items() if weight > 0)
    return Requirements(table.title, streams, limits, weights or (("headroom", 1.0),), known)


def _stream(table: _StreamTable) -> StreamNeed:
    width, height = _size_of(table.resolution)
    models = tuple(
        ModelNeed(
            tuple([one.name] if isinstance(one.name, str) else one.name),
            one.role or (one.name if isinstance(one.name, str) else one.name[0]),
            table.fps if one.rate is None else one.rate,
            _size_of(one.input) if one.input else None,
            one.minimum_accuracy,
            one.accuracy,
        )
        for one in table.model
    )
    return StreamNeed(table.name, table.count, width, height, table.fps, table.codec, models)
