"""`npubench gate`: baseline and candidate launched in pairs until it is known which is slower."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from npubench.cli.options import FILE, Number, say, say_problem, shared_options

if TYPE_CHECKING:
    from npubench.domain.gates import GateReport
    from npubench.engine.gate import GateRequest
    from npubench.engine.session import Event
    from npubench.reporting.compare.pairing import Side


@click.command()
@click.argument("baseline")
@click.argument("candidate")
@click.option("--change", default="5%", metavar="SHARE", help="The change that is to be found.")
@click.option(
    "--launches", "most_launches", type=click.IntRange(3, 1000), default=40, help="At most, a side and case."
)
@click.option(
    "--launch-time", "launch_s", type=Number(0.01), default=1.0, metavar="SECONDS", help="A launch runs."
)
@click.option("--skip-same", is_flag=True, help="Leave out cases with one artifact on both sides.")
@click.option("--strict", is_flag=True, help="Exit 6 when a case is undecided.")
@shared_options("wait")
@click.option("--junit", type=FILE, help="JUnit XML for CI.")
@click.option("--markdown", type=FILE, help="Markdown for CI.")
@click.option("--quiet", is_flag=True, help="Print what came of it only.")
@shared_options("deadline", "catalog", "json", "out")
def gate(
    baseline: str,
    candidate: str,
    change: str,
    most_launches: int,
    launch_s: float,
    skip_same: bool,
    strict: bool,
    wait_s: float | None,
    junit: Path | None,
    markdown: Path | None,
    quiet: bool,
    deadline_s: float,
    catalog_folders: tuple[Path, ...],
    as_json: bool,
    out: Path,
) -> int:
    """Say whether CANDIDATE is slower than BASELINE, with a known error rate (docs/gate.md).

    Both are sides as of `npubench compare`: folders of results, runs, boards, tools. Of their rows only the
    artifacts are taken: they are launched anew, in pairs on one board, until each case is decided.

    Exit codes: 0 no regression (a warning where a case is undecided), 1 slower or broken, 3 nothing to
    launch, 4 board or 5 toolchain lost, 6 undecided with --strict.
    """
    from npubench.cli.compare import select_side, share_of
    from npubench.engine.gate import exit_code, run_gate
    from npubench.engine.plan import CaseOptions, RunOptions
    from npubench.reporting.compare import gate_formats

    sides = select_side(baseline, out), select_side(candidate, out)
    request = replace(
        _request(*sides, share_of(change, "--change"), skip_same),
        most_launches=most_launches,
        launch_s=launch_s,
    )
    selection = CaseOptions(catalog_folders=catalog_folders)
    options = RunOptions(out=out, selection=selection, wait_s=wait_s, deadline_s=deadline_s)
    report = run_gate(request, options, _say if not (quiet or as_json) else _say_refused)
    for path, text in ((junit, gate_formats.junit), (markdown, gate_formats.markdown)):
        if path is not None:
            _write(path, text(report))
    click.echo(json.dumps(asdict(report), indent=1) if as_json else gate_formats.text(report))
    _warn(report, sides)
    return exit_code(report, strict)


def _request(baseline: "Side", candidate: "Side", change: float, skip_same: bool) -> "GateRequest":
    """What of the two sides is launched, what their rows say already, and what is left out."""
    from npubench.engine.gate import GateRequest
    from npubench.engine.gate_cases import sorted_out
    from npubench.reporting.compare.pairing import pair_up

    pairing = pair_up(baseline, candidate)
    found = sorted_out(((pair.before, pair.after) for pair in pairing.pairs), change, skip_same)
    alone = [f"{name}: only in the baseline" for name in pairing.only_a]
    alone += [f"{name}: only in the candidate" for name in pairing.only_b]
    return GateRequest(
        (baseline.label, candidate.label),
        (baseline.folder or Path(), candidate.folder or Path()),
        found.launched,
        found.told,
        (*found.left_out, *alone),
        change,
    )


def _write(path: Path, text: str) -> None:
    from npubench.storage.files import write_atomically
    from npubench.storage.workspace import writing

    with writing(path.absolute().parent):
        path.absolute().parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, text)


def _say(event: "Event") -> None:
    from npubench.engine.session import InputRefused, Note

    if isinstance(event, (Note, InputRefused)):
        say(event.text)


def _say_refused(event: "Event") -> None:
    from npubench.engine.session import InputRefused

    if isinstance(event, InputRefused):
        say_problem(event.text)


def _warn(report: "GateReport", sides: "tuple[Side, Side]") -> None:
    """What must not be overlooked where the exit code is 0."""
    from npubench.domain.gates import GateOutcome
    from npubench.domain.text import counted

    undecided = [one for one in report.verdicts if one.outcome is GateOutcome.UNDECIDED]
    if undecided:
        say_problem(f"warning: {counted(len(undecided), 'case')} undecided: nothing is said of them")
    for side in sides:
        if side.nothing_new:
            say_problem(f"warning: {side.nothing_new}; its artifacts were launched anew all the same")
