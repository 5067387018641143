"""A comparison for terminals."""

from npubench.reporting.compare.change import Outcome
from npubench.reporting.compare.comparison import Comparison
from npubench.reporting.compare.formats import words
from npubench.reporting.page.escapes import printable, shortened

_LONGEST = 48
_QUIET = frozenset({Outcome.SAME, Outcome.FAILS})


def text(of: Comparison) -> str:
    """A table, the reasons of what changed, and the means."""
    lines = [f"A: {printable(of.label_a)}", f"B: {printable(of.label_b)}"]
    lines += [printable(of.nothing_new), ""] if of.nothing_new else [""]
    rows = [tuple(shortened(printable(cell), _LONGEST) for cell in words.cells(one)) for one in of.changes]
    if rows:
        widths = [max(map(len, column)) for column in zip(words.HEADER, *rows, strict=True)]
        for row in (words.HEADER, *rows):
            lines.append("  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip())
        lines.append("")
    for change in of.changes:
        if change.outcome not in _QUIET:
            lines.append(printable(f"{change.case}: {change.outcome}: {words.details(change)}"))
    lines += [printable(words.mean(one)) for one in of.means]
    lines += [printable(line) for line in words.remarks(of) if line != of.nothing_new]
    return "\n".join(lines)
