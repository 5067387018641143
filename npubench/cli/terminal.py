"""Text for terminals: untrusted names cannot move the cursor, change colours or span lines."""

from npubench.reporting.page import escapes


def printable(text: str, width: int | None = None) -> str:
    """`text` with control and direction characters shown as escapes, cut to `width` if given."""
    safe = escapes.printable(text)
    return safe if width is None or len(safe) <= width else safe[: width - 1] + "…"


def counted(count: int, noun: str) -> str:
    """`1 case`, `2 cases`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def duration_us(value: float) -> str:
    """Microseconds in the unit that reads best, three significant digits."""
    for limit, scale, unit in ((1e3, 1.0, "us"), (1e6, 1e3, "ms")):
        if value < limit:
            return f"{value / scale:.3g} {unit}"
    return f"{value / 1e6:.4g} s"


def columns(header: list[str], rows: list[list[str]], width: int = 72) -> str:
    """Left-aligned columns under a header; cells are made printable and cut to `width`."""
    cells = [header, *([printable(cell, width) for cell in row] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    lines = ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in cells]
    return "\n".join(lines)
