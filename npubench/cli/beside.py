"""`npubench results --against chips`: networks measured here, beside what was published of them on chips."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from npubench.cli.atlas import read_atlas
from npubench.domain.text import counted, printable

if TYPE_CHECKING:
    from npubench.domain.records import Result
    from npubench.reporting.data.beside import Beside


@dataclass(frozen=True, slots=True)
class BesideRecord:
    """A time of one image of a network, in us: measured here, or published of a chip."""

    network: str
    kind: str  # measured, or published
    where: str  # a board here, or a chip
    mode: str  # as published; empty here
    precision: str
    image_us: float
    printed: str  # as published, with its unit; empty here
    verdict: str  # how steady it was here; empty where published
    source: str  # whose table has it, and its line; empty here


def against_chips(own: "Sequence[Result]", folders: Sequence[Path] = ()) -> tuple[list[Any], list[str]]:
    """Own measured rows of networks, and of each chip the shortest published time; each names its kind."""
    from npubench.reporting.data.beside import beside

    found = beside(own, lambda: read_atlas(folders).figures)
    records = [record for one in found for record in _records(one)]
    lines = [line for one in found for line in _lines(one)]
    if not found:
        lines.append("no measured row is of a network that was published of a chip: see")
        lines.append("`npubench results --published --networks` for the names that are joined")
    return records, lines


def _records(one: "Beside") -> Iterator[BesideRecord]:
    for own in one.here:
        row, verdict = own.row, own.row.verdict.value if own.row.verdict else ""
        told = (row.board, "", row.precision.value, own.image_us, "", verdict, "")
        yield BesideRecord(one.network, "measured", *told)
    for chip in one.chips:
        cell = chip.cell
        place = (cell.chip, cell.figure.mode, cell.figure.precision)
        yield BesideRecord(one.network, "published", *place, chip.image_us, cell.printed, "", chip.source)


def _lines(one: "Beside") -> Iterator[str]:
    chips = counted(len(one.chips), "chip")
    yield f"{printable(one.network)}: one image, measured here, then published of {chips}"
    for own in one.here:
        row = own.row
        steady = f", {row.verdict.value}" if row.verdict else ""
        yield f"    {printable(row.board, 20):20} {own.text:>8}  measured, {row.precision.value}{steady}"
    for chip in one.chips:
        cell = chip.cell
        # A rate's inverse is no time that anybody published.
        rate = f" ({printable(cell.printed)})" if cell.is_rate else ""
        yield f"    {printable(cell.chip, 20):20} {chip.text:>8}  published{rate}, {printable(chip.where)}"
        yield f"    {'':20} {'':8}  {printable(chip.source)}"
    yield ""
