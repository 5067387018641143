"""Names that look equal and are of different networks, or that differ and are of one."""

import re
import statistics
from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence
from itertools import combinations

from npubench.reporting.sanity.atlas.cells import Cell, ratio_text
from npubench.reporting.sanity.atlas.doubt import FigureDoubt, FigureDoubtClass, doubt_of
from npubench.reporting.sanity.doubt import Strength

APART = 1.3
"""Factor between two figures of one network in a column that the names do not explain."""

ALIKE = 1.05
"""Factor within which two names time the same."""

LEAST_ALIKE = 3
"""Columns in which they must."""

EQUAL_MACS = 0.01
"""Of the MACs, and of the parameters: within which two networks are one architecture."""

_PREFIX = re.compile(r"\A[^:]*:\s*")
_SUFFIX = re.compile(
    r"[ _-](?:quant|int8|int4|fp16|fp32|f16|f32|float|[0-9]+b|[0-9]core|opt|[0-9]{3}|bm[0-9x]+|cv[0-9x]+)"
    r"(?=[ _-]|$)"
)
_RELEASE = re.compile(
    r"(?<=resnet)[ _-]?v[0-9](?:\.[0-9]+)?(?=[ _-])|(?<=resnet[ _-][0-9][0-9])[ _-]v[0-9](?:\.[0-9]+)?"
)


def loose_name(model: str) -> str:
    """A name without what publishers add: `ResNet-50 v1.5`, `resnet_v1_50`, `ResNet: resnet50_int8` alike."""
    name = _SUFFIX.sub("", _PREFIX.sub("", model.casefold()))
    return re.sub(r"[^a-z0-9+]", "", _RELEASE.sub("", name))


def unlike_networks(cells: Sequence[Cell]) -> Iterator[FigureDoubt]:
    """One name that publishers use of different networks."""
    groups: defaultdict[str, dict[str, list[Cell]]] = defaultdict(lambda: defaultdict(list))
    for cell in cells:
        if cell.known:
            network = cell.network.partition("@")[0]
            groups[loose_name(cell.figure.model)][f"{network} {cell.variant}".strip()].append(cell)
    for networks in groups.values():
        if len(networks) < 2:
            continue
        firsts = [of_network[0] for of_network in networks.values()]
        reason = f"one name, {len(networks)} networks: {', '.join(networks)}"
        lines = [
            f"{network}: {', '.join(sorted({f'{cell.figure.model} of {cell.publisher}' for cell in of}))}"
            for network, of in networks.items()
        ]
        yield doubt_of(firsts, FigureDoubtClass.UNLIKE_NETWORKS, Strength.WEAK, reason, *lines)


def one_network_apart(cells: Sequence[Cell]) -> Iterator[FigureDoubt]:
    """Two names of one network, or of networks with equal MACs and parameters, that time differently in a
    column: heads, compiler scripts, mixed precision."""
    pairs: defaultdict[tuple[str, str], list[tuple[Cell, Cell]]] = defaultdict(list)
    alike: defaultdict[tuple[str, str], int] = defaultdict(int)
    for one, other in _in_one_column(cells):
        names = (one.name_without_precision, other.name_without_precision)
        if names[0] == names[1]:
            continue
        slow, fast = (one, other) if one.image_ms > other.image_ms else (other, one)
        if slow.image_ms > APART * fast.image_ms:
            pairs[names].append((slow, fast))
        else:
            alike[names] += 1
    for names, found in pairs.items():
        ratios = sorted(slow.image_ms / fast.image_ms for slow, fast in found)
        span = " to ".join(dict.fromkeys(map(ratio_text, (ratios[0], ratios[-1]))))
        slow, fast = found[0]
        why = (
            f"heads {slow.head or 'untold'} and {fast.head or 'untold'}"
            if slow.head != fast.head
            else "one graph, another compilation"
            if slow.network == fast.network
            else "other layers of equal size, or another compilation"
        )
        same = "one network" if slow.network == fast.network else "networks of equal MACs"
        reason = f"{same}, {span} times apart in {len(found)} columns, alike in {alike[names]}: {why}"
        lines = [f"{slow.told}; {fast.figure.model} {fast.printed}" for slow, fast in found[:4]]
        both = [cell for pair in found for cell in pair]
        yield doubt_of(both, FigureDoubtClass.ONE_NETWORK_APART, Strength.WEAK, reason, *lines)


def _in_one_column(cells: Sequence[Cell]) -> Iterator[tuple[Cell, Cell]]:
    groups: defaultdict[Hashable, list[Cell]] = defaultdict(list)
    for cell in cells:
        if cell.known:
            groups[cell.column, cell.batch, cell.network].append(cell)
    seen = dict.fromkeys(id(cell) for group in groups.values() for cell in group)
    for group in groups.values():
        yield from combinations(sorted(group, key=lambda cell: cell.figure.model), 2)
    by_macs: defaultdict[Hashable, list[Cell]] = defaultdict(list)
    for cell in cells:
        if cell.macs and cell.parameters and id(cell) in seen:
            by_macs[cell.column, cell.batch, cell.task].append(cell)
    for group in by_macs.values():
        ordered = sorted(group, key=lambda cell: cell.macs or 0)
        for at, one in enumerate(ordered):
            for other in ordered[at + 1 :]:
                if not _near(one.macs, other.macs):
                    break
                if one.network != other.network and _near(one.parameters, other.parameters):
                    yield (one, other) if one.figure.model < other.figure.model else (other, one)


def _near(one: int | None, other: int | None) -> bool:
    return one is not None and other is not None and abs(one - other) <= EQUAL_MACS * max(one, other)


def one_network_twice(cells: Sequence[Cell]) -> Iterator[FigureDoubt]:
    """Two names of a publisher for one network that time alike: it would count twice."""
    pairs: defaultdict[tuple[str, str, str], list[tuple[Cell, Cell]]] = defaultdict(list)
    for one, other in _in_one_column(cells):
        same = (one.network, one.head, one.variant) == (other.network, other.head, other.variant)
        names = (one.name_without_precision, other.name_without_precision)
        if same and names[0] != names[1]:
            pairs[one.publisher, *names].append((one, other))
    for found in pairs.values():
        ratios = [max(a.image_ms, b.image_ms) / min(a.image_ms, b.image_ms) for a, b in found]
        if len(found) < LEAST_ALIKE or statistics.median(ratios) > ALIKE:
            continue
        one, other = found[0]
        both = f"{one.figure.model} and {other.figure.model}"
        reason = f"{both} are one network and time alike in {len(found)} columns"
        lines = [f"{a.printed} and {b.printed} on {a.figure.chip}, {a.figure.mode}" for a, b in found[:4]]
        of = [cell for pair in found for cell in pair]
        yield doubt_of(of, FigureDoubtClass.SAME_FIGURES, Strength.WEAK, reason, *lines)
