"""What is asked of a chip: a TOML file, checked on reading, or a few words of a command line."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from msgspec import Meta, structs

from npubench.domain.errors import UsageError
from npubench.domain.specs import Fact
from npubench.domain.text import path_meant
from npubench.reporting.select.decode_text import FRAMES, codec_of, decode_text
from npubench.reporting.select.fact_texts import memory_sizes
from npubench.storage.json import LARGEST, KeyPath, Number, Positive, Table
from npubench.storage.toml import checked

Level = Literal["chip", "module", "board"]


@dataclass(frozen=True, slots=True)
class ModelNeed:
    """A model that every stream runs."""

    names: tuple[str, ...]  # the first that has a figure counts
    role: str  # what it is for
    rate: float  # runs a second and stream
    input_size: tuple[int, int] | None = None  # width and height, pixels
    minimum: float | None = None  # of `metric`, against the FP32 reference
    metric: str = "cosine"  # cosine, top1_agreement or psnr_db
    file: str = ""  # path where a name is meant as one of the user's own files, which need not be there
    precision: str = ""  # that figures have to be of; empty: any


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
    price_of: Level | None = None  # what the price is of
    power_w: Positive | None = None  # watts
    power_of: Level | None = None  # what the power is of


@dataclass(frozen=True, slots=True)
class UserFacts:
    """What the asker knows of a chip beyond the shipped facts, with its source."""

    board: str  # name of the board or chip
    source: str  # of what follows
    price_usd: float | None = None  # US dollars
    power_w: float | None = None  # watts
    memory_bytes: float | None = None  # of the board
    price_of: str = ""  # chip, module or board; empty: of what is compared
    power_of: str = ""
    facts: tuple[Fact, ...] = ()  # the texts that were given, which count before any other
    cpu_cores: int | None = None  # of its processor
    preprocess_ms: float | None = None  # of one core, before each run of a model; 0: there is none
    tail_ms: float | None = None  # of one core, after each run of a model; 0: there is none


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


RESOLUTIONS = {**FRAMES, "qvga": (320, 240), "vga": (640, 480), "hd": (1280, 720), "full hd": (1920, 1080)}
"""Names of resolutions to width and height."""

_SIZES = r"\s*[1-9][0-9]{0,4}\s*[xX×*]\s*[1-9][0-9]{0,4}\s*"
_NAMES = "|".join(re.escape(name) for name in RESOLUTIONS)
Text = Annotated[str, Meta(min_length=1, max_length=300)]
Resolution = Annotated[
    str,
    Meta(
        pattern=rf"\A(?:{_SIZES}|\s*(?i:{_NAMES})\s*)\Z",
        description="a resolution: write it as 1920x1080, 720p, 1080p or 4K",
    ),
]
Side = Annotated[int, Meta(ge=1, le=99_999)]
Size = (
    Annotated[
        str,
        Meta(
            pattern=rf"\A(?:{_SIZES}|[1-9][0-9]{{0,4}})\Z", description="an input: write it as 640x640 or 640"
        ),
    ]
    | Side
)
CODECS = ("h264", "h265", "av1", "vp9", "mjpeg", "none")
_CODEC = r"none|raw|(?:h\.?26[45]|avc|hevc|av1|vp-?9|m-?jpeg|jpeg)"
Codec = Annotated[
    str,
    Meta(
        pattern=rf"\A\s*(?i:{_CODEC})\s*\Z",
        description="a codec: write h264 (or AVC), h265 (or HEVC), av1, vp9, mjpeg, or none for raw frames",
    ),
]
Weight = Annotated[float, Meta(ge=0, le=LARGEST)]
Count = Annotated[int, Meta(ge=1, le=10_000)]


class ModelTable(Table, frozen=True):
    """`[[stream.model]]`: a case, or names for it in order of preference; runs a second and stream."""

    name: Text | Annotated[list[Text], Meta(min_length=1)]
    role: str = ""
    input: Size | None = None
    rate: Positive | None = None
    minimum_accuracy: Number | None = None
    accuracy: Literal["cosine", "top1_agreement", "psnr_db"] = "cosine"
    precision: Literal["int8", "fp16", "fp32"] | None = None


class StreamTable(Table, frozen=True):
    """`[[stream]]`: `count` equal streams. `model` may be a name, or names of several that all run."""

    resolution: Resolution
    fps: Positive
    model: Text | Annotated[list[Text | ModelTable], Meta(min_length=1)]
    name: Text = "camera"
    codec: Codec = "h264"
    count: Count = 1


class ChipTable(Table, frozen=True):
    """`[[chip]]`: what the asker knows of a board, or of a chip on any board, with its source."""

    source: Text
    board: Text | None = None
    chip: Text | None = None
    price_usd: Positive | None = None
    price_of: Level | None = None
    power_w: Positive | None = None
    power_of: Level | None = None
    memory_mib: Positive | None = None
    memory: Text | None = None
    decode: Text | None = None
    cpu_cores: Annotated[int, Meta(ge=1, le=1024)] | None = None
    preprocess_ms: Weight | None = None
    tail_ms: Weight | None = None


class RankingTable(Table, frozen=True):
    """`[ranking]`: weights."""

    headroom: Weight = 0.0
    price: Weight = 0.0
    latency: Weight = 0.0
    accuracy: Weight = 0.0
    power: Weight = 0.0


class RequirementsTable(Table, frozen=True):
    """The whole file. Strict: nothing unknown, nothing converted."""

    stream: Annotated[list[StreamTable], Meta(min_length=1)]
    title: Text | None = None
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
    table = checked(file, data, RequirementsTable, _beyond_types)
    weights = tuple((name, weight) for name, weight in structs.asdict(table.ranking).items() if weight > 0)
    return Requirements(
        table.title or file.stem,
        tuple(_stream(one, file.parent) for one in table.stream),
        table.limits,
        weights or (("headroom", 1.0),),
        tuple(map(_user_facts, table.chip)),
    )


def _beyond_types(tables: Mapping[str, Any]) -> Iterator[tuple[KeyPath, str]]:
    """What types do not say: a `[[chip]]` names one thing, and its texts are understood."""
    chips = tables.get("chip")
    for index, one in enumerate(chips if isinstance(chips, list) else ()):
        if not isinstance(one, dict):
            continue
        if ("board" in one) == ("chip" in one):
            what = (
                "names a board and a chip: keep one"
                if "board" in one
                else "names nothing: add 'board' or 'chip'"
            )
            yield ("chip", index), what
        if isinstance(text := one.get("decode"), str) and not decode_text(text).rates:
            yield ("chip", index, "decode"), f"{text[:60]!r} is no decoder: write it as 'H.264/H.265 4K60'"
        if isinstance(text := one.get("memory"), str) and not memory_sizes(text):
            yield ("chip", index, "memory"), f"{text[:60]!r} is no memory: write it as '4 GB'"


def _user_facts(table: ChipTable) -> UserFacts:
    memory = None if table.memory_mib is None else table.memory_mib * 2.0**20
    given = {"video_decode": table.decode, "board": table.memory}
    facts = tuple(
        Fact(field, text, table.source, "board", "as given in the requirements")
        for field, text in given.items()
        if text
    )
    return UserFacts(
        *(table.board or table.chip or "", table.source, table.price_usd, table.power_w, memory),
        *(table.price_of or "", table.power_of or "", facts),
        *(table.cpu_cores, table.preprocess_ms, table.tail_ms),
    )


def _stream(table: StreamTable, folder: Path) -> StreamNeed:
    named = [table.model] if isinstance(table.model, str) else table.model
    models = tuple(
        _model(ModelTable(one) if isinstance(one, str) else one, table.fps, folder) for one in named
    )
    wide, high = frame_of(table.resolution)
    return StreamNeed(table.name, table.count, wide, high, table.fps, codec_asked(table.codec), models)


def _model(table: ModelTable, fps: float, folder: Path) -> ModelNeed:
    names = (table.name,) if isinstance(table.name, str) else tuple(table.name)
    return ModelNeed(
        names,
        table.role or names[0],
        fps if table.rate is None else table.rate,
        None if table.input is None else frame_of(str(table.input)),
        table.minimum_accuracy,
        table.accuracy,
        file_of(names, folder),
        table.precision or "",
    )


def file_of(names: tuple[str, ...], folder: Path) -> str:
    """The path of the first name that is meant as a file, relative to `folder`; empty: none is."""
    return next((str(folder / name) for name in names if is_path(name)), "")


def is_path(name: str) -> bool:
    """Whether a model's name is meant as a file."""
    return name.casefold().endswith(".onnx")


def codec_asked(text: str) -> str:
    """`HEVC` as h265; raw frames are `none`."""
    return codec_of(text) or "none"


def frame_of(text: str) -> tuple[int, int]:
    """Width and height of `1920x1080`, `1080p`, `4K` or `640`. Raises KeyError for what is none of them."""
    sides = [int(side) for side in re.findall(r"\d+", text)] if re.fullmatch(r"[\d\s xX×*]+", text) else []
    if len(sides) == 2:
        return sides[0], sides[1]
    if len(sides) == 1:
        return sides[0], sides[0]
    return RESOLUTIONS[text.strip().casefold()]
