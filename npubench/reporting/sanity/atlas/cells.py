"""Figures of vision networks as times of one image, with the network, chip and mode that each is of."""

import math
import re
from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache

from npubench.published.atlas import PublishedFigure, family, join_of, publisher_of
from npubench.published.chips import canonical, mode_of
from npubench.published.graphs import graph_for
from npubench.published.metrics import Family
from npubench.published.network_facts import Stated, stated
from npubench.published.networks import Network

_BATCH_IN_NAME = re.compile(r"_(\d+)b(?=_|$)")
_PRECISION_IN_NAME = re.compile(r"_(?:int8|int4|fp16|fp32|f16|f32|\d+core|bm\d+x?|cv\d+x?)(?=_|$)")
_BATCH_IN_MODE = re.compile(r",?\s*\bbatch \d+\b", re.IGNORECASE)
_CORES_IN_MODE = re.compile(r"\b(?:\d{1,2} cores?|single core|NPU\d)\b", re.IGNORECASE)
_PRECISIONS = {"f32": "fp32", "float32": "fp32", "f16": "fp16", "float16": "fp16"}
_PAGE = re.compile(r"\A(.*/)[^/]*\Z", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Cell:
    """One figure of a time or a rate; `image_ms` is the time of one image, a rate taken as its inverse.

    Of a language model it is the figure in its metric's unit, a rate as its inverse.
    """

    figure: PublishedFigure
    image_ms: float
    publisher: str
    chip: str  # canonical name
    network: str  # name and input of the joined network; of an unknown one publisher, name and input
    known: bool  # whether it was joined surely
    head: str  # where the network ends
    variant: str  # the layers of another code base
    task: str
    batch: int  # images a call; 1 where nothing is told
    cores: int | None  # None where nothing is told
    macs: int | None  # of one image, by the graph, else as stated; None where neither tells
    parameters: int | None  # the same

    @property
    def place(self) -> str:
        """`table:line`."""
        return f"{self.figure.table}:{self.figure.line}"

    @property
    def precision(self) -> str:
        """The precision, one word for each."""
        told = self.figure.precision.casefold()
        return _PRECISIONS.get(told, told)

    @property
    def is_rate(self) -> bool:
        """Whether the publisher states how many a second."""
        metric = self.figure.known_metric
        return metric is not None and metric.rate

    @property
    def column(self) -> Hashable:
        """What is measured alike: chip, mode, precision, publisher and metric."""
        one = self.figure
        return self.chip, one.mode, self.precision, self.publisher, one.metric

    @property
    def printed(self) -> str:
        """The figure with its unit, as published."""
        return f"{self.figure.text} {self.figure.unit}"

    @property
    def told(self) -> str:
        """A line of evidence: figure, what it is of, and where it stands."""
        one = self.figure
        of = " ".join(filter(None, (one.model, one.input)))
        where = ", ".join(filter(None, (one.chip, one.mode, one.precision)))
        return f"{self.printed}: {of} on {where}, {self.publisher} ({self.place})"

    @property
    def page(self) -> str:
        """The folder of the publication."""
        found = _PAGE.match(self.figure.source)
        return found[1] if found else self.figure.source

    @property
    def mode_without_batch(self) -> str:
        """The mode but for its batch."""
        return _BATCH_IN_MODE.sub("", self.figure.mode).strip(" ,")

    @property
    def mode_without_cores(self) -> str:
        """The mode but for its cores."""
        return _CORES_IN_MODE.sub("", self.figure.mode).strip(" ,")

    @property
    def name_without_precision(self) -> str:
        """The model's name but for batch, precision and cores that it states."""
        return _PRECISION_IN_NAME.sub("", self.name_without_batch)

    @property
    def name_without_batch(self) -> str:
        """The model's name but for a batch that it states (`yolov8s_int8_4b`)."""
        return _BATCH_IN_NAME.sub("", self.figure.model)


def cells_of(figures: Iterable[PublishedFigure]) -> list[Cell]:
    """Times and rates of vision networks, in the order of the figures."""
    return [cell for figure in figures if (cell := _cell(figure)) is not None]


def other_cells(figures: Iterable[PublishedFigure]) -> Mapping[str, list[Cell]]:
    """Figures of language models and all else by metric, which are never held against another's."""
    found: defaultdict[str, list[Cell]] = defaultdict(list)
    for figure in figures:
        if figure.known_metric and family(figure) is not Family.VISION and figure.standard_value:
            found[f"{family(figure)} {figure.metric}"].append(_made(figure, figure.standard_value))
    return found


@lru_cache(maxsize=1 << 15)
def _cell(figure: PublishedFigure) -> Cell | None:
    value = figure.standard_value
    return _made(figure, value) if value and family(figure) is Family.VISION else None


def _made(figure: PublishedFigure, value: float) -> Cell:
    metric = figure.known_metric
    joined = join_of(figure)
    known = joined.network is not None and joined.sure
    network = joined.network if known else None
    mode = mode_of(figure.mode)
    batch = mode.batch or _batch_of_name(figure.model) or (network.batch if network else None) or 1
    publisher = publisher_of(figure.source)
    if metric is not None and metric.rate:
        image_ms = 1000 / value
    elif figure.metric == "latency":
        image_ms = value / batch
    else:
        image_ms = value
    return Cell(
        *(figure, image_ms, publisher, canonical(figure.chip)),
        network.key if network else f"{publisher}: {figure.model} {figure.input}".strip(),
        known,
        *((network.head.value, network.variant) if network else ("", "")),
        joined.task,
        *(batch, mode.cores),
        *(_size(network) if network else (None, None)),
    )


def _batch_of_name(model: str) -> int | None:
    found = _BATCH_IN_NAME.search(model)
    return int(found[1]) or None if found else None


@lru_cache(maxsize=4096)
def _size(network: Network) -> tuple[int | None, int | None]:
    """MACs and parameters: of its graph, else as a publisher states them."""
    graph = graph_for(network)
    if graph:
        return graph.macs or None, graph.parameters or None
    told = _stated().get((network.name, network.height, network.width))
    macs = round(told.gmacs * 1e9) if told and told.gmacs else None
    return macs, round(told.params_m * 1e6) if told and told.params_m else None


@cache
def _stated() -> Mapping[tuple[str, int | None, int | None], Stated]:
    return {(one.network, one.height, one.width): one for one in stated()}


def ratio_text(ratio: float) -> str:
    """A factor with the digits that matter."""
    return f"{ratio:.3g}" if ratio < 100 else f"{ratio:.0f}"


def half_unit(text: str) -> float:
    """Half a unit of the last digit that was printed."""
    decimals = len(text.partition(".")[2])
    return 0.5 * math.pow(10.0, -decimals)
