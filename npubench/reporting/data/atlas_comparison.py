"""Own rows beside figures of the atlas of the same chip and the same network, whatever either calls it."""

import re
import statistics
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePath
from types import MappingProxyType

from npubench.domain.figures import Figures, Kind
from npubench.domain.records import Result, Status
from npubench.domain.specs import CaseKind
from npubench.published.atlas import PublishedFigure
from npubench.published.chips import canonical, find_chip
from npubench.published.names import input_of
from npubench.published.networks import Network, join
from npubench.reporting.data.causes import Usual, side_of_cell, side_of_row
from npubench.reporting.data.figures import left_out_of, ratio_bound
from npubench.reporting.data.published_comparison import ComparedCase, Line, PublishedComparison, grouped
from npubench.reporting.sanity.atlas import FigureDoubtClass, figure_doubts
from npubench.reporting.sanity.atlas.cells import Cell, cells_of
from npubench.reporting.sanity.atlas.publishers import pairs_of_publishers
from npubench.reporting.sanity.doubt import Strength, call_us, samples_per_call

_FLOAT = re.compile(r"fp|float|f32|f16|bf16")
_INTEGER = re.compile(r"int8|w8a8")
_WRONG = frozenset(
    {
        *(FigureDoubtClass.UNIT_SLIP, FigureDoubtClass.RATE_AND_TIME, FigureDoubtClass.ABOVE_PEAK),
        *(FigureDoubtClass.IMPOSSIBLE_SPEED_UP, FigureDoubtClass.FAR_FROM_NEIGHBOURS),
    }
)
"""Doubts, strong ones, that keep a figure out of means."""


def compare_with_atlas(
    own: Sequence[Result],
    figures: Sequence[PublishedFigure],
    compared: Sequence[PublishedComparison] = (),
) -> list[PublishedComparison]:
    """Every own board beside every column of the atlas on its chip, most cases first.

    A case is compared where own name and publisher's are surely one network at one input. Times are of one
    image; own times of a board stand beside those that a publisher measured, simulations beside simulations.
    What `compared` holds already of a board, case and published time is not compared again.
    """
    chips = {chip for row in own for chip in _chips(row.chip)}
    known = [cell for cell in cells_of(figures) if cell.known]
    cells = [cell for cell in known if cell.chip in chips]
    rows = [*_own_rows(own, _published_names(known))] if cells else []
    if not rows:
        return []
    wrong = wrong_places(figures)
    by_network: defaultdict[tuple[str, str], list[Cell]] = defaultdict(list)
    for cell in _once(cells):
        by_network[cell.chip, cell.network.partition("@")[0]].append(cell)
    told = {_told(one.board, line.case, line.published_us) for one in compared for line in one.lines}
    groups: defaultdict[tuple[str, ...], list[tuple[Line, Cell]]] = defaultdict(list)
    for row in rows:
        for cell in (cell for chip in row.chips for cell in by_network[chip, row.network.name]):
            again = _told(row.row.board, row.row.case, cell.image_ms * 1000) in told
            if _fits(row, cell) and not again:
                one = cell.figure
                where = ", ".join(filter(None, (cell.publisher, one.mode)))
                key = (row.row.board, row.row.chip, row.row.precision.value, row.kind.value, where)
                groups[*key, one.chip, one.precision, one.metric].append((_line(row, cell, wrong), cell))
    usual = _between_publishers(cells)
    found = [
        _comparison([line for line, _ in lines], [cell for _, cell in lines], key, usual)
        for key, lines in groups.items()
    ]
    return sorted(found, key=lambda one: (-len(one.lines), one.board, one.published_board, one.precision))


def _told(board: str, case: str, published_us: float) -> tuple[str, str, str]:
    return board, case, f"{published_us:.4g}"


@dataclass(frozen=True, slots=True)
class _Own:
    """An own row whose name was joined to a network."""

    row: Result
    figures: Figures
    kind: Kind
    network: Network
    image_us: float
    chips: tuple[str, ...]  # names in the atlas that speak for its chip


def _published_names(cells: Iterable[Cell]) -> Mapping[str, str]:
    """Names that publishers use of one network alone, in small letters, to that network."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for cell in cells:
        found[cell.figure.model.casefold()].add(cell.network.partition("@")[0])
    return {name: networks.pop() for name, networks in found.items() if len(networks) == 1}


def _own_rows(own: Iterable[Result], published: Mapping[str, str]) -> Iterator[_Own]:
    for row in own:
        if row.emulated or row.status is not Status.OK or row.case_kind is not CaseKind.MODEL:
            continue
        network = network_of(row, published)
        if network is None:
            continue
        for figures in row.all_figures:
            time = call_us(figures) if figures.kind in (Kind.MEASURED, Kind.SIMULATED) else None
            if time is not None:
                image_us = time / samples_per_call(figures)
                yield _Own(row, figures, figures.kind, network, image_us, _chips(row.chip))


@lru_cache(maxsize=256)
def _chips(chip: str) -> tuple[str, ...]:
    """Names under which the atlas has a chip's figures: its own, and strings of two chips that hold it."""
    from npubench.published.chips import chips

    name = canonical(chip)
    return (name, *(one.name for one in chips().values() if not one.single and name in one.speaks_for))


def network_of(row: Result, published: Mapping[str, str] = MappingProxyType({})) -> Network | None:
    """The network that an own case surely is, at the input that it had; None where its name does not say.

    `published` are publishers' names, in small letters, that mean one network whoever uses them.
    """
    sizes = [tensor.shape for tensor in row.inputs if len(tensor.shape) == 4]
    text = f"[{', '.join(map(str, sizes[0]))}]" if sizes else ""
    name = PurePath(row.case).name.removesuffix(".onnx")
    joined = _joined(name, text)
    if joined is None and name.casefold() in published:
        size = input_of(text)
        return Network(published[name.casefold()], height=size.height, width=size.width)
    return joined


@lru_cache(maxsize=4096)
def _joined(name: str, text: str) -> Network | None:
    joined = join("", name, text)
    return joined.network if joined.sure else None


def _once(cells: Iterable[Cell]) -> list[Cell]:
    """Without rates of cells that have a time."""
    timed = {(*_place(cell),) for cell in cells if not cell.is_rate}
    return [cell for cell in cells if not cell.is_rate or _place(cell) not in timed]


def _place(cell: Cell) -> tuple[str, ...]:
    one = cell.figure
    return one.chip, one.mode, one.precision, cell.publisher, one.model, one.input


def _fits(own: _Own, cell: Cell) -> bool:
    """Whether the two are of one precision, kind and input, as far as both tell."""
    published = cell.figure.precision.casefold()
    same = _INTEGER if own.row.precision.value == "int8" else _FLOAT
    sizes = {own.network.key.partition("@")[2], cell.network.partition("@")[2]} - {""}
    return cell.figure.kind is own.kind and bool(same.match(published) or not published) and len(sizes) <= 1


def _line(own: _Own, cell: Cell, wrong: frozenset[str]) -> Line:
    their_us = cell.image_ms * 1000
    bound = ratio_bound(left_out_of(own.figures), None)
    case = ComparedCase(
        *(own.row.case, cell.figure.model, own.image_us, their_us, own.image_us / their_us),
        cell.place in wrong,
        bound,
        network=cell.network,
        place=cell.place,
    )
    return Line(case, side_of_row(own.row, own.figures), side_of_cell(cell))


def wrong_places(figures: Sequence[PublishedFigure]) -> frozenset[str]:
    """`table:line` of figures that are strongly doubted to be what their tables say."""
    return frozenset(
        place
        for doubt in figure_doubts(figures)
        if doubt.strength is Strength.STRONG and doubt.doubt_class in _WRONG
        for place in doubt.places
    )


def _comparison(
    lines: Sequence[Line],
    cells: Sequence[Cell],
    key: tuple[str, ...],
    usual: Mapping[tuple[str, str], Usual],
) -> PublishedComparison:
    board, chip, precision, kind, where, their_chip, their_precision, metric = key
    notes = []
    if (canonical(chip) != canonical(their_chip)) and (found := find_chip(their_chip)):
        notes.append(f"published of {their_chip} together: {found.note}" if found.note else their_chip)
    if their_precision and precision != their_precision:
        notes.append(f"{precision} here, {their_precision} there")
    if any("@" not in cell.network for cell in cells):
        notes.append("of some published figures no input is told: it may be another")
    basis = {"throughput": "time of an image here, the inverse of images a second there"}.get(
        metric, f"time of an image here, {metric} of one there"
    )
    others = [one for one in [usual.get((cells[0].publisher, cells[0].chip))] if one is not None]
    made = PublishedComparison(
        *(board, chip, precision, Kind(kind), where, their_chip, their_precision, basis),
        "; ".join(dict.fromkeys(cell.figure.source for cell in cells)),
        *((), None, None, tuple(notes)),
    )
    return grouped(made, lines, others)


def _between_publishers(cells: Sequence[Cell]) -> Mapping[tuple[str, str], Usual]:
    """Of each publisher and chip what others' times usually are over its own, by the most networks."""
    found: dict[tuple[str, str], Usual] = {}
    for pairs in pairs_of_publishers(cells):
        usual = statistics.median(pair.one.image_ms / pair.other.image_ms for pair in pairs)
        one, other = pairs[0].one, pairs[0].other
        for mine, its, ratio in ((other, one, usual), (one, other, 1 / usual)):
            key = (mine.publisher, mine.chip)
            if key not in found or found[key].networks < len(pairs):
                found[key] = Usual(ratio, len(pairs), f"{its.publisher}'s times are on this chip")
    return found
