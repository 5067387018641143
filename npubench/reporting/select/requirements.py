"""What is asked of a chip: `requirements.toml`, checked on reading."""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from npubench.domain.errors import UsageError
from npubench.domain.nearest import path_meant


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


def read_requirements(file: Path) -> Requirements:
    """Raises UsageError that names file, key and what is wrong."""
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        hint = "" if file.exists() else path_meant(file, (".toml",))
        raise UsageError(f"cannot read {file}: {(error.strerror or 'it fails').lower()}{hint}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"cannot read {file}: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{file} is not TOML: {error}") from error
    return _checked(table, file)


def _checked(table: dict[str, Any], file: Path) -> Requirements:
    from pydantic import ValidationError

    from npubench.reporting.select.requirements_table import RequirementsTable

    try:
        return _spec(RequirementsTable.model_validate(table))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
        raise UsageError(f"{file}: {where}: {first['msg']}{more}") from error


def _spec(table: Any) -> Requirements:
    streams = tuple(_stream(one) for one in table.stream)
    limits = Limits(**table.limits.model_dump())
    known = tuple(
        Known(one.board, one.source, one.price_usd, one.power_w, one.memory_mib and one.memory_mib * 2.0**20)
        for one in table.chip
    )
    weights = tuple((name, weight) for name, weight in table.ranking.model_dump().items() if weight > 0)
    return Requirements(table.title, streams, limits, weights or (("headroom", 1.0),), known)


def _stream(table: Any) -> StreamNeed:
    from npubench.reporting.select.requirements_table import size_of

    width, height = size_of(table.resolution)
    models = tuple(
        ModelNeed(
            tuple([one.name] if isinstance(one.name, str) else one.name),
            one.role or (one.name if isinstance(one.name, str) else one.name[0]),
            table.fps if one.rate is None else one.rate,
            size_of(one.input) if one.input else None,
            one.minimum_accuracy,
            one.accuracy,
        )
        for one in table.model
    )
    return StreamNeed(table.name, table.count, width, height, table.fps, table.codec, models)
