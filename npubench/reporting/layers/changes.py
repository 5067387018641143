"""What became of a model's layers from A to B, and what share each has of the change of the total."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from npubench.domain.layers import Besides, LayerTable
from npubench.reporting.compare.pairing import Side, pair_up
from npubench.reporting.layers.advice import name_of
from npubench.reporting.layers.matching import Match, MatchedBy, match
from npubench.reporting.layers.view import Amount, LayerRow, LayerView, views_of

NAMED_FROM = 0.05
"""Of a layer's own time: a smaller change is told with the others, in sum."""

MUCH_OF_CHANGE = 0.1
"""Of the change of the total: a layer with more is named, however little of its own time that is."""

LEAST_CHANGE = 1e-3
"""Of the total: below it shares of the change say nothing."""


class Fate(StrEnum):
    """What became of layers; `counted` and `uncounted`: the tool gives them a figure in B, or in A, alone."""

    SLOWER = "slower"
    FASTER = "faster"
    MOVED = "moved"
    SPLIT = "split"
    MERGED = "merged"
    REGROUPED = "regrouped"
    NEW = "new"
    GONE = "gone"
    COUNTED = "counted"
    UNCOUNTED = "uncounted"
    SAME = "same"


_OF_FIGURES = frozenset({Fate.SLOWER, Fate.FASTER, Fate.SAME})
"""Fates that a figure decides; the others are named whatever they take."""


@dataclass(frozen=True, slots=True)
class LayerChange:
    """Layers of A and B that do the same work; amounts are in the unit of the comparison."""

    fate: Fate  # what became of them
    names_a: tuple[str, ...]  # in A
    names_b: tuple[str, ...]  # in B
    nodes: tuple[str, ...]  # ONNX nodes that they stand for, of both sides
    units_a: tuple[str, ...]  # what runs them in A
    units_b: tuple[str, ...]  # in B
    before: float | None  # in A; None: no figure
    after: float | None  # in B; None: no figure
    difference: float  # after - before, no figure taken for nothing
    share: float | None  # of the change of the total; None where that is next to none
    matched_by: MatchedBy  # what joins A's to B's


@dataclass(frozen=True, slots=True)
class BesideChange:
    """What stands beside the layers, from A to B."""

    what: Besides  # what it is
    before: float  # in A, signed
    after: float  # in B, signed
    difference: float  # after - before


@dataclass(frozen=True, slots=True)
class LayersCompared:
    """Layers of one case in one kind of figure. `named`, `others`, `beside` and `rest` make `difference`."""

    case: str  # name
    board_a: str  # name
    board_b: str  # name
    precision_a: str  # value
    precision_b: str  # value
    kind: str  # of both
    tool_a: str  # that told A's layers
    tool_b: str  # B's
    by: Amount  # microseconds or cycles
    layers_a: int  # how many
    layers_b: int  # how many
    total_a: float  # by the tool, else of the layers
    total_b: float  # the same
    difference: float  # total_b - total_a
    named: tuple[LayerChange, ...]  # the largest difference first
    others: int  # layers whose change is too small to name
    others_difference: float  # of all of them
    beside: tuple[BesideChange, ...]  # what is beside the layers
    rest: float  # what neither layers nor what is beside them explain: rounded by the tools
    notes: tuple[str, ...] = ()  # what else is to be known


@dataclass(frozen=True, slots=True)
class NotCompared:
    """A case whose layers cannot be compared, and why."""

    case: str  # name
    board_a: str  # name
    board_b: str  # name
    why: str  # in a line


def layers_compared(a: Side, b: Side) -> tuple[list[LayersCompared], list[NotCompared]]:
    """Layers of the cases that both sides have, as `compare` pairs them; emulated boards are left out."""
    found: list[LayersCompared] = []
    lacking: list[NotCompared] = []
    for pair in pair_up(a, b).pairs:
        before, after = (list(views_of(row, ())) for row in (pair.before, pair.after))
        made = list(_of_kinds(before, after))
        found += made
        if not made:
            boards = (pair.before.board, pair.after.board)
            lacking.append(NotCompared(pair.after.case, *boards, _why(before, after)))
    found.sort(key=lambda one: -abs(one.difference))
    return found, lacking


def _of_kinds(before: Sequence[LayerView], after: Sequence[LayerView]) -> Iterator[LayersCompared]:
    """Kinds are never compared with each other."""
    for one in before:
        for other in after:
            by = _common(one.table, other.table)
            if one.table.kind is other.table.kind and by is not None:
                yield compare_views(one, other, by)


def _common(one: LayerTable, other: LayerTable) -> Amount | None:
    """Time where both tell it, else cycles where both count them."""
    if one.total_us is not None and other.total_us is not None:
        return Amount.TIME
    return Amount.CYCLES if one.columns.cycles and other.columns.cycles else None


def _why(before: Sequence[LayerView], after: Sequence[LayerView]) -> str:
    if not before and not after:
        return "neither side has layers"
    if not before or not after:
        return f"{'B' if before else 'A'} has no layers: npubench layers says what gives them"
    kinds = [" and ".join(view.table.kind.value for view in views) for views in (before, after)]
    if not {view.table.kind for view in before} & {view.table.kind for view in after}:
        return f"layers are {kinds[0]} in A and {kinds[1]} in B: kinds are never compared"
    return "one side tells times and the other cycles, or neither tells any"


def compare_views(one: LayerView, other: LayerView, by: Amount) -> LayersCompared:
    """The layers of two views of one kind, weighed by `by`."""
    total_a, total_b = _total(one, by), _total(other, by)
    whole = total_b - total_a
    shares = abs(whole) > LEAST_CHANGE * max(abs(total_a), abs(total_b))
    changes = [_change(found, by, whole if shares else None) for found in match(one.rows, other.rows)]
    ends = frozenset(name_of(row) for view in (one, other) for row in view.rows if row.is_end)
    named = [change for change in changes if _is_named(change, ends)]
    left = [change for change in changes if not _is_named(change, ends)]
    beside = _beside(one.table, other.table, by)
    told = (*(change.difference for change in changes), *(change.difference for change in beside))
    return LayersCompared(
        case=other.result.case,
        board_a=one.result.board,
        board_b=other.result.board,
        precision_a=one.result.precision.value,
        precision_b=other.result.precision.value,
        kind=other.table.kind.value,
        tool_a=one.table.tool,
        tool_b=other.table.tool,
        by=by,
        layers_a=len(one.rows),
        layers_b=len(other.rows),
        total_a=total_a,
        total_b=total_b,
        difference=whole,
        named=tuple(sorted(named, key=lambda change: -abs(change.difference))),
        others=len(left),
        others_difference=sum(change.difference for change in left),
        beside=beside,
        rest=whole - sum(told),
        notes=_notes(one, other),
    )


def _total(view: LayerView, by: Amount) -> float:
    told = view.table.total_us if by is Amount.TIME else view.table.total_cycles
    if told is not None:
        return told
    return sum(_amount(row, by) or 0.0 for row in view.rows)


def _amount(row: LayerRow, by: Amount) -> float | None:
    return row.layer.time_us if by is Amount.TIME else row.layer.cycles


def _change(found: Match, by: Amount, whole: float | None) -> LayerChange:
    before, after = (_sum(rows, by) for rows in (found.before, found.after))
    difference = (after or 0.0) - (before or 0.0)
    units_a, units_b = (
        tuple(dict.fromkeys(row.layer.unit for row in rows)) for rows in (found.before, found.after)
    )
    nodes = dict.fromkeys(node for row in (*found.before, *found.after) for node in row.layer.nodes)
    return LayerChange(
        fate=_fate(found, before, after, units_a != units_b),
        names_a=tuple(name_of(row) for row in found.before),
        names_b=tuple(name_of(row) for row in found.after),
        nodes=tuple(nodes),
        units_a=units_a,
        units_b=units_b,
        before=before,
        after=after,
        difference=difference,
        share=difference / whole if whole and (before, after) != (None, None) else None,
        matched_by=found.by,
    )


def _sum(rows: Sequence[LayerRow], by: Amount) -> float | None:
    known = [amount for row in rows if (amount := _amount(row, by)) is not None]
    return sum(known) if known else None


def _fate(found: Match, before: float | None, after: float | None, moved: bool) -> Fate:
    counts = (len(found.before), len(found.after))
    if 0 in counts:
        return Fate.NEW if not counts[0] else Fate.GONE
    if counts != (1, 1):
        return Fate.SPLIT if counts[0] == 1 else Fate.MERGED if counts[1] == 1 else Fate.REGROUPED
    if moved:
        return Fate.MOVED
    if before == after:
        return Fate.SAME
    if before is None or after is None:
        return Fate.COUNTED if before is None else Fate.UNCOUNTED
    return Fate.SLOWER if after > before else Fate.FASTER


def _is_named(change: LayerChange, ends: frozenset[str]) -> bool:
    """Handing inputs and outputs over, which tools list or not, is no change without a figure."""
    if not change.difference and ends.issuperset((*change.names_a, *change.names_b)):
        return False
    if change.fate not in _OF_FIGURES:
        return True
    own = NAMED_FROM * min(change.before or 0.0, change.after or 0.0)
    much = change.share is not None and abs(change.share) >= MUCH_OF_CHANGE
    return change.fate is not Fate.SAME and (abs(change.difference) > own or much)


def _beside(one: LayerTable, other: LayerTable, by: Amount) -> tuple[BesideChange, ...]:
    """Each thing that stands beside the layers of either side; without a figure it takes nothing."""
    amounts: list[dict[Besides, float]] = [{}, {}]
    for table, found in zip((one, other), amounts, strict=True):
        for part in table.beside:
            amount = part.time_us if by is Amount.TIME else part.cycles
            found[part.what] = found.get(part.what, 0.0) + (amount or 0.0)
    before, after = amounts
    return tuple(
        BesideChange(
            what, before.get(what, 0.0), after.get(what, 0.0), after.get(what, 0.0) - before.get(what, 0.0)
        )
        for what in Besides
        if what in before or what in after
    )


def _notes(a: LayerView, b: LayerView) -> tuple[str, ...]:
    before, after, one, other = a.result, b.result, a.table, b.table
    notes = []
    if one.tool != other.tool:
        notes.append(f"told by {one.tool} and by {other.tool}: two tools, each with its own view of a layer")
    if before.onnx_sha256 and after.onnx_sha256 and before.onnx_sha256 != after.onnx_sha256:
        notes.append("the ONNX files differ: one name, two models")
    clocks = (one.clock_mhz, other.clock_mhz)
    if clocks[0] and clocks[1] and clocks[0] != clocks[1]:
        notes.append(f"cycles at {clocks[0]:g} MHz in A and at {clocks[1]:g} MHz in B")
    for label, table in (("A", one), ("B", other)):
        if table.adds_up is False:
            notes.append(f"the layers of {label} do not add up to its tool's total")
        if not table.complete:
            notes.append(f"the table of {label} was cut off before its end")
    return tuple(notes)
