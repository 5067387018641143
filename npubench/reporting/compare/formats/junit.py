"""A comparison as JUnit XML, as CI servers read it: a suite a kind, a test case a comparison."""

from collections import defaultdict
from xml.etree import ElementTree

from npubench.reporting.compare.change import REGRESSIONS, Change, Outcome
from npubench.reporting.compare.comparison import Comparison
from npubench.reporting.compare.formats import words
from npubench.reporting.page.escapes import printable

_SKIPPED = frozenset({Outcome.UNDECIDED, Outcome.NOT_COMPARABLE, Outcome.FAILS})


def junit(of: Comparison) -> str:
    """Regressions are failures, what was lost to a board or a tool is an error, the undecided is skipped."""
    root = ElementTree.Element("testsuites", name=printable(f"{of.label_a} to {of.label_b}"))
    suites: defaultdict[str, list[Change]] = defaultdict(list)
    for change in of.changes:
        suites[_kind(change)].append(change)
    for kind, changes in suites.items():
        root.append(_suite(kind, changes, of))
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _kind(change: Change) -> str:
    if change.rated is not None:
        return words.measure(change.rated)
    return change.timed.kind if change.timed is not None else "status"


def _suite(kind: str, changes: list[Change], of: Comparison) -> ElementTree.Element:
    outcomes = [change.outcome for change in changes]
    suite = ElementTree.Element(
        "testsuite",
        name=f"npubench compare: {kind}",
        tests=str(len(changes)),
        failures=str(sum(outcome in REGRESSIONS for outcome in outcomes)),
        errors=str(outcomes.count(Outcome.LOST)),
        skipped=str(sum(outcome in _SKIPPED for outcome in outcomes)),
    )
    for change in changes:
        suite.append(_case(change))
    told = [words.mean(one) for one in of.means if one.kind == kind]
    ElementTree.SubElement(suite, "system-out").text = printable("\n".join([*told, *words.remarks(of)]))
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
    message = printable(f"{change.outcome}: {words.details(change)}")
    if change.outcome in REGRESSIONS:
        element = ElementTree.SubElement(case, "failure", type=change.outcome.value, message=message)
        element.text = printable("  ".join(words.cells(change)))
    elif change.outcome is Outcome.LOST:
        ElementTree.SubElement(case, "error", type=change.outcome.value, message=message)
    elif change.outcome in _SKIPPED:
        ElementTree.SubElement(case, "skipped", message=message)
    return case
