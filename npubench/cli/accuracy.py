"""`npubench accuracy`: a classifier's top-1 and top-5 on labelled data."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from npubench.cli.options import Selection, case_options, chosen_cases, json_option, load_catalog, out_option
from npubench.cli.terminal import columns, printable
from npubench.specs import Precision

if TYPE_CHECKING:
    from npubench.cli.assemble import Boards
    from npubench.dataset import Dataset
    from npubench.engine.context import Context
    from npubench.protocols import Predicting, Session
    from npubench.records import OnnxModel
    from npubench.specs import BoardSpec, CaseSpec
    from npubench.task_accuracy import Score, Share
    from npubench.workspace import Workspace


@dataclass(frozen=True, slots=True)
class _Wish:
    dataset: Path
    calibration_samples: int
    limit: int | None
    seed: int
    deadline_s: float


@click.command()
@case_options
@click.option(
    "--dataset",
    required=True,
    type=click.Path(path_type=Path),
    help="Class folders of .npy or images; or inputs.npy and labels.npy, or one .npz with both.",
)
@click.option(
    "--board", "boards", multiple=True, default=("local",), show_default=True, help="A board. Repeatable."
)
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
    "--calibration-samples",
    type=click.IntRange(1),
    default=64,
    show_default=True,
    help="Samples drawn for quantisation; they are not evaluated on.",
)
@click.option("--limit", type=click.IntRange(1), help="Evaluate on so many, drawn; simulators are slow.")
@click.option(
    "--deadline", type=click.FloatRange(1), default=600.0, show_default=True, help="Seconds a stage may take."
)
@json_option
@out_option
def accuracy(
    selection: Selection,
    dataset: Path,
    boards: tuple[str, ...],
    precisions: tuple[str, ...],
    calibration_samples: int,
    limit: int | None,
    deadline: float,
    as_json: bool,
    out: Path,
) -> int:
    """Top-1 and top-5 of CASES on a data set: FP32, and what each board's toolchain makes of it.

    The drop against FP32 is told with its 95 % interval, on the same samples, and the layers that lose
    most where the toolchain tells. Also written to OUT/accuracy.json.
    """
    from npubench.cli import assemble
    from npubench.errors import ExitCode
    from npubench.filesystem import write_atomically
    from npubench.workspace import Workspace

    catalog = load_catalog(selection.catalog_folders)
    cases = chosen_cases(catalog, selection)
    on = assemble.choose_boards(catalog, boards, reached=True)
    workspace = Workspace(out)
    workspace.create()
    with workspace.lock():
        scores = [
            score
            for case in cases
            for score in _scores(
                case,
                on,
                precisions,
                workspace,
                _Wish(dataset, calibration_samples, limit, selection.seed, deadline),
            )
        ]
        text = json.dumps([asdict(one) for one in scores], indent=1, allow_nan=False)
        write_atomically(workspace.root / "accuracy.json", f"{text}\n")
    click.echo(text if as_json else "", nl=as_json)
    if not as_json:
        _print(scores)
    if not any(score.top1 for score in scores):
        return ExitCode.NOTHING_MEASURED
    return ExitCode.USAGE if on.unknown or catalog.problems else ExitCode.OK


def _scores(
    case: "CaseSpec", boards: "Boards", precisions: Sequence[str], workspace: "Workspace", wish: _Wish
) -> "Iterator[Score]":
    import numpy as np

    from npubench import plugins
    from npubench.cli import assemble
    from npubench.engine.accuracy import REFERENCE, Evaluation, board_scores, reference_score
    from npubench.engine.job import compile_target, export_only
    from npubench.specs import CalibrationSpec, TimingProtocol
    from npubench.task_accuracy import Score

    request = assemble.make_request(TimingProtocol(), CalibrationSpec(seed=wish.seed), wish.deadline_s)
    (job, *_) = assemble.make_plan([case], boards, [], request, {}).jobs
    context = assemble.make_context(workspace, request, boards, [], fresh=False)
    exported = export_only(job, context)
    if exported.model is None:
        yield Score(case.name, REFERENCE, "onnxruntime", "fp32", None, False, 0, failure=exported.failure)
        return
    calibration, data = _data(exported.model, wish)
    with workspace.job_folder() as folder:
        np.save(folder / "samples.npy", data.inputs)
        np.save(folder / "calibration.npy", calibration.inputs)
        told = replace(context, announce=lambda event: click.echo(printable(event.text), err=True))
        of = Evaluation(data, folder / "samples.npy", lambda board: _held(board, told))
        target = replace(compile_target(job, context), precision=Precision.FP32)
        reference, outputs = reference_score(
            exported.model,
            _reference_backend(),
            lambda: plugins.transport("local").connect(job.board),
            of,
            target,
            folder,
            exported.log,
        )
        yield reference
        if outputs is None:
            return
        spec = CalibrationSpec(folder / "calibration.npy", wish.seed, len(calibration))
        request = assemble.make_request(TimingProtocol(), spec, wish.deadline_s)
        plan = assemble.make_plan([case], boards, precisions, request, {})
        context = assemble.make_context(workspace, request, boards, [], fresh=False)
        yield from board_scores(plan.jobs, context, of, outputs)


def _held(board: "BoardSpec", context: "Context") -> "Session":
    """A session that holds its board: another run may be timing there."""
    from npubench import plugins
    from npubench.engine.hold import hold

    session = plugins.transport(board.transport).connect(board)
    try:
        hold(session, board, context)
    except BaseException:
        session.close()
        raise
    return session


def _reference_backend() -> "Predicting":
    from npubench import plugins
    from npubench.errors import ToolchainError
    from npubench.protocols import Predicting

    backend = plugins.backend("onnxruntime")
    if not isinstance(backend, Predicting):
        raise ToolchainError("the backend onnxruntime is not npubench's: it cannot run a data set")
    return backend


def _data(model: "OnnxModel", wish: _Wish) -> "tuple[Dataset, Dataset]":
    from npubench.dataset import load, split
    from npubench.errors import UsageError

    path, count = wish.dataset, wish.calibration_samples
    if len(model.inputs) != 1 or len(model.inputs[0].shape) < 2:
        names = ", ".join(tensor.name for tensor in model.inputs)
        raise UsageError(f"{model.case} takes {names}: a data set is of one input with a batch")
    data = load(path, model.inputs[0], model.preprocessing)
    if len(data) <= count:
        raise UsageError(
            f"{path} holds {len(data)} samples and {count} are for calibration: give --calibration-samples"
        )
    if data.note:
        click.echo(f"npubench: {printable(data.note)}", err=True)
    calibration, rest = split(data, count, wish.seed)
    if wish.limit is not None and wish.limit < len(rest):
        rest, _ = split(rest, wish.limit, wish.seed + 1)
    return calibration, rest


def _print(scores: "Sequence[Score]") -> None:
    from npubench.task_accuracy import DROP_METHOD, SHARE_METHOD

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
    click.echo(columns(header, rows))
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


def _percent(share: "Share | None") -> str:
    if share is None:
        return "-"
    return f"{100 * share.value:.2f} ({100 * share.low:.2f} to {100 * share.high:.2f})"
