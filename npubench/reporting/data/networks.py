"""The networks behind published figures: under which names, how surely and why, and with which graph."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from npubench.domain.layout import record_table, wrapped
from npubench.domain.text import counted
from npubench.published.atlas import PublishedFigure, join_of, publisher_of
from npubench.published.network_facts import stated, zoo
from npubench.published.networks import Confidence, Join, Network, is_vision


@dataclass(frozen=True, slots=True)
class NameUse:
    """One name of a publisher at one input."""

    publisher: str
    name: str
    input: str  # as the publisher writes it
    figures: int
    confidence: Confidence
    reason: str


@dataclass(frozen=True, slots=True)
class NetworkUse:
    """A network at one input, or a name that was joined to none surely enough (`network` None)."""

    network: str | None
    task: str
    height: int | None  # pixels
    width: int | None
    figures: int
    graph: str  # name in reports/published/graphs.csv; empty: none
    zoo: str  # OpenMMLab's name; empty: none
    zoo_height: int | None  # of the input that it has there, pixels
    zoo_width: int | None
    names: tuple[NameUse, ...]


@dataclass(frozen=True, slots=True)
class Totals:
    """How many figures of vision are of a network that is known, and how many of one with a graph."""

    vision: int
    joined: int  # with high or medium confidence
    with_graph: int

    @property
    def line(self) -> str:
        """One line of words."""
        if not self.vision:
            return "no figure of vision"
        shares = (f"{part} ({part / self.vision:.1%})" for part in (self.joined, self.with_graph))
        joined, graph = shares
        return (
            f"{counted(self.vision, 'figure')} of vision: {joined} of a network joined with high or medium"
            f" confidence, {graph} of one with a graph"
        )


def totals(figures: Iterable[PublishedFigure]) -> Totals:
    """Counts over the figures of vision."""
    joins = [found for one in figures if is_vision(one.metric, found := join_of(one))]
    return Totals(len(joins), sum(one.sure for one in joins), sum(bool(one.graph) for one in joins))


def networks_of(figures: Iterable[PublishedFigure]) -> tuple[NetworkUse, ...]:
    """Networks by how many figures they have, most first; then the names that joined to none, likewise."""
    uses: dict[tuple[str, ...], list[tuple[PublishedFigure, Join]]] = {}
    for one in figures:
        joined = join_of(one)
        uses.setdefault(_key(one, joined), []).append((one, joined))
    found = [_use(members) for members in uses.values()]
    return tuple(sorted(found, key=lambda one: (one.network is None, -one.figures, one.network or "")))


def _key(figure: PublishedFigure, joined: Join) -> tuple[str, ...]:
    if joined.network is not None and joined.sure:
        return (joined.network.key,)
    return ("", publisher_of(figure.source), figure.model, figure.input)


def _use(members: Sequence[tuple[PublishedFigure, Join]]) -> NetworkUse:
    names: dict[tuple[str, str, str, Confidence, str], int] = {}
    for figure, joined in members:
        key = (publisher_of(figure.source), figure.model, figure.input, joined.confidence, joined.reason)
        names[key] = names.get(key, 0) + 1
    used = tuple(NameUse(*key[:3], count, *key[3:]) for key, count in sorted(names.items()))
    joined = members[0][1]
    known = joined.network if joined.sure else None
    size = (known.height, known.width) if known else (None, None)
    name = _zoo_name(known) if known else ""
    there = zoo().get(name)
    return NetworkUse(
        *(known.name if known else None, joined.task, *size),
        len(members),
        *(joined.graph, name),
        *((there.height, there.width) if there else (None, None)),
        used,
    )


def _zoo_name(network: Network) -> str:
    """OpenMMLab's name for a network: of the same input, if it has one of it."""
    named = [one for one in stated() if one.zoo and one.network == network.name]
    same = (one.zoo for one in named if (one.height, one.width) == (network.height, network.width))
    return next(same, named[0].zoo if named else "")


_HEAD = ("network", "figures", "task", "graph", "published as")
_DISPENSABLE = ("confidence", "input")
_HEAD_OF_NONE = ("joined to none", "input", "figures", "publisher", "confidence", "reason")


def to_lines(uses: Sequence[NetworkUse], total: Totals, width: int) -> list[str]:
    """Tables for a terminal: networks; the names that joined to none, each with its reason; the totals."""
    known = [one for one in uses if one.network is not None]
    unknown = [one for one in uses if one.network is None]
    parts = []
    if known:
        parts.append("\n".join(record_table(_HEAD, map(_known, known), width, ("figures",), ("graph",))))
    if unknown:
        parts.append(
            "\n".join(
                record_table(
                    _HEAD_OF_NONE, map(_unknown, unknown), width, ("figures",), ("confidence", "input")
                )
            )
        )
    return "\n\n".join([*parts, "\n".join(wrapped(total.line, width))]).split("\n")


def _known(one: NetworkUse) -> tuple[str, ...]:
    key = Network(one.network or "", height=one.height, width=one.width).key
    names = ", ".join(dict.fromkeys(name.name for name in one.names))
    return (key, str(one.figures), one.task, one.graph or "-", names)


def _unknown(one: NetworkUse) -> tuple[str, ...]:
    name = one.names[0]
    return (name.name, name.input, str(one.figures), name.publisher, name.confidence.value, name.reason)
