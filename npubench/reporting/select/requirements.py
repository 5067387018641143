"""What is asked of a chip: `requirements.toml`, checked on reading."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, structs

from npubench.domain.errors import UsageError
from npubench.domain.text import path_meant
from npubench.storage.json import LARGEST, Number, Positive, Table
from npubench.storage.toml import checked


@dataclass(frozen=True, slots=True)
class ModelNeed:
    """A model that every stream runs."""

    names: tuple[str, ...]  # the first that has a row counts
    role: str  # what it is for
    rate: float  # runs a second and stream
    input_size: tuple[int, int] | None = None  # width and height, pixels
    minimum: float | None = None  # of `metric`, against the FP32 reference
    metric: str = "cosine"  # cosine, top1_agreement or psnr_db


@dataclass(frozen=True, slots=True)
class StreamNeed:
    """Equal streams."""

    name: str  # of the file
    count: int  # of equal streams
    width: int  # pixels
    height: int  # pixels
    fps: float  # frames a second
    codec: str  # none: raw frames, nothing to decode
    models: tuple[ModelNeed, ...]  # that each frame may meet


class Limits(Table, frozen=True):
    """`[limits]`: bounds; None: not asked."""

    latency_ms: Positive | None = None  # milliseconds
    percentile: Literal[50, 90, 99] | None = None  # of the latency; None: the median, else the mean
    price_usd: Positive | None = None  # US dollars
    price_of: Literal["chip", "module", "board"] | None = None  # what the price is of
    power_w: Positive | None = None  # watts


@dataclass(frozen=True, slots=True)
class UserFacts:
    """What the asker knows of a chip beyond the shipped facts, with its source."""

    board: str  # name
    source: str  # of what follows
    price_usd: float | None = None  # US dollars
    power_w: float | None = None  # watts
    memory_bytes: float | None = None  # of the board


@dataclass(frozen=True, slots=True)
class Requirements:
    """The whole file."""

    title: str  # of the job
    streams: tuple[StreamNeed, ...]  # in the file's order
    limits: Limits  # bounds
    weights: tuple[tuple[str, float], ...]  # by term, as given: the ranking divides by their sum
    known: tuple[UserFacts, ...] = ()  # what the asker knows of boards

    @property
    def models(self) -> tuple[tuple[StreamNeed, ModelNeed], ...]:
        """Every model with its stream."""
        return tuple((stream, model) for stream in self.streams for model in stream.models)


Text = Annotated[str, Meta(min_length=1, max_length=300)]
_SIZE = r"\A[1-9][0-9]{0,4}x[1-9][0-9]{0,4}\Z"
Size = Annotated[str, Meta(pattern=_SIZE, description="WIDTHxHEIGHT: write it as 1920x1080")]
Weight = Annotated[float, Meta(ge=0, le=LARGEST)]


class ModelTable(Table, frozen=True):
    """`[[stream.model]]`: a case, or names for it in order of preference; runs a second and stream."""

    name: Text | Annotated[list[Text], Meta(min_length=1)]
    role: str = ""
    input: Size | None = None
    rate: Positive | None = None
    minimum_accuracy: Number | None = None
    accuracy: Literal["cosine", "top1_agreement", "psnr_db"] = "cosine"


class StreamTable(Table, frozen=True):
    """`[[stream]]`: `count` equal streams."""

    name: Text
    resolution: Size
    fps: Positive
    codec: Literal["h264", "h265", "av1", "vp9", "mjpeg", "none"]
    model: Annotated[list[ModelTable], Meta(min_length=1)]
    count: Annotated[int, Meta(ge=1, le=10_000)] = 1


class ChipTable(Table, frozen=True):
    """`[[chip]]`: what the asker knows of a board, with its source."""

    board: Text
    source: Text
    price_usd: Positive | None = None
    power_w: Positive | None = None
    memory_mib: Positive | None = None


class RankingTable(Table, frozen=True):
    """`[ranking]`: weights."""

    headroom: Weight = 0.0
    price: Weight = 0.0
    latency: Weight = 0.0
    accuracy: Weight = 0.0
    power: Weight = 0.0


class RequirementsTable(Table, frozen=True):
    """The whole file. Strict: nothing unknown, nothing converted."""

    title: Text
    stream: Annotated[list[StreamTable], Meta(min_length=1)]
    limits: Limits = Limits()
    ranking: RankingTable = RankingTable()
    chip: tuple[ChipTable, ...] = ()


def read_requirements(file: Path) -> Requirements:
    """Raises UsageError that names the file and each key with its line and what is wrong there."""
    try:
        data = file.read_bytes()
    except OSError as error:
        hint = "" if file.exists() else path_meant(file, (".toml",))
        raise UsageError(f"cannot read {file}: {(error.strerror or 'it fails').lower()}{hint}") from error
    table = checked(file, data, RequirementsTable)
    weights = tuple((name, weight) for name, weight in structs.asdict(table.ranking).items() if weight > 0)
    return Requirements(
        table.title,
        tuple(map(_stream, table.stream)),
        table.limits,
        weights or (("headroom", 1.0),),
        tuple(map(_user_facts, table.chip)),
    )


def _user_facts(table: ChipTable) -> UserFacts:
    memory = None if table.memory_mib is None else table.memory_mib * 2.0**20
    return UserFacts(table.board, table.source, table.price_usd, table.power_w, memory)


def _stream(table: StreamTable) -> StreamNeed:
    models = tuple(_model(one, table.fps) for one in table.model)
    return StreamNeed(table.name, table.count, *_size(table.resolution), table.fps, table.codec, models)


def _model(table: ModelTable, fps: float) -> ModelNeed:
    names = (table.name,) if isinstance(table.name, str) else tuple(table.name)
    return ModelNeed(
        names,
        table.role or names[0],
        fps if table.rate is None else table.rate,
        _size(table.input) if table.input else None,
        table.minimum_accuracy,
        table.accuracy,
    )


def _size(text: str) -> tuple[int, int]:
    """`1920x1080` as (width, height)."""
    width, height = text.split("x")
    return int(width), int(height)
