"""A comparison for pull requests: GitHub's Markdown. Names become code, so that none is markup."""

import re

from npubench.reporting.compare.change import Outcome
from npubench.reporting.compare.comparison import Comparison
from npubench.reporting.compare.formats import words
from npubench.reporting.page.escapes import printable

_MOST_SAME = 200


def markdown(of: Comparison) -> str:
    """Regressions first; a table of everything, the unchanged folded away."""
    loud = [one for one in of.changes if one.outcome is not Outcome.SAME]
    quiet = [one for one in of.changes if one.outcome is Outcome.SAME]
    lines = [f"## {code(of.label_a)} to {code(of.label_b)}", ""]
    lines += [f"- {plain(words.mean(one))}" for one in of.means]
    lines += [f"- {plain(line)}" for line in words.remarks(of)]
    if loud:
        header = (*words.HEADER, "why")
        lines += ["", *_head(header)]
        lines += [_row((*words.cells(one), words.details(one))) for one in loud]
    if quiet:
        lines += ["", f"<details><summary>{len(quiet)} unchanged</summary>", "", *_head(words.HEADER)]
        lines += [_row(words.cells(one)) for one in quiet[:_MOST_SAME]]
        if len(quiet) > _MOST_SAME:
            lines += ["", f"{len(quiet) - _MOST_SAME} more."]
        lines += ["", "</details>"]
    return "\n".join([*lines, ""])


def code(text: str) -> str:
    """Inline code that no name can end: its backticks become apostrophes, its pipes look-alikes."""
    return f"`{printable(text).replace('`', chr(39)).replace('|', '¦') or ' '}`"


def plain(text: str) -> str:
    """A sentence with Markdown's and HTML's own characters escaped (CommonMark 2.4)."""
    return re.sub(r"([\\`*_{}\[\]<>#|~&!])", r"\\\1", printable(text))


def _head(names: tuple[str, ...]) -> list[str]:
    return [f"| {' | '.join(names)} |", f"|{' --- |' * len(names)}"]


def _row(row: tuple[str, ...]) -> str:
    case, *rest = row
    return f"| {code(case)} | {' | '.join(plain(cell) for cell in rest)} |"
