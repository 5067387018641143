"""`npubench run`: the main job."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from npubench.cli.options import (
    Number,
    Selection,
    calibration_option,
    case_options,
    json_option,
    load_catalog,
    out_option,
)

if TYPE_CHECKING:
    from npubench.catalog import Catalog
    from npubench.domain.specs import TimingProtocol
    from npubench.engine.plan import Plan


@click.command()
@case_options
@click.option(
    "--board", "boards", multiple=True, default=("local",), show_default=True, help="A board. Repeatable."
)
@click.option("--simulate", is_flag=True, help="No board needed: rows hold the toolchain's own simulation.")
@click.option(
    "--stages",
    "stages_text",
    default="ops,models",
    show_default=True,
    metavar="ops,models,cpu,...",
    help="Kinds of cases; `cpu` and other benchmarks of the board itself run only when named here.",
)
@click.option(
    "--cpu-tool",
    type=click.Choice(["cpupeak", "megpeak"]),
    default=None,
    help="What the stage cpu runs: our probe (else), or a megpeak that lies on the board.",
)
@click.option(
    "--codec-engine",
    type=click.Choice(["pyav", "ffmpeg", "gstreamer", "command"]),
    help="What the stage codec runs; else what the board's file says, pyav here, ffmpeg elsewhere.",
)
@click.option(
    "--precision",
    "precisions",
    multiple=True,
    type=click.Choice(["fp32", "int8"]),
    help="Only these; else all that the board has. Repeatable.",
)
@click.option(
    "--warmup",
    type=click.IntRange(0),
    default=10,
    show_default=True,
    help="Least runs before measuring, then until settled; 0: none.",
)
@click.option("--repeat", type=click.IntRange(1), default=64, show_default=True, help="Least runs a round.")
@click.option("--min-duration", type=Number(0), default=3.0, show_default=True, help="Least seconds a case.")
@click.option("--rounds", type=click.IntRange(1), default=3, show_default=True, help="Rounds a case.")
@calibration_option
@click.option(
    "--calibration-samples", type=click.IntRange(1), default=8, show_default=True, help="How many of them."
)
@click.option("--jobs", type=click.IntRange(1), default=None, help="Exports and conversions at once.")
@click.option(
    "--deadline", type=Number(1), default=600.0, show_default=True, help="Seconds a stage may take."
)
@click.option(
    "--wait",
    type=Number(0),
    metavar="SECONDS",
    help="How long to wait for a board that another run holds; 0: not at all. Else without end.",
)
@click.option("--dry-run", is_flag=True, help="Print the plan and stop.")
@click.option("--fresh", is_flag=True, help="Do everything again, whatever is there.")
@click.option("--strict", is_flag=True, help="Failed cases exit 1, unstable rows 6.")
@click.option("--quiet", is_flag=True, help="Print errors and the path of the report only.")
@json_option
@out_option
def run(
    selection: Selection,
    boards: tuple[str, ...],
    simulate: bool,
    stages_text: str,
    cpu_tool: str | None,
    codec_engine: str | None,
    precisions: tuple[str, ...],
    warmup: int,
    repeat: int,
    min_duration: float,
    rounds: int,
    calibration: Path | None,
    calibration_samples: int,
    jobs: int | None,
    deadline: float,
    wait: float | None,
    dry_run: bool,
    fresh: bool,
    strict: bool,
    quiet: bool,
    as_json: bool,
    out: Path,
) -> int:
    """Export, convert and benchmark CASES on boards, then write the report.

    CASES are names, globs or paths of .onnx files; without any, the suite `default`. What is
    finished is not done again: the same command continues an interrupted run.
    """
    from npubench.catalog import NODE_TESTS
    from npubench.cli import assemble, stages
    from npubench.domain.specs import CalibrationSpec, TimingProtocol

    catalog = load_catalog(selection.catalog_folders)
    if NODE_TESTS in selection.suites:
        return _node_tests(catalog, selection, boards, out, fresh, strict, _style(quiet, as_json), dry_run)
    wanted = stages.parse(stages_text)
    chosen = stages.cases_of(wanted, catalog, selection)
    on = assemble.choose_boards(catalog, boards, simulate, reached=True)
    timing = TimingProtocol(warmup=warmup, repeat=repeat, min_duration_s=min_duration, rounds=rounds)
    request = assemble.make_request(
        timing, CalibrationSpec(calibration, selection.seed, calibration_samples), deadline
    )
    finished = {} if fresh else assemble.finished_keys(out, deadline)
    told: dict[str, dict[str, Any]] = {
        "cpu": {"tool": cpu_tool} if cpu_tool else {},
        "codec": {"engine": codec_engine} if codec_engine else {},
    }
    benchmarks = stages.benchmark_jobs(wanted, on, told, finished)
    plan = assemble.make_plan(chosen.cases, on, precisions, request, finished, benchmarks)
    wrong_input = on.unknown + len(catalog.problems) + len(chosen.missing)
    if dry_run:
        _print_plan(plan, timing, as_json)
        return 2 if wrong_input else 0
    from npubench.cli.execute import execute

    return execute(plan, on, request, out, jobs, fresh, strict, _style(quiet, as_json), wrong_input, wait)


def _node_tests(
    catalog: "Catalog",
    selection: Selection,
    boards: tuple[str, ...],
    out: Path,
    fresh: bool,
    strict: bool,
    style: str,
    dry_run: bool,
) -> int:
    """ONNX's own tests bring their data and are no cases of the catalogue: they run by themselves."""
    from npubench.catalog import NODE_TESTS, find_board
    from npubench.cli import node_tests

    if len(selection.suites) > 1 or selection.cases or len(boards) > 1:
        raise click.UsageError(f"--suite {NODE_TESTS} goes alone: without cases, other suites and boards")
    board = find_board(catalog, boards[0])
    if dry_run:
        return node_tests.print_plan(board, out, fresh, style)
    return node_tests.run_node_tests(board, out, fresh, strict, style)


def _style(quiet: bool, as_json: bool) -> str:
    if quiet and as_json:
        raise click.UsageError("--quiet and --json exclude each other")
    return "quiet" if quiet else "json" if as_json else "auto"


def _print_plan(plan: "Plan", timing: "TimingProtocol", as_json: bool) -> None:
    from npubench.domain.specs import Precision

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
    if as_json:
        import json

        click.echo(json.dumps(rows, indent=1))
        return
    from npubench.domain.text import counted

    _print_rows(rows)
    measured = sum(bool(job.compile_key) and not job.board.simulated for job in plan.todo)
    seconds = measured * (timing.warmup_min_s + timing.min_duration_s)
    click.echo(
        f"{counted(len(plan.jobs), 'case')} planned, {len(plan.jobs) - len(plan.todo)} done,"
        f" {len(plan.todo)} to run: at least {seconds:.0f} s of measuring"
    )


def _print_rows(rows: Sequence[dict[str, str]]) -> None:
    from npubench.domain.text import text_table

    if rows:
        click.echo(text_table(list(rows[0]), [list(row.values()) for row in rows]))
