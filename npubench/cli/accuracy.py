"""`npubench accuracy`: a classifier's top-1 and top-5 on labelled data."""

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click

from npubench.cli.options import board_option, deadline_option, json_option, out_option, run_options
from npubench.domain.text import printable, text_table
from npubench.engine.plan import RunOptions

if TYPE_CHECKING:
    from npubench.measure.accuracy import Score, Share

MOST_CLASSES = 20
"""Classes that the terminal shows; accuracy.json has all."""


@click.command()
@run_options
@click.option(
    "--dataset",
    required=True,
    type=click.Path(path_type=Path),
    help="Class folders of .npy or images; or inputs.npy and labels.npy, or one .npz with both.",
)
@board_option
@click.option(
    "--precision",
    "precisions",
    multiple=True,
    type=click.Choice(["fp32", "int8"]),
    default=("int8",),
    show_default=True,
    help="Repeatable; FP32 in ONNX Runtime is the reference in any case.",
)
@click.option(
    "--calibration",
    type=click.Path(path_type=Path),
    help="Arrays or images, a file or folder, to quantise with; else drawn from the data set.",
)
@click.option(
    "--calibration-samples",
    "samples",
    type=click.IntRange(1),
    default=64,
    show_default=True,
    help="Samples drawn for quantisation; they are not evaluated on.",
)
@click.option("--limit", type=click.IntRange(1), help="Evaluate on so many, drawn; simulators are slow.")
@deadline_option
@json_option
@out_option
def accuracy(options: RunOptions, dataset: Path, limit: int | None, as_json: bool) -> int:
    """Top-1 and top-5 of CASES on a data set: FP32, and what each board's toolchain makes of it.

    The drop against FP32 is told with its 95 % interval, on the same samples, and the layers that lose
    most where the toolchain tells. Also written to OUT/accuracy.json.
    """
    from npubench.cli.listeners import say_notes, say_refused
    from npubench.domain.errors import ExitCode
    from npubench.engine.accuracy import AccuracyOptions, Scores, accuracy_stages, plan_accuracy
    from npubench.engine.session import SessionSetup, run_session

    asked = AccuracyOptions(options, dataset, limit)
    plan = plan_accuracy(asked, say_refused)
    setup = SessionSetup(options, plan, nullcontext(say_notes), stored=False)
    given = run_session(setup, accuracy_stages(asked))
    if as_json:
        click.echo(given[Path].read_text(encoding="utf-8"), nl=False)
    else:
        _print(given[Scores].scores)
    if not any(score.top1 for score in given[Scores].scores):
        return ExitCode.NOTHING_MEASURED
    return ExitCode.USAGE if plan.refused else ExitCode.OK


def _print(scores: "Sequence[Score]") -> None:
    from npubench.measure.accuracy import DROP_METHOD, SHARE_METHOD

    header = [
        "case",
        "board",
        "precision",
        "kind",
        "samples",
        "top-1",
        "top-5",
        "drop of top-1",
        "drop of top-5",
    ]
    rows = [
        [
            score.case,
            score.board + (" (emulated)" if score.emulated else ""),
            score.precision,
            str(score.kind or "-"),
            str(score.samples),
            *(_percent(one) for one in (score.top1, score.top5, score.drop_top1, score.drop_top5)),
        ]
        for score in scores
    ]
    click.echo(text_table(header, rows))
    _print_data(scores)
    for score in scores:
        if score.failure is not None:
            failure = f"{score.failure.stage}: {score.failure.failure_class}: {score.failure.message}"
            click.echo(printable(f"{score.case} on {score.board} {score.precision}: failed: {failure}"))
        for note in score.notes:
            click.echo(printable(f"{score.case} on {score.board}: {note}"))
        for loss in score.losses:
            where = f"{score.case} on {score.board}: {loss.op} {loss.name}"
            click.echo(printable(f"{where}: cosine {loss.cosine:.5f} against FP32"))
    click.echo(f"shares: {SHARE_METHOD}; drops in points: {DROP_METHOD}")


def _print_data(scores: "Sequence[Score]") -> None:
    """Once a case: samples, classes by their number in the outputs, and what was left out."""
    for case, data in {score.case: score.data for score in scores if score.data is not None}.items():
        click.echo(
            printable(f"{case}: {data.calibrated} samples calibrate, {data.evaluated} are evaluated on")
        )
        shown = [f"{one.number} {one.name} ({one.samples})" for one in data.classes[:MOST_CLASSES]]
        more = [f"and {len(data.classes) - len(shown)} more"] if len(data.classes) > len(shown) else []
        click.echo(printable(f"{case}: classes (samples): {', '.join([*shown, *more])}"))
        for left in data.left_out:
            named = ", ".join([*left.names, *(["..."] if left.count > len(left.names) else [])])
            click.echo(printable(f"{case}: left out, {left.why}: {left.count} ({named})"))
        if data.note:
            click.echo(printable(f"{case}: {data.note}"))


def _percent(share: "Share | None") -> str:
    if share is None:
        return "-"
    return f"{100 * share.value:.2f} ({100 * share.low:.2f} to {100 * share.high:.2f})"
