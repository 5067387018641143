"""`npubench export` and `npubench convert`: the first stages alone, with or without surgery."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from npubench.cli.options import FOLDER, run_options, shared_options
from npubench.domain.text import printable
from npubench.engine.plan import RunOptions

if TYPE_CHECKING:
    from npubench.domain.records import Failure
    from npubench.engine.deliver import Finish, Step
    from npubench.engine.job import JobState
    from npubench.engine.plan import Job, Plan
    from npubench.graph.surgery.state import OutputComparison, Surgery
    from npubench.storage.ledger import Conversion

WORKSPACE = ".npubench"
"""Below the user's folder: what made the files, and what need not be made again."""

folder_option = click.option(
    "--out",
    type=FOLDER,
    required=True,
    help="Folder for the files; what made them is kept in .npubench below it.",
)


@click.command()
@run_options
@shared_options("jobs", "deadline", "fresh")
@folder_option
def export(options: RunOptions) -> int:
    """Write CASES as ONNX files: OUT/<case>.onnx."""
    from npubench.engine.job import export_only

    return _deliver(replace(options, precisions=("fp32",)), export_only)


@click.command()
@run_options
@shared_options("board", "precision")
@click.option(
    "--cut",
    "surgery",
    type=click.Choice(["none", "auto"]),
    default="none",
    help="auto: rewrite what the target refuses, then cut it off at head and tail; see docs/surgery.md.",
)
@shared_options("calibration", "jobs", "deadline", "fresh")
@folder_option
def convert(options: RunOptions, surgery: str) -> int:
    """Prepare CASES for a board's toolchain: OUT/<case>.<board>.<precision>.<ending>."""
    if surgery == "none":
        from npubench.engine.job import prepare

        return _deliver(options, prepare)
    from npubench.engine.convert_with_surgery import measure_parts, prepare

    return _deliver(options, prepare, measure_parts)


def _deliver(options: RunOptions, step: "Step", finish: "Finish | None" = None) -> int:
    """Plan, take every case through the steps, and say what was written; the exit code."""
    from npubench.cli.listeners import delivery_listener, say_refused
    from npubench.engine.assemble import plan_run
    from npubench.engine.deliver import Delivered, delivery
    from npubench.engine.session import run_session

    kept = replace(options, out=options.out / WORKSPACE)
    plan = plan_run(kept, say_refused, reached=False)
    stages, heard = (delivery(options.out, step, finish),), delivery_listener(len(plan.jobs))
    delivered = run_session(kept, stages, plan, heard, stored=False)[Delivered]
    written = f"{len(plan.jobs) - len(delivered.failures)} of {len(plan.jobs)} written to {options.out}"
    for line in [written] if finish is None else _on_surgery(delivered.states, written):
        click.echo(line)
    return _exit_code(plan, delivered.failures)


def _on_surgery(states: "Sequence[JobState]", written: str) -> list[str]:
    from npubench.engine.convert_with_surgery import conversion_of, record_of

    done = [record_of(state) for state in states if state.files and state.failure is None]
    return [*map(_surgery, done), written, *counts([conversion_of(state) for state in states])]


def _exit_code(plan: "Plan", failures: "Sequence[tuple[Job, Failure]]") -> int:
    from npubench.domain.errors import ExitCode
    from npubench.domain.specs import FileSpec
    from npubench.engine.run import INPUT_CLASSES

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
        with_cut, without = (sum(not getattr(one, way) for one in here) for way in ("with_cut", "as_is"))
        told = f"of {len(here)}, {without} convert without --cut auto, {with_cut} with it"
        lines.append(f"{backend} on {board}: {told}")
    return lines


def _surgery(record: "Surgery") -> str:
    done = [f"{one.name} ({one.nodes})" for one in record.rewrites]
    if record.lacking:
        done.append(f"{', '.join(record.lacking)} cut off")
    text = f"{record.case} [{record.precision}] on {record.board}: {'; '.join(done)}"
    for name, part in (("head", record.head), ("tail", record.tail)):
        if part is not None:
            latency = part.figures and part.figures.latency_us
            time = f"{latency.mean:.1f} us on this CPU (measured)" if latency else "not measured"
            text += f"; {name} {time}"
    text += f"; joined in FP32: {_worst(record.joined_fp32)}"
    if record.joined_target is not None:
        text += f"; with the body by {record.backend}: {_worst(record.joined_target)}"
    return printable(text)


def _worst(outputs: "Sequence[OutputComparison]") -> str:
    from npubench.engine.convert_with_surgery import lowest_cosine

    lowest = lowest_cosine(outputs)
    equal = [one.equal for one in outputs if one.cosine is None and one.equal is not None]
    told = [] if lowest is None else [f"cosine {lowest:.5f}"]
    # Of whole numbers there is no cosine that means anything.
    told += [f"{min(equal):.1%} of the indices equal"] if equal else []
    return ", ".join(told) or "nothing to compare"
