"""`npubench accuracy`: a classifier's top-1 and top-5 on labelled data."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from npubench.cli.options import (
    Number,
    Selection,
    case_options,
    chosen_cases,
    json_option,
    load_catalog,
    out_option,
)
from npubench.domain.specs import Precision
from npubench.domain.text import printable, text_table

if TYPE_CHECKING:
    import numpy as np

    from npubench.cli.assemble import Boards
    from npubench.domain.protocols import Predicting, Session
    from npubench.domain.records import OnnxModel
    from npubench.domain.specs import BoardSpec, CaseSpec
    from npubench.engine.context import Context
    from npubench.measure.accuracy import DataFacts, Score, Share
    from npubench.measure.datasets import Dataset
    from npubench.storage.workspace import Workspace

    Array = np.ndarray[Any, Any]

MOST_CLASSES = 20
"""Classes that the terminal shows; accuracy.json has all."""


@dataclass(frozen=True, slots=True)
class _Wish:
    dataset: Path
    calibration: Path | None
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
    "--calibration",
    type=click.Path(path_type=Path),
    help="Arrays or images, a file or folder, to quantise with; else drawn from the data set.",
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
    "--deadline", type=Number(1), default=600.0, show_default=True, help="Seconds a stage may take."
)
@json_option
@out_option
def accuracy(
    selection: Selection,
    dataset: Path,
    boards: tuple[str, ...],
    precisions: tuple[str, ...],
    calibration: Path | None,
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
    from npubench.domain.errors import ExitCode
    from npubench.storage.files import write_atomically
    from npubench.storage.workspace import Workspace

    catalog = load_catalog(selection.catalog_folders)
    chosen = chosen_cases(catalog, selection)
    on = assemble.choose_boards(catalog, boards, reached=True)
    workspace = Workspace(out)
    workspace.create()
    with workspace.lock():
        scores = [
            score
            for case in chosen.cases
            for score in _scores(
                case,
                on,
                precisions,
                workspace,
                _Wish(dataset, calibration, calibration_samples, limit, selection.seed, deadline),
            )
        ]
        text = json.dumps([asdict(one) for one in scores], indent=1, allow_nan=False)
        write_atomically(workspace.root / "accuracy.json", f"{text}\n")
    click.echo(text if as_json else "", nl=as_json)
    if not as_json:
        _print(scores)
    if not any(score.top1 for score in scores):
        return ExitCode.NOTHING_MEASURED
    return ExitCode.USAGE if on.unknown or catalog.problems or chosen.missing else ExitCode.OK


def _scores(
    case: "CaseSpec", boards: "Boards", precisions: Sequence[str], workspace: "Workspace", wish: _Wish
) -> "Iterator[Score]":
    import numpy as np

    from npubench.cli import assemble
    from npubench.domain.specs import CalibrationSpec, TimingProtocol
    from npubench.engine import plugins
    from npubench.engine.accuracy import REFERENCE, Evaluation, board_scores, reference_score
    from npubench.engine.job import compile_target, export_only
    from npubench.measure.accuracy import Score

    request = assemble.make_request(TimingProtocol(), CalibrationSpec(seed=wish.seed), wish.deadline_s)
    (job, *_) = assemble.make_plan([case], boards, [], request, {}).jobs
    context = assemble.make_context(workspace, request, boards, [], fresh=False)
    exported = export_only(job, context)
    if exported.model is None:
        yield Score(case.name, REFERENCE, "onnxruntime", "fp32", None, False, 0, failure=exported.failure)
        return
    calibration, data, facts = _data(exported.model, wish)
    with workspace.job_folder() as folder:
        np.save(folder / "samples.npy", data.inputs)
        np.save(folder / "calibration.npy", calibration)
        told = replace(context, announce=lambda event: click.echo(printable(event.text), err=True))
        of = Evaluation(data, folder / "samples.npy", lambda board: _held(board, told), facts)
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
        spec = CalibrationSpec(
            folder / "calibration.npy", wish.seed, len(calibration), evaluation=folder / "samples.npy"
        )
        request = assemble.make_request(TimingProtocol(), spec, wish.deadline_s)
        plan = assemble.make_plan([case], boards, precisions, request, {})
        context = assemble.make_context(workspace, request, boards, [], fresh=False)
        yield from board_scores(plan.jobs, context, of, outputs)


def _held(board: "BoardSpec", context: "Context") -> "Session":
    """A session that holds its board: another run may be timing there."""
    from npubench.engine import plugins
    from npubench.engine.hold import hold

    session = plugins.transport(board.transport).connect(board)
    try:
        hold(session, board, context)
    except BaseException:
        session.close()
        raise
    return session


def _reference_backend() -> "Predicting":
    from npubench.domain.errors import ToolchainError
    from npubench.domain.protocols import Predicting
    from npubench.engine import plugins

    backend = plugins.backend("onnxruntime")
    if not isinstance(backend, Predicting):
        raise ToolchainError("the backend onnxruntime is not npubench's: it cannot run a data set")
    return backend


def _data(model: "OnnxModel", wish: _Wish) -> "tuple[Array, Dataset, DataFacts]":
    """Inputs to calibrate with, samples to evaluate on, none of which is among them, and what to say."""
    from npubench.domain.errors import UsageError
    from npubench.measure.datasets import facts, load, split

    path = wish.dataset
    if len(model.inputs) != 1 or len(model.inputs[0].shape) < 2:
        names = ", ".join(tensor.name for tensor in model.inputs)
        raise UsageError(f"{model.case} takes {names}: a data set is of one input with a batch")
    data = load(path, model.fed)
    if wish.calibration is not None:
        calibration, rest = _own_calibration(model, wish, wish.calibration), data
    else:
        if len(data) <= wish.calibration_samples:
            raise UsageError(
                f"{path} holds {len(data)} samples and {wish.calibration_samples} are for calibration:"
                " give --calibration-samples"
            )
        drawn, rest = split(data, wish.calibration_samples, wish.seed)
        calibration = drawn.inputs
    rest, told = _unseen(rest, calibration)
    if wish.limit is not None and wish.limit < len(rest):
        rest, _ = split(rest, wish.limit, wish.seed + 1)
    notes = "; ".join(one for one in (data.note, told) if one)
    return calibration, rest, facts(replace(data, note=notes), len(calibration), len(rest))


def _own_calibration(model: "OnnxModel", wish: _Wish, path: Path) -> "Array":
    import numpy as np

    from npubench.measure.calibration import every_sample

    samples = every_sample(model.fed, path, wish.calibration_samples, wish.seed)
    return np.concatenate([one[model.inputs[0].name] for one in samples])


def _unseen(rest: "Dataset", calibration: "Array") -> "tuple[Dataset, str]":
    """The samples that did not calibrate; all where there are no others, which is told."""
    from npubench.measure.datasets import without

    left, equal = without(rest, calibration)
    if not equal:
        return rest, ""
    if not len(left):
        return rest, "every sample is equal to one that calibrates: evaluated on these, give others"
    return left, f"{equal} samples are equal to one that calibrates: not evaluated on"


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
