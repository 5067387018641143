"""A gate for terminals, for pull requests (GitHub's Markdown) and for CI (JUnit XML)."""

from collections.abc import Iterator
from xml.etree import ElementTree

from npubench.domain.gates import GATE_FAILURES, BoardRecord, GateOutcome, GateReport, GateVerdict
from npubench.domain.text import counted, printable, shortened, text_table
from npubench.measure.gate.fixed import MOST_LAUNCHES
from npubench.reporting.compare.formats import code, plain

HEADER = ("case", "board", "precision", "change", "95 % interval", "launches a side", "outcome")
_LONGEST = 48
_QUIET = frozenset({GateOutcome.UNCHANGED, GateOutcome.SMALL, GateOutcome.FASTER})


def cells(verdict: GateVerdict) -> tuple[str, ...]:
    """A verdict under `HEADER`."""
    known = verdict.low is not None and verdict.high is not None
    return (
        *(verdict.case, verdict.board, verdict.precision),
        "-" if verdict.ratio is None else _change(verdict.ratio),
        f"{_change(verdict.low or 0)} to {_change(verdict.high or 0)}" if known else "-",
        str(verdict.launches),
        verdict.outcome.value,
    )


def _change(ratio: float) -> str:
    return f"{ratio - 1:+.1%}"


def why(verdict: GateVerdict) -> str:
    """What else is to be known of a case; empty where nothing is."""
    told = [verdict.reason] if verdict.reason else []
    if verdict.outcome is GateOutcome.UNDECIDED:
        told.append(_lacks(verdict))
    if verdict.outcome is GateOutcome.SMALL:
        told.append(f"surely smaller than half of {verdict.change:.1%}, which fails nothing")
    if verdict.same:
        told.append("one artifact on both sides")
    if verdict.again:
        told.append(f"{counted(verdict.again, 'pair')} measured again: the board throttled or restarted")
    return "; ".join(told)


def _lacks(verdict: GateVerdict) -> str:
    if verdict.launches + verdict.more > MOST_LAUNCHES:
        return (
            f"more than {MOST_LAUNCHES} launches a side would not decide it: its change is near half of that"
        )
    return f"about {verdict.more} more launches a side would decide it: give more --launches"


def summary(report: GateReport) -> str:
    """The whole gate in a sentence."""
    if report.interrupted:
        return "interrupted: what was decided by then"
    failed = [one for one in report.verdicts if one.outcome in GATE_FAILURES]
    undecided = sum(one.outcome is GateOutcome.UNDECIDED for one in report.verdicts)
    lost = sum(one.outcome is GateOutcome.LOST for one in report.verdicts)
    aside = f"{f', {undecided} undecided' if undecided else ''}{f', {lost} lost' if lost else ''}"
    cases = counted(len(report.verdicts), "case")
    if failed:
        worst = failed[0]
        size = f" by {worst.ratio - 1:.1%}" if worst.ratio is not None else ""
        named = f"{worst.case} is {worst.outcome}{size}"
        more = f" and {len(failed) - 1} more" if len(failed) > 1 else ""
        return f"regression: {named}{more}, of {cases}{aside}"
    if len(report.verdicts) == undecided + lost:
        return f"nothing is decided, of {cases}{aside}"
    return f"no regression of {report.change:.1%} in {cases}{aside}"


def remarks(report: GateReport) -> Iterator[str]:
    """What the decision rests on."""
    for record in report.boards:
        yield _of_board(record)
    if report.left_out:
        more = f"; {len(report.left_out) - 10} more" if len(report.left_out) > 10 else ""
        yield f"left out: {'; '.join(report.left_out[:10])}{more}"


def _of_board(record: BoardRecord) -> str:
    learnt = f"{record.noise:.2%} a launch ({counted(record.pairs, 'pair')} of earlier gates)"
    unknown = f"unknown before this gate, taken for {record.noise:.1%} a launch"
    noise = f"noise of {record.board}: {learnt if record.pairs else unknown}"
    if not record.same_cases:
        return f"{noise}; false alarms there: none counted yet, no artifact stood on both sides"
    return (
        f"{noise}; false alarms there: {record.same_alarms} of {counted(record.same_cases, 'case')}"
        f" with one artifact on both sides (surely below {record.most_alarms:.1%})"
    )


def text(report: GateReport) -> str:
    """A table, the reasons, and what it rests on."""
    lines = [f"baseline: {printable(report.label_a)}", f"candidate: {printable(report.label_b)}", ""]
    rows = [tuple(shortened(printable(cell), _LONGEST) for cell in cells(one)) for one in report.verdicts]
    if rows:
        lines += [text_table(HEADER, rows, None), ""]
    lines += [printable(f"{one.case}: {why(one)}") for one in report.verdicts if why(one)]
    lines += [printable(line) for line in remarks(report)]
    return "\n".join([*lines, printable(summary(report))])


def markdown(report: GateReport) -> str:
    """The summary first; a table of what is loud, the quiet folded away."""
    loud = [one for one in report.verdicts if one.outcome not in _QUIET]
    quiet = [one for one in report.verdicts if one.outcome in _QUIET]
    lines = [f"## {code(report.label_a)} to {code(report.label_b)}: {plain(summary(report))}", ""]
    lines += [f"- {plain(line)}" for line in remarks(report)]
    if loud:
        lines += _table(loud)
    if quiet:
        lines += ["", f"<details><summary>{len(quiet)} without a regression</summary>", *_table(quiet)]
        lines += ["", "</details>"]
    return "\n".join([*lines, ""])


def _table(verdicts: list[GateVerdict]) -> list[str]:
    head = (*HEADER, "why")
    rows = [(*cells(one), why(one)) for one in verdicts]
    lines = [f"| {code(case)} | {' | '.join(map(plain, rest))} |" for case, *rest in rows]
    return ["", f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}", *lines]


def junit(report: GateReport) -> str:
    """What fails a gate is a failure, what was lost an error, the undecided is skipped."""
    outcomes = [one.outcome for one in report.verdicts]
    root = ElementTree.Element("testsuites", name=printable(f"{report.label_a} to {report.label_b}"))
    suite = ElementTree.SubElement(
        root,
        "testsuite",
        name="npubench gate",
        tests=str(len(outcomes)),
        failures=str(sum(one in GATE_FAILURES for one in outcomes)),
        errors=str(outcomes.count(GateOutcome.LOST)),
        skipped=str(outcomes.count(GateOutcome.UNDECIDED)),
    )
    suite.extend(map(_case, report.verdicts))
    told = [summary(report), *remarks(report)]
    ElementTree.SubElement(suite, "system-out").text = "\n".join(map(printable, told))
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _case(verdict: GateVerdict) -> ElementTree.Element:
    case = ElementTree.Element(
        "testcase",
        classname=printable(f"{verdict.board}.{verdict.precision}"),
        name=printable(verdict.case),
    )
    message = printable("; ".join(filter(None, ("  ".join(cells(verdict)), why(verdict)))))
    if verdict.outcome in GATE_FAILURES:
        ElementTree.SubElement(case, "failure", type=verdict.outcome.value, message=message)
    elif verdict.outcome is GateOutcome.LOST:
        ElementTree.SubElement(case, "error", type=verdict.outcome.value, message=message)
    elif verdict.outcome is GateOutcome.UNDECIDED:
        ElementTree.SubElement(case, "skipped", message=message)
    return case
