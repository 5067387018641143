"""The shape of `requirements.toml`. Strict: nothing unknown, nothing converted."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

_SIZE = re.compile(r"([1-9][0-9]{0,4})x([1-9][0-9]{0,4})")


def size_of(text: str) -> tuple[int, int]:
    """`1920x1080` as (width, height). Raises ValueError for anything else."""
    found = _SIZE.fullmatch(text)
    if not found:
        raise ValueError(f"{text[:40]!r} is not WIDTHxHEIGHT")
    return int(found[1]), int(found[2])


def _size(text: str) -> str:
    size_of(text)
    return text


Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Text = Annotated[str, Field(min_length=1, max_length=300)]
Size = Annotated[str, AfterValidator(_size)]
Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Table(BaseModel):
    """What all tables share."""

    model_config = ConfigDict(strict=True, extra="forbid")


class ModelTable(Table):
    """`[[stream.model]]`: a case, or names for it in order of preference; runs a second and stream."""

    name: Text | Annotated[list[Text], Field(min_length=1)]
    role: str = ""
    input: Size | None = None
    rate: Positive | None = None
    minimum_accuracy: Annotated[float, Field(allow_inf_nan=False)] | None = None
    accuracy: Literal["cosine", "top1_agreement", "psnr_db"] = "cosine"


class StreamTable(Table):
    """`[[stream]]`: `count` equal streams."""

    name: Text
    count: Annotated[int, Field(ge=1, le=10_000)] = 1
    resolution: Size
    fps: Positive
    codec: Literal["h264", "h265", "av1", "vp9", "mjpeg", "none"]
    model: Annotated[list[ModelTable], Field(min_length=1)]


class LimitTable(Table):
    """`[limits]`: bounds; what is not there is not asked."""

    latency_ms: Positive | None = None
    percentile: Literal[50, 90, 99] | None = None
    price_usd: Positive | None = None
    price_of: Literal["chip", "module", "board"] | None = None
    power_w: Positive | None = None


class ChipTable(Table):
    """`[[chip]]`: what the asker knows of a board, with its source."""

    board: Text
    source: Text
    price_usd: Positive | None = None
    power_w: Positive | None = None
    memory_mib: Positive | None = None


class RankingTable(Table):
    """`[ranking]`: weights."""

    headroom: Weight = 0.0
    price: Weight = 0.0
    latency: Weight = 0.0
    accuracy: Weight = 0.0
    power: Weight = 0.0


class RequirementsTable(Table):
    """The whole file."""

    title: Text
    stream: Annotated[list[StreamTable], Field(min_length=1)]
    limits: LimitTable = LimitTable()
    ranking: RankingTable = RankingTable()
    chip: list[ChipTable] = []
