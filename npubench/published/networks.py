"""Which network a publisher's name means: joined by a reviewed list first, then by rules, with the reason.

A wrong join is worse than none: a name that does not say which member of a family it is joins to nothing.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache, lru_cache

from npubench.published.name_rules import known_as, ruled
from npubench.published.names import Input, batch_of, input_of, spelled
from npubench.published.network_facts import zoo
from npubench.published.tables import folder, lines_of


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


@lru_cache(maxsize=16384)
def join(publisher: str, model: str, input_text: str, mode: str = "", source: str = "") -> Join:
    """The network that `publisher` means by `model` at that input.

    publisher: as `publisher_of` gives it; input_text, mode and source: the row's own cells. `source` tells
    models of one name apart where a publisher keeps each in a folder of its own. Asked are, in order: the
    networks that npubench builds; the reviewed list; the list for that name at another input; OpenMMLab's own
    names; the rules of the publisher's style of names, then those for anybody's; the networks' own names.
    """
    publisher = known_as(_owner(source) if publisher == _RAW_FILES else publisher)
    found = (
        _built(publisher, model, input_text)
        or _listed(publisher, model, input_text, source)
        or _listed_elsewhere(publisher, model, input_text, source)
        or _of_zoo(model, input_text)
        or _by_rule(publisher, model, input_text)
        or _by_own_name(model, input_text)
        or NOTHING
    )
    return _with_graph(_with_mode(found, mode))


_RAW_FILES = "raw.githubusercontent.com"


def _owner(source: str) -> str:
    """Owner and repository of a file's address on GitHub's host of raw files."""
    return "/".join(source.partition(f"{_RAW_FILES}/")[2].split("/")[:2])


def _with_mode(found: Join, mode: str) -> Join:
    batch = batch_of(mode)
    if found.network is None or batch is None:
        return found
    return replace(found, network=replace(found.network, batch=batch))


def _with_graph(found: Join) -> Join:
    from npubench.published.graphs import graph_for  # which needs `Network`

    if found.network is None or not found.sure:
        return found
    features = graph_for(found.network)
    return found if features is None else replace(found, graph=features.name)


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the reviewed list."""

    publisher: str
    name: str
    input_text: str
    source_key: str  # a part of the source's path that this line is for; empty: any
    join: Join


def _listed(publisher: str, model: str, input_text: str, source: str) -> Join | None:
    found = _entries_of().get((publisher, _squeezed(model)), ())
    same = [one for one in found if (one.name, one.input_text) == (model, input_text)]
    return _only(_of_source(same, source))


def _listed_elsewhere(publisher: str, model: str, input_text: str, source: str) -> Join | None:
    """The list's network of that name, written otherwise or at another input."""
    found = _of_source(_entries_of().get((publisher, _squeezed(model)), ()), source)
    told = input_of(input_text)
    alike = [one for one in found if one.input_text == input_text or input_of(one.input_text) == told]
    if alike and (same := _only(alike)) is not None:
        return replace(same, reason=f"{same.reason}; listed as {alike[0].name!r}")
    bare = {replace(one.join, network=_sized(one.join.network, Input()), reason="") for one in found}
    if len(bare) != 1 or not told.told:
        return None
    network = _sized(found[0].join.network, told)
    reason = f"{found[0].join.reason}; listed at input {found[0].input_text or 'untold'!r}"
    return replace(found[0].join, network=network, reason=reason)


def _sized(network: Network | None, size: Input) -> Network | None:
    return None if network is None else replace(network, height=size.height, width=size.width)


def _of_source(found: Sequence[Entry], source: str) -> Sequence[Entry]:
    """Those for a folder in the source's path; else those for any; else all."""
    parts = frozenset(source.split("/"))
    of_folder = [one for one in found if one.source_key in parts and one.source_key]
    return of_folder or [one for one in found if not one.source_key] or found


def _only(found: Sequence[Entry]) -> Join | None:
    joins = {one.join for one in found}
    return joins.pop() if len(joins) == 1 else None


def _squeezed(name: str) -> str:
    return re.sub(r"[-_\s]", "", name.lower())


BUILT_PREFIX = "built-"
"""Begins the names of networks that npubench builds itself (models/built.toml), before the network's own."""


def _built(publisher: str, model: str, input_text: str) -> Join | None:
    """A network that npubench builds itself; tests hold its MACs and parameters against the graph's."""
    if publisher:
        return None
    name, told = model.removeprefix(BUILT_PREFIX), input_of(input_text)
    known = _own_names().get(_squeezed(name)) if name != model else None
    if known is None or known.name != name or not told.told:
        return None
    network = Network(name, "", known.task, told.height, told.width)
    return Join(network, Confidence.HIGH, "built by npubench as that network", task=known.task)


def _by_rule(publisher: str, model: str, input_text: str) -> Join | None:
    found = ruled(publisher, model, input_text)
    if found is None:
        return None
    size = found.size
    network = Network(
        *(found.network, found.variant, found.task, size.height, size.width, found.batch), Head(found.head)
    )
    named = network if network.name else None
    return Join(named, Confidence(found.confidence), found.reason, task=found.task)


def _by_own_name(model: str, input_text: str) -> Join | None:
    """A network by the name that it has here; one without a number may be another's: at its input alone."""
    parts = spelled(model)
    for spelling in (parts, parts.unsized):
        kind = "" if spelling.kind in ("", "det") else f"-{spelling.kind}"
        known = _own_names().get(_squeezed(spelling.stem + kind))
        told = input_of(input_text)
        size = told if told.told else spelling.size
        if known is None or not size.told or (told.told and spelling.size.told and told != spelling.size):
            continue
        if not re.search(r"[0-9]", known.name) and (size.height, size.width) not in known.sizes:
            continue
        network = Network(known.name, "", known.task, size.height, size.width, spelling.batch)
        return Join(network, Confidence.MEDIUM, "the name is the network's own", task=known.task)
    return None


@dataclass(frozen=True, slots=True)
class _OwnName:
    """A network that is known here."""

    name: str
    task: str
    sizes: frozenset[tuple[int | None, int | None]]


@cache
def _own_names() -> Mapping[str, _OwnName]:
    """Networks of the list and of graphs by their names without marks; a name of two networks is left out."""
    from npubench.published.graphs import graphs

    found: dict[str, _OwnName] = {}
    for one in (entry.join.network for entry in entries() if entry.join.sure):
        if one is not None and one.task not in LANGUAGE_TASKS:
            known = found.get(one.name, _OwnName(one.name, one.task, frozenset()))
            found[one.name] = replace(known, sizes=known.sizes | {(one.height, one.width)})
    for features in graphs().values():
        name = features.name.partition("@")[0]
        found.setdefault(name, _OwnName(name, "", frozenset()))
    squeezed: dict[str, list[_OwnName]] = {}
    for known in found.values():
        squeezed.setdefault(_squeezed(known.name), []).append(known)
    return {name: several[0] for name, several in squeezed.items() if len(several) == 1}


def _of_zoo(model: str, input_text: str) -> Join | None:
    """A name of OpenMMLab's own, which is a network with its input."""
    one = zoo().get(model)
    if one is None:
        return None
    told = input_of(input_text)
    size = told if told.told else Input(one.height, one.width)
    reason = "OpenMMLab's name" + ("" if told.told else ", at its configuration's input")
    network = Network(one.network, "", one.task, size.height, size.width)
    return Join(network, Confidence.HIGH, reason, task=one.task)


@cache
def _entries_of() -> Mapping[tuple[str, str], Sequence[Entry]]:
    found: dict[tuple[str, str], list[Entry]] = {}
    for entry in entries():
        found.setdefault((entry.publisher, _squeezed(entry.name)), []).append(entry)
    return found


@cache
def entries() -> tuple[Entry, ...]:
    """The reviewed list, in its order."""
    return tuple(_entry(line) for line in lines_of(folder() / "network_names.csv"))


def _entry(line: Mapping[str, str]) -> Entry:
    height, width, batch = (int(line[name]) if line[name] else None for name in ("height", "width", "batch"))
    network = Network(
        line["network"], line["variant"], line["task"], height, width, batch, Head(line["head"])
    )
    known = network if network.name else None
    joined = Join(known, Confidence(line["confidence"]), line["reason"], task=line["task"])
    return Entry(line["publisher"], line["name"], line["input"], line["source_key"], joined)
