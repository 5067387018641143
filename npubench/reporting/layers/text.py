"""Views of layers for a terminal: a table that fits it, the sum, and advice."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from npubench.domain.figures import Kind
from npubench.domain.specs import titled
from npubench.domain.text import columns_of, counted, printable, shortened, text_table
from npubench.reporting.data.formatting import THIN_SPACE, significant
from npubench.reporting.layers.advice import Advised, percent
from npubench.reporting.layers.limits import limits_of, meanings
from npubench.reporting.layers.names import CUT, cut_out, shared_start, without_start
from npubench.reporting.layers.rules import advise
from npubench.reporting.layers.sums import notes_of, sum_line
from npubench.reporting.layers.view import Amount, LayerRow, LayerView, Order

LEAST_NAME = 24
"""Columns that a layer's name keeps when everything else has to go."""

WIDEST = 64
"""Columns that a cell of words takes at most, however wide the terminal is."""

LIMIT = "held up by"
"""Head of the column that says why a layer takes its time."""

LEAST_WIDTH = 40
"""Columns below which no terminal is fitted."""

_KEPT = "\u00a0"
"""A space at which no line is broken."""

_MEGA, _GIGA, _KIB = 1e6, 1e9, 1024.0


@dataclass(frozen=True, slots=True)
class _Column:
    """A column: its head, its cell of a row, and whether it is a number."""

    head: str
    cell: Callable[[LayerRow], str]
    number: bool = True


def _number(value: float | None, divisor: float = 1.0) -> str:
    return "" if value is None else significant(value / divisor, separator="")


def _columns(view: LayerView) -> list[_Column]:
    by, start, limits = view.by, shared_start(view), limits_of(view)
    amount = [_Column("us" if by is Amount.TIME else "cycles", lambda row: _number(row.amount))] if by else []
    share = [_Column("share", lambda row: "" if row.share is None else percent(row.share))] if by else []
    return [
        _Column("#", lambda row: str(row.number)),
        _Column("layer", lambda row: printable(without_start(row, start)), number=False),
        _Column("unit", lambda row: printable(row.layer.unit), number=False),
        *(*share, *amount),
        _Column(LIMIT, lambda row: limits[row.number - 1] or "", number=False),
        _Column("MMAC", lambda row: _number(row.macs, _MEGA)),
        _Column("KiB", lambda row: _number(row.layer.bytes, _KIB)),
        _Column("GMAC/s", lambda row: _number(row.mac_per_s, _GIGA)),
        _Column("of peak", lambda row: "" if row.of_peak is None else percent(row.of_peak)),
        _Column("operators", lambda row: printable(_operators(row)), number=False),
        _Column("ONNX nodes", lambda row: printable(", ".join(row.layer.nodes)), number=False),
    ]


def _operators(row: LayerRow) -> str:
    return " ".join(row.layer.operators) or row.layer.tool_type


_DISPENSABLE = ("ONNX nodes", "operators", "of peak", "KiB", "GMAC/s", "MMAC", LIMIT)
"""Columns that give way on a narrow terminal, first ones first; share and time never do."""


def to_text(view: LayerView, order: Order, top: int | None, width: int) -> str:
    """A view in a terminal of `width` columns: its `top` layers (None: all), the sum, and advice."""
    rows = view.sorted(order)
    shown = rows[:top]
    lines = [*_heading(view, width), "", _table(view, shown, width)]
    if start := shared_start(view):
        lines += wrapped(f"{CUT} stands for {start}", width)
    if left := len(rows) - len(shown):
        lines.append(f"{counted(left, 'more layer')}: --top 0")
    lines += ["", *_words(view, shown, width), *wrapped(sum_line(view), width, "sum: ")]
    lines += [line for note in notes_of(view) for line in wrapped(note, width, "     ")]
    return "\n".join([*lines, "", *_advice(advise(view), shared_start(view), width)])


def _heading(view: LayerView, width: int) -> list[str]:
    row, table = view.result, view.table
    kind = "" if table.kind is Kind.MEASURED else ": no board was asked"
    return [
        *wrapped(f"{titled(row.case, row.precision)} on {row.board} ({row.chip})", width),
        *wrapped(f"{counted(len(view.rows), 'layer')}, {table.kind} by {table.tool}{kind}", width),
    ]


def _table(view: LayerView, rows: Sequence[LayerRow], width: int) -> str:
    columns = [(one, [one.cell(row) for row in rows]) for one in _columns(view)]
    # A column that nobody fills is left out, but what it is about is said in the advice.
    columns = [(one, cells) for one, cells in columns if any(cells) or one.head in {"#", "layer"}]
    words = {"operators", "ONNX nodes"}
    columns = [
        (one, [shortened(cell, WIDEST) for cell in cells] if one.head in words else cells)
        for one, cells in columns
    ]
    for head in _DISPENSABLE:
        if _total(columns) + LEAST_NAME <= width:
            break
        columns = [(one, cells) for one, cells in columns if one.head != head]
    spare = min(WIDEST, max(LEAST_NAME, width - _total(columns)))
    cells_of = [
        [shortened(cell, spare) for cell in cells] if one.head == "layer" else cells for one, cells in columns
    ]
    lines = [[cell or "-" for cell in line] for line in zip(*cells_of, strict=True)]
    numbers = [one.head for one, _ in columns if one.number]
    return text_table([one.head for one, _ in columns], lines, None, numbers)


def _words(view: LayerView, rows: Sequence[LayerRow], width: int) -> list[str]:
    """What the words of the column mean that stand in it."""
    limits = limits_of(view)
    lines: list[str] = []
    for one, meaning in meanings([limits[row.number - 1] for row in rows]):
        lines += wrapped(f"{one}: {meaning}", width)
    return [*lines, ""] if lines else []


def _total(columns: Sequence[tuple[_Column, Sequence[str]]]) -> int:
    """Columns of the terminal that all but the layers' names take."""
    widths = (max(map(columns_of, (one.head, *cells))) for one, cells in columns if one.head != "layer")
    return sum(width + 2 for width in widths)


def _advice(advised: Advised, start: str, width: int) -> list[str]:
    lines = []
    if advised.found:
        lines.append("what would make it faster, the largest possible gain first:")
    for number, one in enumerate(advised.found, 1):
        gain = f" - {one.gain.text}" if one.gain else ""
        lines += wrapped(f"{one.title}{gain}", width, f"{number}. ")
        lines += [line for text in one.evidence for line in wrapped(cut_out(text, start), width, "   - ")]
        lines += wrapped(f"try: {one.action}", width, "   ")
    if advised.overlap:
        lines += wrapped(advised.overlap, width)
    if not advised.found:
        lines += wrapped(f"nothing stands out; looked for in vain: {'; '.join(advised.looked_for)}", width)
    for text in advised.not_judged:
        lines += wrapped(f"not judged: {text}", width)
    return lines


def wrapped(text: str, width: int, first: str = "") -> list[str]:
    """`text` in lines of `width` columns at most, below each other after `first`; made printable.

    Words that take a whole line are cut in their middle: a wide letter takes two columns.
    """
    room = max(width, LEAST_WIDTH) - columns_of(first)
    lines = [""]
    for word in printable(text.replace(THIN_SPACE, ",").replace(" %", f"{_KEPT}%")).split(" "):
        word = shortened(word, room)
        joined = f"{lines[-1]} {word}" if lines[-1] else word
        if columns_of(joined) <= room:
            lines[-1] = joined
        else:
            lines.append(word)
    return [
        f"{first if at == 0 else ' ' * len(first)}{line.replace(_KEPT, ' ')}" for at, line in enumerate(lines)
    ]
