"""`npubench accuracy`: a classifier's top-1 and top-5 on labelled data."""

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click

from npubench.cli.options import PATH, print_records, run_options, shared_options
from npubench.domain.text import printable
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
    type=PATH,
    help="Class folders of .npy or images; or inputs.npy and labels.npy, or one .npz with both.",
)
@shared_options("board")
@click.option(
    "--precision",
    "precisions",
    multiple=True,
    type=click.Choice(["fp32", "int8"]),
    default=("int8",),
    help="Repeatable; FP32 in ONNX Runtime is the reference in any case.",
)
@click.option(
    "--calibration",
    type=PATH,
    help="Arrays or images, a file or folder, to quantise with; else drawn from the data set.",
)
@click.option(
    "--calibration-samples",
    "samples",
    type=click.IntRange(1),
    default=64,
    help="Samples drawn for quantisation; they are not evaluated on.",
)
@click.option("--limit", type=click.IntRange(1), help="Evaluate on so many, drawn; simulators are slow.")
@shared_options("deadline", "json", "out")
def accuracy(options: RunOptions, dataset: Path, limit: int | None, as_json: bool) -> int:
    """Top-1 and top-5 of CASES on a data set: FP32, and what each board's toolchain makes of it.

    The drop against FP32 is told with its 95 % interval, on the same samples, and the layers that lose
    most where the toolchain tells. Also written to OUT/accuracy.json.
    """
    from npubench.cli.listeners import say_notes, say_refused
    from npubench.domain.errors import ExitCode
    from npubench.engine.accuracy import AccuracyOptions, Scores, accuracy_stages, plan_accuracy
    from npubench.engine.session import run_session

    asked = AccuracyOptions(options, dataset, limit)
    plan = plan_accuracy(asked, say_refused)
    given = run_session(options, accuracy_stages(asked), plan, nullcontext(say_notes), stored=False)
    if as_json:
        click.echo(given[Path].read_text(encoding="utf-8"), nl=False)
    else:
        _print(given[Scores].scores)
    if not any(score.top1 for score in given[Scores].scores):
        return ExitCode.NOTHING_MEASURED
    return ExitCode.USAGE if plan.refused else ExitCode.OK


def _print(scores: "Sequence[Score]") -> None:
    from npubench.measure.accuracy import DROP_METHOD, SHARE_METHOD

    rows = [
        {
            "case": score.case,
            "board": score.board + (" (emulated)" if score.emulated else ""),
            "precision": score.precision,
            "kind": str(score.kind or "-"),
            "samples": str(score.samples),
            "top-1": _percent(score.top1),
            "top-5": _percent(score.top5),
            "drop of top-1": _percent(score.drop_top1),
            "drop of top-5": _percent(score.drop_top5),
        }
        for score in scores
    ]
    print_records(rows)
    _print_data(scores)
    for score in scores:
        where = f"{score.case} on {score.board}"
        if (why := score.failure) is not None:
            failure = f"{why.stage}: {why.failure_class}: {why.message}"
            click.echo(printable(f"{where} {score.precision}: failed: {failure}"))
        losses = (f"{one.op} {one.name}: cosine {one.cosine:.5f} against FP32" for one in score.losses)
        for line in (*score.notes, *losses):
            click.echo(printable(f"{where}: {line}"))
    click.echo(f"shares: {SHARE_METHOD}; drops in points: {DROP_METHOD}")


def _print_data(scores: "Sequence[Score]") -> None:
    """Once a case: samples, classes by their number in the outputs, and what was left out."""
    for case, data in {score.case: score.data for score in scores if score.data is not None}.items():
        shown = [f"{one.number} {one.name} ({one.samples})" for one in data.classes[:MOST_CLASSES]]
        more = [f"and {len(data.classes) - len(shown)} more"] if len(data.classes) > len(shown) else []
        lines = [
            f"{data.calibrated} samples calibrate, {data.evaluated} are evaluated on",
            f"classes (samples): {', '.join([*shown, *more])}",
        ]
        for left in data.left_out:
            named = ", ".join([*left.names, *(["..."] if left.count > len(left.names) else [])])
            lines.append(f"left out, {left.why}: {left.count} ({named})")
        for line in (*lines, *filter(None, [data.note])):
            click.echo(printable(f"{case}: {line}"))


def _percent(share: "Share | None") -> str:
    if share is None:
        return "-"
    return f"{100 * share.value:.2f} ({100 * share.low:.2f} to {100 * share.high:.2f})"
