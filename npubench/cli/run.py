"""`npubench run`: the main job."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from npubench.cli.options import Number, print_records, run_options, shared_options
from npubench.engine.plan import RunOptions

if TYPE_CHECKING:
    from npubench.engine.plan import Plan


@click.command()
@run_options
@shared_options("board")
@click.option("--simulate", is_flag=True, help="No board needed: rows hold the toolchain's own simulation.")
@click.option(
    "--stages",
    default="ops,models",
    metavar="ops,models,cpu,...",
    help="Kinds of cases; `cpu` and other benchmarks of the board itself run only when named here.",
)
@click.option(
    "--cpu-tool",
    type=click.Choice(["cpupeak", "megpeak"]),
    help="What the stage cpu runs: our probe (else), or a megpeak that lies on the board.",
)
@click.option(
    "--codec-engine",
    type=click.Choice(["pyav", "ffmpeg", "gstreamer", "command"]),
    help="What the stage codec runs; else what the board's file says, pyav here, ffmpeg elsewhere.",
)
@shared_options("precision")
@click.option(
    "--warmup",
    type=click.IntRange(0),
    help="Least runs before measuring, then until settled; 0: none. Else the board's own.",
)
@click.option("--repeat", type=click.IntRange(1), help="Least runs a round; else the board's own.")
@click.option(
    "--min-duration", "min_duration_s", type=Number(0), help="Least seconds a case; else the board's own."
)
@click.option("--rounds", type=click.IntRange(1), help="Rounds a case; else the board's own.")
@shared_options("calibration")
@click.option("--calibration-samples", "samples", type=click.IntRange(1), default=8, help="How many of them.")
@shared_options("jobs", "deadline", "wait")
@click.option("--dry-run", is_flag=True, help="Print the plan and stop.")
@click.option("--fresh", is_flag=True, help="Do everything again, whatever is there.")
@click.option("--strict", is_flag=True, help="Failed cases exit 1, unstable rows 6.")
@click.option("--quiet", is_flag=True, help="Print errors and the path of the report only.")
@shared_options("json", "out")
def run(
    options: RunOptions,
    cpu_tool: str | None,
    codec_engine: str | None,
    dry_run: bool,
    strict: bool,
    quiet: bool,
    as_json: bool,
) -> int:
    """Export, convert and benchmark CASES on boards, then write the report.

    CASES are names, globs or paths of .onnx files; without any, the suite `default`. What is
    finished is not done again: the same command continues an interrupted run.
    """
    from npubench.catalog import NODE_TESTS
    from npubench.cli.closing import say_outcome
    from npubench.cli.listeners import listener, say_refused
    from npubench.cli.report import page_stage
    from npubench.domain.errors import ExitCode
    from npubench.engine.assemble import plan_run
    from npubench.engine.run import MEASURE, RunOutcome, exit_code
    from npubench.engine.session import run_session

    cpu, codec = {"tool": cpu_tool} if cpu_tool else {}, {"engine": codec_engine} if codec_engine else {}
    options = replace(options, benchmark_options={"cpu": cpu, "codec": codec})
    style = _style(quiet, as_json)
    if NODE_TESTS in options.selection.suites:
        from npubench.cli import node_tests

        return node_tests.run(options, style, strict, dry_run)
    plan = plan_run(options, say_refused)
    if dry_run:
        _print_plan(plan, as_json, options)
        return ExitCode.USAGE if plan.refused else ExitCode.OK
    given = run_session(options, (MEASURE, page_stage()), plan, listener(style))
    say_outcome(given[RunOutcome], given[Path], style, options)
    return exit_code(given[RunOutcome], strict)


def _style(quiet: bool, as_json: bool) -> str:
    if quiet and as_json:
        raise click.UsageError("--quiet and --json exclude each other")
    return "quiet" if quiet else "json" if as_json else "auto"


def _print_plan(plan: "Plan", as_json: bool, options: RunOptions) -> None:
    from npubench.cli.closing import duration_told
    from npubench.domain.specs import Precision
    from npubench.domain.text import counted

    rows = [
        {
            "case": job.case.name,
            "board": job.board.name,
            "backend": job.backend,
            "precision": "" if job.precision is Precision.NONE else str(job.precision),
            "state": "to run" if job.done is None else f"done ({job.done})",
        }
        for job in plan.jobs
    ]
    print_records(rows, as_json)
    if as_json:
        return
    measured = [job.timing for job in plan.todo if job.compile_key and not job.board.simulated]
    seconds = sum(timing.warmup_min_s + timing.min_duration_s for timing in measured)
    takes = duration_told(options) if plan.todo else ""
    click.echo(
        f"{counted(len(plan.jobs), 'case')} planned, {len(plan.jobs) - len(plan.todo)} done,"
        f" {len(plan.todo)} to run: at least {seconds:.0f} s of measuring"
        + (f"; a first run of this suite takes {takes}" if takes else "")
    )
