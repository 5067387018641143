"""Rows of published tables as samples: what was measured (subject), where and how (column), and the time."""

import math
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache

from npubench.graph.features import GraphFeatures
from npubench.predict.answer import Refusal, RefusalKind
from npubench.predict.asked import AskedRow
from npubench.published import folder, publisher_of
from npubench.published.chips import Chip, chips, find_chip, mode_of
from npubench.published.graphs import graph_for
from npubench.published.metrics import METRICS, Family
from npubench.published.networks import LANGUAGE_TASKS, Confidence, Join, Network, join

VISION = tuple(name for name, metric in METRICS.items() if metric.family is Family.VISION)


@dataclass(frozen=True, slots=True)
class Column:
    """Where and how a figure was taken: rows of one column differ in the network alone."""

    chip: str
    vendor: str
    generation: str  # chips of one NPU design
    publisher: str
    precision: str  # as `precision_of` gives it
    runtime: str  # of several that one publisher has; empty: one
    setting: str  # cores, batch, halves, threads, modules as one text
    batch: int
    mode: str  # the publisher's words, in small letters
    rate: bool  # told as a throughput


@dataclass(frozen=True, slots=True)
class Subject:
    """What was measured. Equal subjects are one computation, or one name that joins to nothing."""

    key: str
    network: str  # its name; a publisher's own where it joins to none
    family: str
    task: str
    known: bool  # joined to a network
    height: int = 0
    width: int = 0
    features: GraphFeatures | None = None


@dataclass(frozen=True, slots=True)
class Sample:
    """One vision figure; `log_ms` is the natural logarithm of its milliseconds a sample, NaN: not told."""

    row: AskedRow
    column: Column
    subject: Subject
    join: Join
    log_ms: float

    @property
    def cell(self) -> tuple[str, str, str, str]:
        """Rows that are left out together: one name of one publisher on one chip, in all its modes."""
        return (self.column.chip, self.column.publisher, self.row.model, self.row.input)


def sample_of(row: AskedRow, network: Network | None = None) -> Sample | Refusal:
    """The row as a sample; a refusal where it is none of a vision network in a unit that fits its metric.

    `network`: what the row's model is, where that is known better than by its name.
    """
    metric = METRICS.get(row.metric.casefold())
    if metric is None or metric.family is not Family.VISION:
        words = f"metric {row.metric!r} is none of vision: predicted are {', '.join(VISION)}"
        return Refusal(RefusalKind.NOT_VISION, words)
    if row.unit.casefold() not in metric.scales:
        words = f"{row.metric} in {row.unit!r}: one of {', '.join(metric.scales)} was expected"
        return Refusal(RefusalKind.INPUT, words)
    chip = find_chip(row.chip)
    if chip is None:
        return Refusal(RefusalKind.CHIP, f"chip {row.chip!r} is known to no table")
    publisher = publisher_of(row.source)
    if network is None:
        found = join(publisher, row.model, row.input, row.mode, row.source)
    else:
        found = Join(network, Confidence.HIGH, "given", task=network.task)
    if found.task in LANGUAGE_TASKS:
        words = f"{row.model!r} is of {found.task}: predicted are figures of vision networks"
        return Refusal(RefusalKind.NOT_VISION, words)
    column = _column(row, chip, publisher, found, metric.rate)
    subject = _known(found.network) if found.network and found.sure else _named(publisher, row, found)
    return Sample(row, column, subject, found, log_ms(row, column))


def log_ms(row: AskedRow, column: Column) -> float:
    """Of the row's value, a sample; times of a whole call are parted by the batch."""
    metric = METRICS[row.metric.casefold()]
    if row.value is None:
        return math.nan
    value = row.value * metric.scales[row.unit.casefold()]
    if metric.rate:
        return math.log(1000 / value)
    return math.log(value / (column.batch if metric.name == "latency" else 1))


def value_of(row: AskedRow, column: Column, log_time: float) -> float:
    """The inverse of `log_ms`: a figure in the row's metric and unit."""
    metric = METRICS[row.metric.casefold()]
    scale = metric.scales[row.unit.casefold()]
    if metric.rate:
        return 1000 / math.exp(log_time) / scale
    return math.exp(log_time) * (column.batch if metric.name == "latency" else 1) / scale


_RUNTIME = re.compile(r",\s*([a-z][a-z0-9_]*)$")
_PRECISIONS = {
    "": "int8", "w8a8": "int8", "i8": "int8", "uint8": "int8", "int8/fp16": "int8", "bf16/s8": "int8",
    "w8a8_mixed_int16": "int8", "w8a16_mixed_int16": "w8a16", "f16": "fp16", "float16": "fp16",
    "half": "fp16", "float": "fp16", "f32": "fp32", "float32": "fp32",
}  # fmt: skip


def precision_of(text: str) -> str:
    """One word for what publishers write in many; `float` of a phone's NPU is 16 bit."""
    word = text.casefold()
    return _PRECISIONS.get(word, word)


def _column(row: AskedRow, chip: Chip, publisher: str, found: Join, rate: bool) -> Column:
    mode, name = mode_of(row.mode), _spoken_for().get(chip.name, chip.name)
    of_network = found.network.batch if found.network else None
    batch = mode.batch or of_network or 1
    runtime = _RUNTIME.search(row.mode)
    cores = _cores(mode.cores, row.model)
    told = (f"{cores} cores" if cores else "", "half" if mode.halved else "", f"batch {batch}")
    more = (
        f"{mode.threads} threads" if mode.threads else "",
        f"{mode.modules} modules" if mode.modules > 1 else "",
    )
    return Column(
        chip=name,
        vendor=chip.vendor,
        generation=_generations().get(name, name),
        publisher=publisher,
        precision=precision_of(row.precision),
        runtime=runtime[1] if runtime else "",
        setting=", ".join(filter(None, (*told, *more))),
        batch=batch,
        mode=" ".join(row.mode.casefold().split()),
        rate=rate,
    )


def _cores(told: int | None, model: str) -> int | None:
    found = re.search(r"[_-](\d)core\b", model)
    return told or (int(found[1]) if found else None)


@cache
def _spoken_for() -> Mapping[str, str]:
    """Chips that a publisher's string of several speaks for, by their names: `RK3566` is `RK3566/RK3568`."""
    return {member: one.name for one in chips().values() if one.members for member in one.speaks_for}


@cache
def _generations() -> Mapping[str, str]:
    file = folder() / "npu_generations.toml"
    declared = tomllib.loads(file.read_text(encoding="utf-8"))["generation"]
    return {chip: name for name, members in declared.items() for chip in members}


@lru_cache(maxsize=4096)
def _known(network: Network) -> Subject:
    size = f"{network.height}x{network.width}" if network.height and network.width else ""
    return Subject(
        key="|".join((network.name, network.variant, size, network.head)),
        network=network.name,
        family=family_of(network.name),
        task=network.task,
        known=True,
        height=network.height or 0,
        width=network.width or 0,
        features=graph_for(network),
    )


def _named(publisher: str, row: AskedRow, found: Join) -> Subject:
    """A name that joins to nothing is a network of its publisher's own, in the family that it says."""
    name = row.model.casefold()
    family = family_of(found.network.name if found.network else name)
    return Subject(f"{publisher}:{name}|{row.input}", f"{publisher}:{name}", family, found.task, known=False)


def subject_of(features: GraphFeatures, task: str = "") -> Subject:
    """A network that is known by its graph alone."""
    height, width = features.shape[2:] if len(features.shape) == 4 else (0, 0)
    name = features.name or "graph"
    return Subject(f"graph:{name}", name, family_of(name), task, True, height, width, features)


_FAMILY = re.compile(r"([a-z]+?v\d+|yolo\d+|[a-z]+)")


def family_of(network: str) -> str:
    """What members of different size share of a name: `yolov8` of `yolov8s-pose`, `resnet` of `resnet50`."""
    found = _FAMILY.match(network)
    return found[1] if found else network
