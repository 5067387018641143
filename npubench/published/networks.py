"""Which network a publisher's name means: joined by a reviewed list first, then by rules, with the reason.

A wrong join is worse than none: a name that does not say which member of a family it is joins to nothing.
"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache

from npubench.published.names import batch_of
from npubench.storage.files import data_root


class Confidence(StrEnum):
    """How sure a join is."""

    HIGH = "high"  # the publisher's own files or figures say it
    MEDIUM = "medium"  # the name says it, or something beside it was assumed
    LOW = "low"  # the family alone: which release or size is not told
    NONE = "none"


class Head(StrEnum):
    """Where a published network ends; its latency depends on it."""

    UNTOLD = ""
    RAW = "raw"  # raw maps: boxes are decoded elsewhere
    DECODED = "decoded"  # boxes decoded in the graph, all of them given
    DECODED_TRANSPOSED = "decoded-transposed"  # the same with a transpose behind it
    TOPK = "topk"  # the best boxes, no suppression needed
    NMS = "nms"  # with non-maximum suppression, wherever that runs
    NMS_CORE = "nms-core"  # with non-maximum suppression on the accelerator itself
    FUSED = "fused"  # pre- and post-processing in the compiled model
    HOST = "host"  # the figure includes post-processing on the host


@dataclass(frozen=True, slots=True)
class Network:
    """One network as it was measured. Equal `key`s are one computation up to the head's last steps."""

    name: str  # architecture, width and activation: `yolov5s-v6-relu`, `mobilenetv2-1.0`
    variant: str = ""  # the same layers as another code base has them: `tf`, `caffe`, `gluon`
    task: str = ""
    height: int | None = None  # of the input, pixels; None: not told, or no picture
    width: int | None = None
    batch: int | None = None  # None: not told
    head: Head = Head.UNTOLD

    @property
    def key(self) -> str:
        """Name and input: `yolov8s@640x640`; the name alone where the input is not told."""
        return f"{self.name}@{self.height}x{self.width}" if self.height and self.width else self.name


@dataclass(frozen=True, slots=True)
class Join:
    """What a publisher's name was joined to, how surely and why."""

    network: Network | None
    confidence: Confidence
    reason: str
    graph: str = ""  # its name in reports/published/graphs.csv; empty: none
    task: str = ""  # the network's, or what is known of a name that joins to none

    @property
    def sure(self) -> bool:
        """Whether figures of other publishers may be taken for the same network's."""
        return self.confidence in (Confidence.HIGH, Confidence.MEDIUM)


LANGUAGE_TASKS = frozenset(
    ("llm", "asr", "nlp", "translation", "tts", "vlm", "vision-language", "audio", "text encoder")
)
"""Tasks of language and speech: their figures are never mixed with those of vision."""

VISION_METRICS = frozenset(("latency", "throughput", "calculate time"))

NOTHING = Join(None, Confidence.NONE, "no entry of the list and no rule knows this name")


def is_vision(metric: str, join: Join) -> bool:
    """Whether a figure counts as vision's: a time or rate of a whole network without language or speech."""
    return metric in VISION_METRICS and join.task not in LANGUAGE_TASKS


def join(publisher: str, model: str, input_text: str, mode: str = "", source: str = "") -> Join:
    """The network that `publisher` means by `model` at that input.

    publisher: as `publisher_of` gives it; input_text, mode and source: the row's own cells. `source` tells
    models of one name apart where a publisher keeps each in a folder of its own.
    """
    listed = _listed(publisher, model, input_text, source)
    if listed is not None:
        return _with_mode(listed, mode)
    return NOTHING


def _with_mode(found: Join, mode: str) -> Join:
    batch = batch_of(mode)
    if found.network is None or batch is None:
        return found
    return replace(found, network=replace(found.network, batch=batch))


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the reviewed list."""

    publisher: str
    name: str
    input_text: str
    source_key: str  # a part of the source's path that this line is for; empty: any
    join: Join


def _listed(publisher: str, model: str, input_text: str, source: str) -> Join | None:
    found = _by_key().get((publisher, model, input_text), ())
    parts = frozenset(source.split("/"))
    best = [one for one in found if one.source_key and one.source_key in parts]
    best = best or [one for one in found if not one.source_key] or list(found)
    joins = {one.join for one in best}
    return joins.pop() if len(joins) == 1 else None


@cache
def _by_key() -> Mapping[tuple[str, str, str], Sequence[Entry]]:
    found: dict[tuple[str, str, str], list[Entry]] = {}
    for entry in entries():
        found.setdefault((entry.publisher, entry.name, entry.input_text), []).append(entry)
    return found


@cache
def entries() -> tuple[Entry, ...]:
    """The reviewed list, in its order."""
    file = data_root() / "reports" / "published" / "network_names.csv"
    with file.open(encoding="utf-8", newline="") as stream:
        return tuple(_entry(line) for line in csv.DictReader(stream))


def _entry(line: Mapping[str, str]) -> Entry:
    height, width, batch = (int(line[name]) if line[name] else None for name in ("height", "width", "batch"))
    network = Network(
        line["network"], line["variant"], line["task"], height, width, batch, Head(line["head"])
    )
    known = network if network.name else None
    joined = Join(known, Confidence(line["confidence"]), line["reason"], task=line["task"])
    return Entry(line["publisher"], line["name"], line["input"], line["source_key"], joined)
