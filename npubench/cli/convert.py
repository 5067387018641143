"""`npubench export` and `npubench convert`: the first stages alone, with or without surgery."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from npubench.cli.options import (
    board_option,
    calibration_option,
    deadline_option,
    precision_option,
    run_options,
)
from npubench.domain.text import printable
from npubench.engine.plan import RunOptions

if TYPE_CHECKING:
    from npubench.engine.deliver import Delivered
    from npubench.engine.plan import Plan
    from npubench.engine.session import SessionStage
    from npubench.graph.surgery.state import OutputComparison, Part, Surgery
    from npubench.storage.ledger import Conversion

WORKSPACE = ".npubench"
"""Below the user's folder: what made the files, and what need not be made again."""

jobs_option = click.option("--jobs", "workers", type=click.IntRange(1), help="How many at once.")
fresh_option = click.option("--fresh", is_flag=True, help="Make everything again, whatever is there.")
folder_option = click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder for the files; what made them is kept in .npubench below it.",
)


@click.command()
@run_options
@jobs_option
@deadline_option
@fresh_option
@folder_option
def export(options: RunOptions) -> int:
    """Write CASES as ONNX files: OUT/<case>.onnx."""
    from npubench.engine.deliver import delivery
    from npubench.engine.job import export_only

    plan, delivered = _deliver(replace(options, precisions=("fp32",)), delivery(options.out, export_only))
    _say_written(plan, delivered, options.out)
    return _exit_code(plan, delivered)


@click.command()
@run_options
@board_option
@precision_option
@click.option(
    "--cut",
    "surgery",
    type=click.Choice(["none", "auto"]),
    default="none",
    show_default=True,
    help="auto: rewrite what the target refuses, then cut it off at head and tail; see docs/surgery.md.",
)
@calibration_option
@jobs_option
@deadline_option
@fresh_option
@folder_option
def convert(options: RunOptions, surgery: str) -> int:
    """Prepare CASES for a board's toolchain: OUT/<case>.<board>.<precision>.<ending>."""
    from npubench.engine.deliver import delivery

    if surgery == "none":
        from npubench.engine.job import prepare

        plan, delivered = _deliver(options, delivery(options.out, prepare))
        _say_written(plan, delivered, options.out)
        return _exit_code(plan, delivered)
    from npubench.engine import convert_with_surgery as cutting

    stage = delivery(options.out, cutting.prepare, cutting.measure_parts)
    plan, delivered = _deliver(options, stage)
    for state in delivered.states:
        if state.files and state.failure is None:
            _say_surgery(cutting.record_of(state))
    _say_written(plan, delivered, options.out)
    for line in counts([cutting.conversion_of(state) for state in delivered.states]):
        click.echo(line)
    return _exit_code(plan, delivered)


def _deliver(options: RunOptions, stage: "SessionStage") -> "tuple[Plan, Delivered]":
    from npubench.cli.listeners import delivery_listener, say_refused
    from npubench.engine.assemble import plan_run
    from npubench.engine.deliver import Delivered
    from npubench.engine.session import SessionSetup, run_session

    options = replace(options, out=options.out / WORKSPACE)
    plan = plan_run(options, say_refused, reached=False)
    setup = SessionSetup(options, plan, delivery_listener(len(plan.jobs)), stored=False)
    return plan, run_session(setup, (stage,))[Delivered]


def _say_written(plan: "Plan", delivered: "Delivered", out: Path) -> None:
    count = len(plan.jobs)
    click.echo(f"{count - len(delivered.failures)} of {count} written to {out}")


def _exit_code(plan: "Plan", delivered: "Delivered") -> int:
    from npubench.domain.errors import ExitCode
    from npubench.domain.specs import FileSpec
    from npubench.engine.run import INPUT_CLASSES

    failures = delivered.failures
    if plan.refused or any(
        isinstance(job.case, FileSpec) and failure.failure_class in INPUT_CLASSES for job, failure in failures
    ):
        return ExitCode.USAGE
    if len(failures) == len(plan.jobs):
        return ExitCode.NOTHING_MEASURED
    return ExitCode.REGRESSION if failures else ExitCode.OK


def counts(outcomes: "Sequence[Conversion]") -> list[str]:
    """For every backend and board: how many convert without `--cut auto`, and how many with it."""
    lines = []
    for backend, board in sorted({(one.backend, one.board) for one in outcomes}):
        here = [one for one in outcomes if (one.backend, one.board) == (backend, board)]
        with_cut = sum(not one.with_cut for one in here)
        without = sum(not one.as_is for one in here)
        lines.append(
            f"{backend} on {board}: of {len(here)}, {without} convert without --cut auto, {with_cut} with it"
        )
    return lines


def _say_surgery(record: "Surgery") -> None:
    done = [f"{one.name} ({one.nodes})" for one in record.rewrites]
    if record.lacking:
        done.append(f"{', '.join(record.lacking)} cut off")
    text = f"{record.case} [{record.precision}] on {record.board}: {'; '.join(done)}"
    for name, part in (("head", record.head), ("tail", record.tail)):
        if part is not None:
            text += f"; {name} {_time(part)}"
    text += f"; joined in FP32: {_worst(record.joined_fp32)}"
    if record.joined_target is not None:
        text += f"; with the body by {record.backend}: {_worst(record.joined_target)}"
    click.echo(printable(text))


def _time(part: "Part") -> str:
    if part.figures is None or part.figures.latency_us is None:
        return "not measured"
    return f"{part.figures.latency_us.mean:.1f} us on this CPU (measured)"


def _worst(outputs: "Sequence[OutputComparison]") -> str:
    from npubench.engine.convert_with_surgery import lowest_cosine

    lowest = lowest_cosine(outputs)
    equal = [one.equal for one in outputs if one.cosine is None and one.equal is not None]
    told = [] if lowest is None else [f"cosine {lowest:.5f}"]
    # Of whole numbers there is no cosine that means anything.
    told += [f"{min(equal):.1%} of the indices equal"] if equal else []
    return ", ".join(told) or "nothing to compare"
