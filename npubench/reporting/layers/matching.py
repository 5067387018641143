"""Which layers of A became which of B: by the ONNX nodes that they stand for, then by name, then by form.

A tool names and fuses layers anew with every version, so that names alone would make most of a model new.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from npubench.reporting.layers.view import LayerRow


class MatchedBy(StrEnum):
    """How sure it is that two sides of a match are the same work."""

    NODES = "nodes"
    NAME = "name"
    FORM = "form"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Match:
    """Layers of A and of B that do the same work; one side is empty of what is new or gone."""

    before: tuple[LayerRow, ...]  # in A's order
    after: tuple[LayerRow, ...]  # in B's order
    by: MatchedBy  # what joins them


def match(before: Sequence[LayerRow], after: Sequence[LayerRow]) -> list[Match]:
    """Every layer of both sides in exactly one match, in the order of B, what is gone at the end."""
    found, left_a, left_b = _by_nodes(before, after)
    for by, key in ((MatchedBy.NAME, _name), (MatchedBy.FORM, _form)):
        pairs, left_a, left_b = _by_key(left_a, left_b, key)
        found += [Match((one,), (other,), by) for one, other in pairs]
    found += [Match((), (row,), MatchedBy.NOTHING) for row in left_b]
    found += [Match((row,), (), MatchedBy.NOTHING) for row in left_a]
    return sorted(found, key=lambda one: (not one.after, (one.after or one.before)[0].number))


Rest = tuple[list[Match], list[LayerRow], list[LayerRow]]


def _by_nodes(before: Sequence[LayerRow], after: Sequence[LayerRow]) -> Rest:
    """Groups of layers that share nodes, directly or by others; and what is in no group of both sides."""
    groups: dict[str, int] = {}
    members: dict[int, tuple[list[LayerRow], list[LayerRow]]] = {}
    for side, rows in enumerate((before, after)):
        for row in rows:
            joined = {groups[node] for node in row.layer.nodes if node in groups}
            at = min(joined, default=len(members))
            group = members.setdefault(at, ([], []))
            for other in sorted(joined - {at}):
                for mine, theirs in zip(group, members[other], strict=True):
                    mine += theirs
                    groups |= {node: at for one in theirs for node in one.layer.nodes}
                members[other] = ([], [])
            group[side].append(row)
            groups |= dict.fromkeys(row.layer.nodes, at)
    both = [group for group in members.values() if group[0] and group[1]]
    found = [one for group in both for one in _within(*group)]
    taken = {id(row) for group in both for rows in group for row in rows}
    left_a, left_b = ([row for row in rows if id(row) not in taken] for rows in (before, after))
    return found, left_a, left_b


def _within(before: list[LayerRow], after: list[LayerRow]) -> Iterator[Match]:
    """One match of the group; layer by layer where the names on both sides are the same."""
    names = [Counter(_name(row) for row in rows) for rows in (before, after)]
    if len(before) == len(after) > 1 and names[0] == names[1] and None not in names[0]:
        pairs, _, _ = _by_key(before, after, _name)
        yield from (Match((one,), (other,), MatchedBy.NODES) for one, other in pairs)
        return
    order = [sorted(rows, key=lambda row: row.number) for rows in (before, after)]
    yield Match(tuple(order[0]), tuple(order[1]), MatchedBy.NODES)


def _by_key(
    before: Sequence[LayerRow], after: Sequence[LayerRow], key: Callable[[LayerRow], Hashable]
) -> tuple[list[tuple[LayerRow, LayerRow]], list[LayerRow], list[LayerRow]]:
    """The first with the first of each key, the second with the second; None as a key matches nothing."""
    waiting: defaultdict[Hashable, list[LayerRow]] = defaultdict(list)
    for row in before:
        waiting[key(row)].append(row)
    pairs, left = [], []
    for row in after:
        found = waiting.get(key(row))
        if found and key(row) is not None:
            pairs.append((found.pop(0), row))
        else:
            left.append(row)
    taken = {id(one) for one, _ in pairs}
    return pairs, [row for row in before if id(row) not in taken], left


def _name(row: LayerRow) -> Hashable:
    return row.layer.name or None


def _form(row: LayerRow) -> Hashable:
    """What a layer without nodes does to what: generated names differ from one build to the next."""
    layer = row.layer
    if layer.nodes or not (layer.tool_type or layer.operators):
        return None
    return layer.tool_type, layer.operators, layer.unit, layer.output_shapes
