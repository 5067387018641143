"""Layers on the page: for each model and board the heaviest, the sum, advice, and all of them as data."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from markupsafe import Markup

from npubench.domain.figures import Kind
from npubench.domain.layers import Join
from npubench.domain.records import Result
from npubench.domain.specs import BoardSpec, CaseKind, Precision
from npubench.domain.text import visible
from npubench.reporting.data.tables import json_text, script_text
from npubench.reporting.data.translate import translate
from npubench.reporting.layers.advice import Advised, amount_text, name_of, percent
from npubench.reporting.layers.limits import Limit, limits_of, meanings
from npubench.reporting.layers.names import (
    cut_off,
    cut_out,
    shared_start,
    shared_start_of_nodes,
    without_start,
)
from npubench.reporting.layers.rules import advise
from npubench.reporting.layers.sums import notes_of, sum_line
from npubench.reporting.layers.view import Amount, LayerRow, LayerView, has_layers, views_of

MOST_VIEWS = 100
"""Models and boards that a page shows; of more it says which command shows them."""

MOST_LAYERS = 30_000
"""Layers in all tables of a page, which are some 150 bytes each."""

OPEN_UP_TO = 2
"""So many are unfolded from the beginning; of more the first alone."""

_MEGA, _GIGA, _KIB = 1e6, 1e9, 1024.0


@dataclass(frozen=True, slots=True)
class Bar:
    """One of the heaviest layers."""

    number: int  # its place in the tool's table
    name: str  # without what nearly all names begin with
    whole_name: str  # as the tool has it
    unit: str  # what runs it, by the tool
    left: bool  # to the CPU by a tool that has an NPU
    amount: float  # microseconds or cycles
    text: str  # the same with its unit
    share: str  # of the tool's total; empty where there is none
    width: float  # against the heaviest, in 0..100
    limit: str  # what holds it up, in a word; empty where nothing tells


@dataclass(frozen=True, slots=True)
class Head:
    """A column of the table: text, or numbers that are shown over `divisor`."""

    title: str  # in the language of now
    unit: str = ""  # of what is shown
    exact: str = ""  # of the figure itself
    is_number: bool = False
    divisor: float = 1.0
    style: str = ""  # class of its cells


@dataclass(frozen=True, slots=True)
class ShownView:
    """The layers of one row in one kind of figure. All texts are in the language of now."""

    result: Result  # the row
    kind: Kind  # of all its figures
    tool: str  # that told them
    count: int  # layers
    total: str  # by the tool, else of the layers; empty where neither is told
    standing: str  # why the row cannot be relied on, in a word; empty where it can
    heaviest: tuple[Bar, ...]
    weighed_by: str  # head of their figures
    together: str  # share that these have together; empty where there is none
    sum: str  # how layers make the total
    notes: tuple[str, ...]  # what else is to be known of the figures
    advised: Advised  # what would make it faster
    meanings: tuple[tuple[Limit, str], ...]  # of the words that occur
    starts: tuple[str, str]  # what is cut off names of layers, and of nodes; empty where nothing is
    heads: tuple[Head, ...]  # of the table
    packed: Markup  # its rows as JSON
    command: str  # that shows the same in a terminal


@dataclass(frozen=True, slots=True)
class LayerSection:
    """All that the page shows of layers."""

    views: tuple[ShownView, ...]
    left_out: int  # rows with layers that have no room
    operators: int  # cases of one operator with layers, which are not shown

    @property
    def opened(self) -> int:
        """How many of the first are unfolded."""
        return len(self.views) if len(self.views) <= OPEN_UP_TO else 1


def layer_section(
    rows: Sequence[Result], boards: Sequence[BoardSpec], grey: Mapping[str, str]
) -> LayerSection | None:
    """The section; None without layers. `grey` says by key why a row cannot be relied on."""
    found = [row for row in rows if has_layers(row)]
    models = [row for row in found if row.case_kind is CaseKind.MODEL]
    operators = len(found) - len(models)
    shown: list[ShownView] = []
    room, taken = MOST_LAYERS, 0
    for row in islice(models, MOST_VIEWS):
        views = list(views_of(row, boards))
        room -= sum(len(view.rows) for view in views)
        if room < 0 and shown:
            break
        shown += [_shown(view, grey.get(row.key, "")) for view in views]
        taken += 1
    return LayerSection(tuple(shown), len(models) - taken, operators) if found else None


def _shown(view: LayerView, standing: str) -> ShownView:
    row, table = view.result, view.table
    limits, start = limits_of(view), shared_start(view)
    heaviest = view.heaviest()
    share = sum(one.share or 0.0 for one in heaviest)
    heads, packed = _packed(view, limits, start)
    return ShownView(
        *(row, table.kind, table.tool, len(view.rows), _total(view), standing),
        heaviest=tuple(_bar(view, one, heaviest[0].amount or 0.0, limits, start) for one in heaviest),
        weighed_by=translate("cycles") if view.by is Amount.CYCLES else translate("Latency"),
        together=percent(share) if share else "",
        sum=sum_line(view),
        notes=tuple(notes_of(view)),
        advised=_cut(advise(view), start),
        meanings=tuple(meanings(limits)),
        starts=(start, shared_start_of_nodes(view)),
        heads=heads,
        packed=packed,
        command=_command(row),
    )


def _cut(advised: Advised, start: str) -> Advised:
    """The evidence with names as the table has them."""
    found = [
        replace(one, evidence=tuple(cut_out(text, start) for text in one.evidence)) for one in advised.found
    ]
    return replace(advised, found=tuple(found))


def _total(view: LayerView) -> str:
    known = [row.amount for row in view.rows if row.amount is not None]
    total = view.total if view.total is not None else sum(known) if known else None
    return "" if total is None or view.by is None else amount_text(total, view.by)


def _bar(view: LayerView, row: LayerRow, most: float, limits: Sequence[Limit | None], start: str) -> Bar:
    amount = row.amount or 0.0
    limit = limits[row.number - 1]
    return Bar(
        *(row.number, without_start(row, start), name_of(row), row.layer.unit, row in view.on_cpu, amount),
        text=amount_text(amount, view.by or Amount.TIME),
        share="" if row.share is None else percent(row.share),
        width=round(100 * amount / most, 2) if most else 0.0,
        limit=translate(limit.value) if limit else "",
    )


def _command(row: Result) -> str:
    precision = [] if row.precision is Precision.NONE else ["--precision", row.precision.value]
    return shlex.join(["npubench", "layers", row.case, "--board", row.board, *precision])


@dataclass(frozen=True, slots=True)
class _Column:
    """A column with its cells, one a layer."""

    head: Head
    numbers: tuple[float | None, ...] = ()
    texts: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nothing stands in it."""
        return not any(self.texts) and all(one is None for one in self.numbers)


def _packed(view: LayerView, limits: Sequence[Limit | None], start: str) -> tuple[tuple[Head, ...], Markup]:
    """Heads, and cells: of texts the place among `texts`, of numbers the exact figure."""
    columns = [one for one in _columns(view, limits, start) if not one.is_empty]
    places: dict[str, int] = {}

    def place(text: str) -> int:
        return places.setdefault(visible(text), len(places))

    cells = [one.numbers if one.head.is_number else [place(text) for text in one.texts] for one in columns]
    missing = [place(_why_no_nodes(row)) for row in view.rows]
    heads = [
        {"number": one.head.is_number, "divisor": one.head.divisor, "style": one.head.style}
        for one in columns
    ]
    text = json_text({"heads": heads, "cells": cells, "missing": missing, "texts": list(places)})
    return tuple(one.head for one in columns), script_text(text)


def _columns(view: LayerView, limits: Sequence[Limit | None], start: str) -> list[_Column]:
    """What a phone shows without scrolling comes first."""
    rows, layers = view.rows, [row.layer for row in view.rows]
    style, own = view.table.kind.value[:2], shared_start_of_nodes(view)
    cycles = view.by is Amount.CYCLES
    unit = translate("cycles") if cycles else "µs"
    latency = Head(translate("cycles") if cycles else translate("Latency"), "" if cycles else unit, unit)
    traffic = translate("Traffic") if view.is_traffic else translate("Tensors")
    return [
        _Column(Head("#", is_number=True), tuple(float(row.number) for row in rows)),
        _text(translate("Layer"), [without_start(row, start) for row in rows], "name"),
        _Column(_numbers(latency, style=style), tuple(row.amount for row in rows)),
        _Column(
            _numbers(Head(translate("Share"), "%", "%")),
            tuple(None if row.share is None else 100 * row.share for row in rows),
        ),
        _text(translate("Held up by"), [translate(one.value) if one else "" for one in limits]),
        _text(translate("Unit"), [layer.unit for layer in layers]),
        _text(translate("Operator"), [" ".join(one.operators) or one.tool_type for one in layers]),
        _Column(_numbers(Head("MMAC", "", "MAC"), _MEGA), tuple(row.macs for row in rows)),
        _Column(_numbers(Head(traffic, "KiB", "B"), _KIB), tuple(one.bytes for one in layers)),
        _Column(
            _numbers(Head(translate("Rate"), "GMAC/s", "MAC/s"), _GIGA), tuple(row.mac_per_s for row in rows)
        ),
        _Column(
            _numbers(Head(translate("of peak"), "%", "%")),
            tuple(None if row.of_peak is None else 100 * row.of_peak for row in rows),
        ),
        _text(translate("ONNX nodes"), [_nodes(row, own) for row in rows], "nodes"),
    ]


def _text(title: str, texts: Sequence[str], style: str = "") -> _Column:
    return _Column(Head(title, style=style), texts=tuple(texts))


def _numbers(head: Head, divisor: float = 1.0, style: str = "n") -> Head:
    return replace(head, is_number=True, divisor=divisor, style=style)


def _nodes(row: LayerRow, start: str) -> str:
    """With a mark where not all that the tool tells of was found in the graph."""
    nodes = ", ".join(cut_off(node, start) for node in row.layer.nodes)
    return f"≈ {nodes}" if nodes and row.layer.join is Join.PARTLY else nodes


def _why_no_nodes(row: LayerRow) -> str:
    if row.layer.nodes:
        return ""
    if row.layer.join is Join.ADDED:
        return translate("the tool made it by itself: it stands for no node")
    if row.layer.join is Join.END:
        return translate("an input or output of the model, handed over")
    return translate("its nodes cannot be told from what the tool writes")
