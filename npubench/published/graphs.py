"""The graphs behind published names: features of networks that npubench counted on graphs of its own making.

`reports/published/graphs.csv` holds one line for each network and input; `make network-graphs` makes it.
`network_graphs.csv` beside it says which graph stands for a network of a publisher, and how well.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cache
from types import MappingProxyType
from typing import Any

from npubench.domain.specs import Shape
from npubench.graph.features import GraphFeatures
from npubench.published import folder, lines_of
from npubench.published.networks import Network


@dataclass(frozen=True, slots=True)
class GraphOf:
    """Which graph stands for a network; an empty variant is any, a size of 0 not told."""

    network: str
    variant: str
    height: int
    width: int
    graph: str  # name of it in `graphs`; empty: the one of its name differs too much to be taken
    how: str  # same, or what differs
    stated_gmacs: float | None  # by the network's publisher
    deviation: float | None  # of the graph's MACs from those, as a share


@cache
def graphs() -> Mapping[str, GraphFeatures]:
    """Every graph by its name, `network@HxW` for pictures."""
    path = folder() / "graphs.csv"
    return MappingProxyType({line["name"]: _features(line) for line in lines_of(path)})


@cache
def graphs_of_networks() -> tuple[GraphOf, ...]:
    """The reviewed joins of networks to graphs."""
    return tuple(
        GraphOf(
            *(line["network"], line["variant"], int(line["height"] or 0), int(line["width"] or 0)),
            *(line["graph"], line["how"]),
            *(float(line[name]) if line[name] else None for name in ("stated_gmacs", "deviation")),
        )
        for line in lines_of(folder() / "network_graphs.csv")
    )


def graph_for(network: Network) -> GraphFeatures | None:
    """The features of a network at its input; None where no graph stands for it.

    A graph of another input is scaled by pixels where it is convolutions throughout, which `scaled_from` of
    the result tells. An input that is not told is the one that the graph was counted at.
    """
    size = (network.height or 0, network.width or 0)
    line = _best(network.name, network.variant, size)
    if line is not None and not line.graph:
        return None
    family = line.graph.partition("@")[0] if line else network.name
    names = [*([line.graph] if line else []), *_by_network().get(family, ())]
    for name in names:
        features = graphs()[name]
        if 0 in size or features.shape[-2:] == size:
            return features
    return next((scaled for name in names if (scaled := graphs()[name].at(*size))), None)


def _best(network: str, variant: str, size: tuple[int, int]) -> GraphOf | None:
    """The closest line: of the same input before another, of the same variant before any."""
    fitting = [one for one in _lines_of_networks().get(network, ()) if one.variant in (variant, "")]
    return max(
        fitting, key=lambda one: ((one.height, one.width) == size, one.variant == variant), default=None
    )


@cache
def _lines_of_networks() -> Mapping[str, tuple[GraphOf, ...]]:
    found: dict[str, tuple[GraphOf, ...]] = {}
    for one in graphs_of_networks():
        found[one.network] = (*found.get(one.network, ()), one)
    return found


@cache
def _by_network() -> Mapping[str, tuple[str, ...]]:
    """Names of graphs by the network that they are named after."""
    found: dict[str, tuple[str, ...]] = {}
    for name in graphs():
        network = name.partition("@")[0]
        found[network] = (*found.get(network, ()), name)
    return found


TEXTS = ("name", "origin")
COUNTS = tuple(
    one.name
    for one in fields(GraphFeatures)
    if one.name not in {*TEXTS, "shape", "resizable", "scaled_from", "operators", "uncounted"}
)
COLUMNS = (*TEXTS, "shape", "resizable", *COUNTS, "operators")
"""Of graphs.csv: shapes as 1x3x224x224, `resizable` yes or no, operators as Conv:53 Relu:49."""


def line_of(features: GraphFeatures) -> dict[str, str]:
    """A line of graphs.csv; zero is empty, which keeps the file small."""
    return {
        "name": features.name,
        "origin": features.origin,
        "shape": "x".join(map(str, features.shape)),
        "resizable": "yes" if features.resizable else "no",
        **{name: str(getattr(features, name) or "") for name in COUNTS},
        "operators": " ".join(f"{name}:{count}" for name, count in features.operators.items()),
    }


def _features(line: Mapping[str, str]) -> GraphFeatures:
    shape: Shape = tuple(map(int, line["shape"].split("x")))
    pairs = (pair.rpartition(":") for pair in line["operators"].split())
    base = GraphFeatures(
        line["name"],
        line["origin"],
        shape,
        line["resizable"] == "yes",
        operators=MappingProxyType({name: int(count) for name, _, count in pairs}),
    )
    counts: dict[str, Any] = {name: int(line[name] or 0) for name in COUNTS}
    return replace(base, **counts)
