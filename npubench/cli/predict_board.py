"""`npubench predict --board`: graphs asked of a board's calibration; `--fit` makes it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from npubench.cli.options import say_problem
from npubench.domain.errors import ExitCode, UsageError
from npubench.domain.specs import CaseKind, Precision
from npubench.domain.text import about_file, path_meant, printable

if TYPE_CHECKING:
    from npubench.domain.specs import BoardSpec
    from npubench.engine.calibrate import FileKernels
    from npubench.predict.answer import Answer
    from npubench.predict.calibration import BoardModel, Read


@dataclass(frozen=True, slots=True)
class BoardQuestion:
    """What is asked of a board."""

    board: str
    models: tuple[Path, ...]
    precisions: tuple[str, ...] = ()
    simulated_qps: float | None = None  # of the one model, by the simulator of the board's compiler
    calibration: Path | None = None  # the file; None: where it is looked for
    out: Path = Path("npubench-out")  # results that may be newer, or hold a simulation
    catalogs: tuple[Path, ...] = ()
    shapes: tuple[str, ...] = ()  # NAME=1x3x224x224: fixes dynamic inputs


@dataclass(frozen=True, slots=True)
class BoardAnswer:
    """A model's answer in one precision."""

    model: Path
    precision: Precision
    answer: "Answer"


def fit(question: BoardQuestion, networks: Sequence[str], *, published: bool, simulate: bool) -> int:
    """Fit a board's calibration and write it."""
    from npubench.catalog import find_board
    from npubench.cli.listeners import listener
    from npubench.engine.assemble import load_catalog
    from npubench.engine.calibrate import fit_board, sweep_options
    from npubench.engine.plan import CaseOptions, RunOptions
    from npubench.predict.calibration import own_file, to_toml, write
    from npubench.predict.from_tables import published_boards

    find_board(load_catalog(question.catalogs), question.board)
    path = question.calibration or own_file(question.board)
    if path is None:
        raise UsageError("this account has no home to keep the calibration in: name a --calibration file")
    if published:
        known = published_boards()
        if question.board not in known:
            raise UsageError(f"no published table calibrates {question.board}: there are {', '.join(known)}")
        made = known[question.board].calibration()
    else:
        options = RunOptions(
            boards=(question.board,),
            precisions=question.precisions,
            simulate=simulate,
            out=question.out,
            selection=CaseOptions(tuple(networks), shapes=question.shapes, catalog_folders=question.catalogs),
        )
        with listener("auto") as hear:
            made = fit_board(sweep_options(options), hear)
    write(made, path)
    for model in made.models:
        networks_of = ", ".join(map(printable, model.networks)) or "no network: bands are wide"
        click.echo(f"{model.precision}: {model.operators} operators, {networks_of}")
    click.echo(f"calibration of {made.board}: {path} ({len(to_toml(made))} bytes)")
    return ExitCode.OK


def ask_board(question: BoardQuestion, as_json: bool) -> int:
    """Answer for every model in every precision, in their order."""
    from npubench.catalog import find_board
    from npubench.engine.assemble import load_catalog
    from npubench.predict.calibration import find

    board = find_board(load_catalog(question.catalogs), question.board)
    if not question.models:
        raise UsageError("name the .onnx files to predict, or --fit to calibrate the board")
    read = find(question.board, question.calibration)
    models = _chosen(read, question)
    if question.simulated_qps is not None and len(question.models) > 1:
        raise UsageError("--simulated-qps is of one model: name one")
    answers: list[BoardAnswer] = []
    broken = False
    for path in question.models:
        try:
            answers.extend(_answers(path, board, models, read, question))
        except UsageError as error:
            say_problem(printable(about_file(path, str(error))))
            broken = True
    older = _older(read, question)
    if as_json:
        click.echo(json.dumps([_record(one, read, older) for one in answers], indent=1, allow_nan=False))
    else:
        for one in answers:
            click.echo("\n".join(_lines(one, read, older)))
    if broken:
        return ExitCode.USAGE
    refused = any(_is_refusal(one.answer) for one in answers)
    return ExitCode.NOTHING_MEASURED if refused else ExitCode.OK


def _chosen(read: "Read", question: BoardQuestion) -> "list[BoardModel]":
    have = {str(model.precision): model for model in read.calibration.models}
    for one in question.precisions:
        if one not in have:
            known = ", ".join(have)
            again = f"npubench predict --fit --board {question.board} --precision {one}"
            raise UsageError(f"board {question.board} is calibrated for {known}, not for {one}: {again}")
    return [have[one] for one in question.precisions or have]


def _answers(
    path: Path, board: "BoardSpec", models: "Sequence[BoardModel]", read: "Read", question: BoardQuestion
) -> list[BoardAnswer]:
    from npubench.engine.calibrate import file_kernels
    from npubench.predict.answer import Refusal, RefusalKind
    from npubench.predict.ask import Asked, ask, with_hash
    from npubench.predict.kernels import UncountedError

    if not path.is_file():
        told = f"{path}: no such file{path_meant(path, ('.onnx',))}"
        hint = f"npubench export {path.name} --out ." if path.suffix != ".onnx" else "correct its name"
        raise UsageError(f"{told}: {hint}")
    try:
        graphs = file_kernels(path, board, [model.precision for model in models], question.shapes)
    except UncountedError as error:
        kind, settled = RefusalKind.OPERATORS, [_settling(question.board, path, one) for one in models]
        refused = [Refusal(kind, str(error), command=command) for command in settled]
        return [BoardAnswer(path, one.precision, no) for one, no in zip(models, refused, strict=True)]
    found = []
    for model in models:
        graph = graphs[model.precision]
        compiler_us = _compiler_us(graph, model, question)
        used = model if compiler_us is None else _knowing(question.board, graph, compiler_us)
        asked = Asked(
            printable(path.name), graph.kernels, _settling(question.board, path, model), compiler_us
        )
        found.append(BoardAnswer(path, model.precision, with_hash(ask(used, asked), read.sha256)))
    return found


def _settling(board: str, path: Path, model: "BoardModel") -> str:
    """What would give the figure: a run on the board, or what its compiler simulates."""
    if len(model.design.targets) > 1:
        return f"npubench predict --board {board} --simulated-qps QPS {printable(str(path))}"
    return f"npubench run --board {board} --precision {model.precision} {printable(str(path))}"


def _compiler_us(graph: "FileKernels", model: "BoardModel", question: BoardQuestion) -> float | None:
    """What the compiler's simulator says of a graph: as told, or a row of the results."""
    from npubench.domain.figures import Kind
    from npubench.storage.store import Store

    simulated = len(model.design.targets) > 1
    if question.simulated_qps is not None:
        if not simulated:
            told = f"the calibration of {question.board} knows no simulator"
            raise UsageError(f"--simulated-qps: {told}: leave it out")
        return 1e6 / question.simulated_qps
    database = question.out / "results.db"
    if not simulated or not database.is_file():
        return None
    with Store.read(database) as store:
        rows = store.latest(board=question.board)
    rates = (
        figures.throughput_fps
        for row in rows if row.onnx_sha256 == graph.sha256 and row.precision is model.precision
        for figures in row.all_figures if figures.kind is Kind.SIMULATED
    )  # fmt: skip
    return next((1e6 / rate for rate in rates if rate), None)


def _knowing(board: str, graph: "FileKernels", compiler_us: float) -> "BoardModel":
    from npubench.predict.from_tables import published_boards

    known = published_boards().get(board)
    if known is None:
        raise UsageError(f"--simulated-qps: no published table calibrates {board}: leave it out")
    return known.knowing(graph.kernels, compiler_us)


def _older(read: "Read", question: BoardQuestion) -> str:
    """What says that the calibration was made with older data; empty where nothing does."""
    from npubench.engine.calibrate import time_of
    from npubench.predict.from_tables import published_boards
    from npubench.storage.store import Store

    calibration, again = read.calibration, f"npubench predict --fit --board {question.board}"
    published = published_boards().get(question.board)
    if not calibration.rows_until:
        told = {model.data_sha256 for model in calibration.models}
        if published and told != {published.data_sha256}:
            return f"made with older data than the published tables: {again} --published"
        return ""
    database = question.out / "results.db"
    if not database.is_file():
        return ""
    names = {name for model in calibration.models for name in model.networks}
    with Store.read(database) as store:
        rows = store.latest(board=question.board, brief=True)
    newer = [row for row in rows if row.started_at > calibration.rows_until and time_of(row) is not None]
    counted = sum(row.case_kind is CaseKind.OPERATOR or row.case in names for row in newer)
    return f"made with older data: {counted} rows of {question.out} are newer: {again}" if counted else ""


def _is_refusal(answer: "Answer") -> bool:
    from npubench.predict.answer import Refusal

    return isinstance(answer, Refusal)


def _record(one: BoardAnswer, read: "Read", older: str) -> dict[str, object]:
    from npubench.predict.presentation import answer_record

    answer, calibration = one.answer, read.calibration
    told: dict[str, object] = {
        "model": str(one.model),
        "board": calibration.board,
        "chip": calibration.chip,
        "precision": str(one.precision),
        "kind": "predicted",
        "figure": calibration.figure,
        "calibration": str(read.path),
        "calibration_sha256": read.sha256,
        "older_data": older,
    }
    return {**told, **answer_record(answer)}


def _lines(one: BoardAnswer, read: "Read", older: str) -> list[str]:
    from npubench.predict.answer import Prediction

    answer, calibration = one.answer, read.calibration
    head = f"{printable(one.model.name)} on {calibration.board} ({one.precision}):"
    if not isinstance(answer, Prediction):
        return [f"{head} no prediction: {printable(answer.reason)}", f"  to settle it: {answer.command}"]
    band = f"90 % band {answer.low:.4g} to {answer.high:.4g} {answer.unit}"
    lines = [f"{head} {answer.value:.4g} {answer.unit} predicted, {band}", f"  rests on: {answer.basis}"]
    lines.extend(f"    {printable(line)}" for line in answer.rests_on)
    if answer.costs:
        shares = answer.costs
        named = ("compute", shares.compute), ("memory", shares.memory), ("fixed", shares.fixed)
        lines.append(f"  costs: {', '.join(f'{name} {100 * share:.0f} %' for name, share in named)}")
    lines.append(f"  figure: {printable(calibration.figure)}")
    hashes = f"data {answer.data_sha256[:12]}, calibration {read.sha256[:12]} ({read.path.name})"
    lines.append(f"  {hashes}{f'; {older}' if older else ''}")
    return lines
