"""Layers from A to B for terminals and, as Markdown, for pull requests."""

from collections.abc import Iterator, Sequence

from npubench.domain.layers import Besides
from npubench.domain.text import columns_of, counted, printable, shortened, text_table
from npubench.reporting.compare.formats import code, plain
from npubench.reporting.data.formatting import THIN_SPACE, significant
from npubench.reporting.layers.advice import amount_text, percent
from npubench.reporting.layers.changes import Fate, LayerChange, LayersCompared, NotCompared
from npubench.reporting.layers.names import CUT, cut_out, start_of
from npubench.reporting.layers.text import wrapped
from npubench.reporting.layers.view import Amount

MOST_NAMED = 12
"""Layers of a case that are listed one by one; JSON has all."""

MOST_LACKING = 5
_BESIDE = {
    Besides.OVERLAP: "units that run at once",
    Besides.LAYERS_NOT_COUNTED: "layers not counted",
    Besides.OUTSIDE_OF_LAYERS: "outside of layers",
    Besides.INTERRUPTIONS: "interruptions by other programs",
    Besides.WAITING: "no unit runs",
}
HEAD = ("change", "layer", "A", "B", "difference", "of the change")
_LEAST_NAME, _SHORTEST, _MOST_FATE = 14, 6, 22
_OF_CHANGE = len(HEAD) - 1


def to_text(found: Sequence[LayersCompared], lacking: Sequence[NotCompared], width: int) -> str:
    """A block a case that changed, what did not change in a line, and what could not be compared."""
    lines: list[str] = []
    for one in found:
        if one.named or one.difference:
            lines += ["", *_block(one, width)]
    same = sum(not one.named and not one.difference for one in found)
    if same:
        lines += ["", f"layers unchanged: {counted(same, 'case')}"]
    for line in _lacking(lacking):
        lines += wrapped(line, width)
    return "\n".join(lines)


def markdown(found: Sequence[LayersCompared], lacking: Sequence[NotCompared]) -> str:
    """A folded table a case that changed; names cannot break out of it."""
    lines: list[str] = []
    for one in found:
        if not (one.named or one.difference):
            continue
        lines += ["", f"<details><summary>{plain(_title(one))}</summary>", ""]
        lines += [f"| {' | '.join(_head(one))} |", f"|{' --- |' * len(HEAD)}"]
        for fate, layer, *figures in _rows(one):
            lines.append(f"| {plain(fate)} | {code(layer)} | {' | '.join(map(plain, figures))} |")
        lines += ["", *(f"- {plain(text)}" for text in (sum_line(one), *one.notes)), "", "</details>"]
    lines += [f"- {plain(line)}" for line in _lacking(lacking)]
    return "\n".join(["", "### Layers", *lines, ""]) if lines else ""


def sum_line(one: LayersCompared) -> str:
    """`−170 µs = layers above −179 µs + 12 others +5 µs + outside of layers +4 µs`: it adds up."""
    shown = one.named[:MOST_NAMED]
    others = one.others + len(one.named) - len(shown)
    above = sum(change.difference for change in shown)
    left = sum(change.difference for change in one.named[MOST_NAMED:]) + one.others_difference
    parts = [f"layers above {_signed(above, one.by)}"] if shown else []
    if others and left:
        parts.append(f"{counted(others, 'other layer')} {_signed(left, one.by)}")
    parts += [
        f"{_BESIDE[part.what]} {_signed(part.difference, one.by)}" for part in one.beside if part.difference
    ]
    if abs(one.rest) > 1e-6 * max(abs(one.total_a), abs(one.total_b), 1.0):
        parts.append(f"rounded by the tools {_signed(one.rest, one.by)}")
    return f"change of the total {_signed(one.difference, one.by)} = {', '.join(parts) or 'nothing'}"


def _block(one: LayersCompared, width: int) -> list[str]:
    lines = wrapped(_title(one), width)
    rows = _rows(one)
    if rows:
        start = start_of([name for change in one.named for name in (*change.names_a, *change.names_b)])
        rows = [(row[0], cut_out(f" {row[1]}", start)[1:], *row[2:]) for row in rows]
        lines.append(_table(_head(one), rows, width))
        if start:
            lines += wrapped(f"{CUT} stands for {start}", width)
    for text in (sum_line(one), *one.notes):
        lines += wrapped(text, width)
    return lines


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> str:
    """Names are cut to what the figures leave; where that is too little, shares of the change give way."""
    shown = [(shortened(printable(row[0]), _MOST_FATE), *row[1:]) for row in rows]
    if _taken(head, shown) + 2 + _LEAST_NAME > width:
        head, shown = head[:_OF_CHANGE], [row[:_OF_CHANGE] for row in shown]
    spare = max(_SHORTEST, width - _taken(head, shown) - 2)
    cut = [(row[0], shortened(printable(row[1]), spare), *row[2:]) for row in shown]
    return text_table(head, cut, None, head[2:])


def _taken(head: Sequence[str], rows: Sequence[Sequence[str]]) -> int:
    """Columns of the terminal that all but the names take."""
    others = [[cell for at, cell in enumerate(row) if at != 1] for row in (head, *rows)]
    return sum(max(map(columns_of, column)) + 2 for column in zip(*others, strict=True))


def _head(one: LayersCompared) -> tuple[str, ...]:
    """Cycles are named once, above their figures."""
    if one.by is Amount.TIME:
        return HEAD
    return (*HEAD[:2], "A cycles", "B cycles", *HEAD[4:])


def _title(one: LayersCompared) -> str:
    board = one.board_b if one.board_a == one.board_b else f"{one.board_a} / {one.board_b}"
    precision = " / ".join(dict.fromkeys((one.precision_a, one.precision_b)))
    tool = " / ".join(dict.fromkeys((one.tool_a, one.tool_b)))
    totals = f"{_amount(one.total_a, one.by)} to {_amount(one.total_b, one.by)}"
    share = f", {one.difference / one.total_a:+.1%}" if one.total_a else ""
    return f"layers of {one.case} [{precision}] on {board}, {one.kind} by {tool}: {totals}{share}"


def _rows(one: LayersCompared) -> list[tuple[str, ...]]:
    return [
        (
            _fate(change),
            _names(change),
            *("-" if amount is None else _cell(amount, one.by) for amount in (change.before, change.after)),
            "-" if change.before is None is change.after else _signed_cell(change.difference, one.by),
            "-" if change.share is None else _share(change.share),
        )
        for change in one.named[:MOST_NAMED]
    ]


def _fate(change: LayerChange) -> str:
    """With the units where they are what changed."""
    if change.units_a == change.units_b or change.fate in (Fate.NEW, Fate.GONE):
        return change.fate.value
    units = " to ".join("+".join(filter(None, one)) or "?" for one in (change.units_a, change.units_b))
    return f"{change.fate}: {units}"


def _names(change: LayerChange) -> str:
    a, b = (", ".join(names) for names in (change.names_a, change.names_b))
    return b or a if a == b or not a or not b else f"{a} -> {b}"


def _share(share: float) -> str:
    return f"-{percent(-share)}" if share < 0 else percent(share)


def _signed(amount: float, by: Amount) -> str:
    if not amount:
        return "0"
    return f"{'-' if amount < 0 else '+'}{_amount(abs(amount), by)}"


def _signed_cell(amount: float, by: Amount) -> str:
    return "0" if not amount else f"{'-' if amount < 0 else '+'}{_cell(abs(amount), by)}"


def _cell(amount: float, by: Amount) -> str:
    return _amount(amount, by) if by is Amount.TIME else significant(amount, separator="")


def _amount(amount: float, by: Amount) -> str:
    """ASCII, so that it is one column a letter everywhere."""
    return amount_text(amount, by).replace(THIN_SPACE, "").replace("µ", "u")


def _lacking(lacking: Sequence[NotCompared]) -> Iterator[str]:
    told = [one for one in lacking if one.why != "neither side has layers"]
    for one in told[:MOST_LACKING]:
        board = one.board_b if one.board_a == one.board_b else f"{one.board_a} / {one.board_b}"
        yield f"{one.case} on {board}: layers not compared: {one.why}"
    if len(told) > MOST_LACKING:
        yield f"and {len(told) - MOST_LACKING} more cases whose layers are not compared"
    if neither := len(lacking) - len(told):
        yield f"{counted(neither, 'case')} without layers on either side"
