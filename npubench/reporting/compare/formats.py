"""A comparison for terminals, for pull requests (GitHub's Markdown) and for CI (JUnit XML)."""

import re
from collections import defaultdict
from collections.abc import Iterator
from xml.etree import ElementTree

from npubench.domain.figures import Bound
from npubench.domain.text import counted, printable, shortened, text_table
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


_LONGEST = 48
_QUIET = frozenset({Outcome.SAME, Outcome.FAILS})


def text(comparison: Comparison) -> str:
    """A table, the reasons of what changed, and the means."""
    lines = [f"A: {printable(comparison.label_a)}", f"B: {printable(comparison.label_b)}"]
    lines += [printable(comparison.nothing_new), ""] if comparison.nothing_new else [""]
    rows = [tuple(shortened(printable(cell), _LONGEST) for cell in cells(one)) for one in comparison.changes]
    if rows:
        lines += [text_table(HEADER, rows, None), ""]
    for change in comparison.changes:
        if change.outcome not in _QUIET:
            lines.append(printable(f"{change.case}: {change.outcome}: {details(change)}"))
    lines += [printable(mean(one)) for one in comparison.means]
    lines += [printable(line) for line in remarks(comparison) if line != comparison.nothing_new]
    return "\n".join(lines)


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
