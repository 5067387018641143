"""A comparison for terminals, for pull requests (GitHub's Markdown) and for CI (JUnit XML)."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from xml.etree import ElementTree

from npubench.domain.figures import Bound
from npubench.domain.layout import Column, Gives, fitted_table, wrapped
from npubench.domain.text import counted, printable
from npubench.reporting.compare.accuracy import AccuracyChange
from npubench.reporting.compare.change import REGRESSIONS, TIMES_NOISE, Change, Outcome
from npubench.reporting.compare.comparison import Comparison, Mean
from npubench.reporting.compare.statistics import Interval
from npubench.reporting.compare.timing import ROUNDS
from npubench.reporting.data.figures import mark

HEADER = ("case", "board", "precision", "kind", "A us", "B us", "B / A", "95 % interval", "outcome")
"""Of an accuracy the kind names it, and its figures stand in the places of A, B and the interval."""


def cells(change: Change) -> tuple[str, ...]:
    """A change under `HEADER`."""
    timed = change.timed
    board = change.board_b if change.board_a == change.board_b else f"{change.board_a} / {change.board_b}"
    figures = _rated(change.rated) if change.rated else ("-",) * 5 if timed is None else (
        timed.kind,
        *(f"{mark(one.bound if one else Bound.EXACT)}{us:.6g}" for one, us in
          zip(timed.bounds, (timed.before_us, timed.after_us), strict=True)),
        f"{mark(timed.ratio_bound)}{timed.ratio:.3f}" if timed.ratio_bound else "-",
        "-" if timed.low is None or timed.high is None else f"{timed.low:.3f} to {timed.high:.3f}",
    )  # fmt: skip
    return (change.case, board, change.precision, *figures, change.outcome.value)


def _rated(rated: AccuracyChange) -> tuple[str, ...]:
    known = rated.low is not None and rated.high is not None
    interval = f"drop {rated.low:.4f} to {rated.high:.4f}" if known else "-"
    return (measure(rated), f"{rated.before:.5f}", f"{rated.after:.5f}", "-", interval)


def measure(rated: AccuracyChange) -> str:
    """The kind of an accuracy: `measured cosine`."""
    return f"{rated.kind} {rated.measure}"


def mean(one: Mean) -> str:
    """The geometric mean of one kind, with its interval and the method."""
    ratio, of = one.ratio, f"{one.kind}, {one.case_kind}, {counted(one.cases, 'case')}"
    if not isinstance(ratio, Interval):
        return f"geometric mean of B / A, {of}: {ratio:.3f}"
    told = f"{ratio.value:.3f} ({ratio.low:.3f} to {ratio.high:.3f}; {ratio.method})"
    return f"geometric mean of B / A, {of}: {told}"


def remarks(comparison: Comparison) -> Iterator[str]:
    """What else is to be known: methods, noise, what was left out."""
    if comparison.nothing_new:
        yield comparison.nothing_new
    counts = ", ".join(f"{count} {outcome}" for outcome, count in comparison.counts().items())
    yield f"{len(comparison.changes)} comparisons: {counts or 'none'}"
    policy = comparison.gate
    yield (
        f"a change counts beyond {policy.share:.1%} and {TIMES_NOISE:g} times the noise of the board, "
        "and when its interval leaves out 1"
    )
    if policy.accuracy is not None:
        yield (
            f"an accuracy counts where a cosine changes by more than {policy.accuracy:g}, or where the 95 % "
            "interval of a drop of top-1 excludes 0"
        )
    for noise in comparison.noise:
        aside = "; what launches do to it is not known: `npubench gate`" if noise.method == ROUNDS else ""
        yield f"noise of {noise.board}: {noise.share:.2%} ({noise.method}, {noise.pairs} pairs){aside}"
    timed = [change.timed for change in comparison.changes if change.timed]
    yield from dict.fromkeys(f"method: {one.statistic}; {one.method}" for one in timed)
    if comparison.emulated_a or comparison.emulated_b:
        yield f"emulated rows left out: {comparison.emulated_a} of A, {comparison.emulated_b} of B"
    for label, names in (("A", comparison.only_a), ("B", comparison.only_b)):
        if names:
            more = f" and {len(names) - 10} more" if len(names) > 10 else ""
            yield f"only in {label}: {', '.join(names[:10])}{more}"
    yield from comparison.warnings


def details(change: Change) -> str:
    """Why the outcome is what it is."""
    return "; ".join((change.reason, *change.notes))


_QUIET = frozenset({Outcome.SAME, Outcome.FAILS})
_UNLIMITED = 1_000_000


def text(comparison: Comparison, width: int = _UNLIMITED) -> str:
    """A table, the reasons of what changed, and the means, in lines of at most `width` columns."""
    told = [f"A: {comparison.label_a}", f"B: {comparison.label_b}"]
    told += [comparison.nothing_new] if comparison.nothing_new else []
    below = [
        f"{change.case}: {change.outcome}: {details(change)}"
        for change in comparison.changes
        if change.outcome not in _QUIET
    ]
    below += [mean(one) for one in comparison.means]
    below += [line for line in remarks(comparison) if line != comparison.nothing_new]
    table = [*_changes_table(comparison, width), ""] if comparison.changes else []
    return "\n".join([*_lines(told, width), "", *table, *_lines(below, width)])


def _lines(texts: Iterable[str], width: int) -> list[str]:
    return [line for one in texts for line in wrapped(one, width, "", "    ")]


_NAMES = frozenset({"case", "board"})
_SHARED = ("board", "precision", "kind")
"""Columns that go where the table is too wide and all rows have the same in them, which a line then says."""


def _changes_table(comparison: Comparison, width: int) -> list[str]:
    told = zip(*(cells(one) for one in comparison.changes), strict=True)
    columns = [_column(title, column) for title, column in zip(HEADER, told, strict=True)]
    too_wide = sum(column.natural + 2 for column in columns) - 2 > width
    alike = [one for one in columns if one.title in _SHARED and len({*one.cells}) == 1] if too_wide else []
    kept = [one for one in columns if one not in alike]
    above = ", ".join(f"{one.title} {one.cells[0]}" for one in alike)
    return [*(_lines([f"all rows: {above}"], width) if alike else []), *fitted_table(kept, width)]


def _column(title: str, told: Sequence[str]) -> Column:
    if title in _NAMES:
        return Column(title, told, Gives.MIDDLE, 10)
    return Column(title, told, Gives.LINES if title in ("kind", "95 % interval") else Gives.NOTHING, 9)


_MOST_SAME = 200


def markdown(comparison: Comparison) -> str:
    """Regressions first; a table of everything, the unchanged folded away."""
    loud = [one for one in comparison.changes if one.outcome is not Outcome.SAME]
    quiet = [one for one in comparison.changes if one.outcome is Outcome.SAME]
    lines = [f"## {code(comparison.label_a)} to {code(comparison.label_b)}", ""]
    lines += [f"- {plain(mean(one))}" for one in comparison.means]
    lines += [f"- {plain(line)}" for line in remarks(comparison)]
    if loud:
        lines += _table((*HEADER, "why"), [(*cells(one), details(one)) for one in loud])
    if quiet:
        lines += ["", f"<details><summary>{len(quiet)} unchanged</summary>"]
        lines += _table(HEADER, [cells(one) for one in quiet[:_MOST_SAME]])
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


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    lines = [f"| {code(case)} | {' | '.join(map(plain, rest))} |" for case, *rest in rows]
    return ["", f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}", *lines]


_SKIPPED = frozenset({Outcome.UNDECIDED, Outcome.NOT_COMPARABLE, Outcome.FAILS})


def junit(comparison: Comparison) -> str:
    """Regressions are failures, what was lost to a board or a tool is an error, the undecided is skipped."""
    root = ElementTree.Element("testsuites", name=printable(f"{comparison.label_a} to {comparison.label_b}"))
    suites: defaultdict[str, list[Change]] = defaultdict(list)
    for change in comparison.changes:
        suites[_kind(change)].append(change)
    root.extend(_suite(kind, changes, comparison) for kind, changes in suites.items())
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _kind(change: Change) -> str:
    if change.rated is not None:
        return measure(change.rated)
    return change.timed.kind if change.timed is not None else "status"


def _suite(kind: str, changes: list[Change], comparison: Comparison) -> ElementTree.Element:
    outcomes = [change.outcome for change in changes]
    suite = ElementTree.Element(
        "testsuite",
        name=f"npubench compare: {kind}",
        tests=str(len(changes)),
        failures=str(sum(outcome in REGRESSIONS for outcome in outcomes)),
        errors=str(outcomes.count(Outcome.ERRORED)),
        skipped=str(sum(outcome in _SKIPPED for outcome in outcomes)),
    )
    suite.extend(map(_case, changes))
    told = [mean(one) for one in comparison.means if one.kind == kind]
    ElementTree.SubElement(suite, "system-out").text = printable("\n".join([*told, *remarks(comparison)]))
    return suite


def _case(change: Change) -> ElementTree.Element:
    where = ".".join(dict.fromkeys((change.board_a, change.board_b)))
    case = ElementTree.Element(
        "testcase",
        classname=printable(f"{where}.{change.precision}.{change.case_kind}"),
        name=printable(change.case),
    )
    if change.timed is not None:
        case.set("time", f"{change.timed.after_us / 1e6:.9f}")
    message = printable(f"{change.outcome}: {details(change)}")
    if change.outcome in REGRESSIONS:
        element = ElementTree.SubElement(case, "failure", type=change.outcome.value, message=message)
        element.text = printable("  ".join(cells(change)))
    elif change.outcome is Outcome.ERRORED:
        ElementTree.SubElement(case, "error", type=change.outcome.value, message=message)
    elif change.outcome in _SKIPPED:
        ElementTree.SubElement(case, "skipped", message=message)
    return case
