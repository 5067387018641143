"""`npubench predict --chip`: graphs asked of what was published of a chip."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from npubench.cli.options import say_problem
from npubench.domain.errors import ExitCode, UsageError
from npubench.domain.layout import record_table, terminal_columns
from npubench.domain.text import about_file, path_meant, printable

if TYPE_CHECKING:
    from npubench.predict.on_chip import OnChip

HEAD = ("model", "mode", "precision", "publisher", "predicted", "low", "high", "unit", "rests on, or why not")


def ask(chip: str, models: Sequence[Path], precisions: Sequence[str], as_json: bool) -> int:
    """Answer for each model in every mode and precision that the chip has figures of."""
    from npubench.domain.records import Failure
    from npubench.graph.features import features_of_file
    from npubench.predict.completion import completion
    from npubench.predict.on_chip import ask_chip
    from npubench.published.chips import chip_of

    chip_of(chip)
    if not models:
        raise UsageError("name the .onnx files to predict")
    found: list[tuple[Path, OnChip]] = []
    broken = False
    for path in models:
        features = features_of_file(path) if path.is_file() else None
        if features is None or isinstance(features, Failure):
            told = (
                features.message
                if features
                else f"no such file{path_meant(path, ('.onnx',))}: correct its name"
            )
            say_problem(printable(about_file(path, told)))
            broken = True
        else:
            found.extend((path, one) for one in ask_chip(completion(), chip, features, precisions))
    if as_json:
        click.echo(json.dumps([_record(path, one) for path, one in found], indent=1, allow_nan=False))
    elif found:
        cells = [_cells(path, one) for path, one in found]
        click.echo("\n".join(record_table(HEAD, cells, terminal_columns(), right=HEAD[4:7])))
    if broken:
        return ExitCode.USAGE
    refused = {path for path, _ in found} - {path for path, one in found if _is_answered(one)}
    return ExitCode.NOTHING_MEASURED if refused else ExitCode.OK


def _is_answered(one: "OnChip") -> bool:
    from npubench.predict.answer import Prediction

    return isinstance(one.answer, Prediction)


def _record(path: Path, one: "OnChip") -> dict[str, object]:
    from npubench.predict.presentation import answer_record

    column, row, answer = one.sample.column, one.sample.row, one.answer
    told: dict[str, object] = {
        "model": str(path),
        "chip": column.chip,
        "mode": row.mode,
        "precision": row.precision,
        "publisher": column.publisher,
        "kind": "predicted",
        "metric": row.metric,
    }
    return {**told, **answer_record(answer)}


def _cells(path: Path, one: "OnChip") -> list[str]:
    from npubench.predict.answer import Prediction

    column, row, answer = one.sample.column, one.sample.row, one.answer
    where = [path.name, row.mode, row.precision, column.publisher]
    if not isinstance(answer, Prediction):
        return [printable(cell) for cell in (*where, "-", "-", "-", "", f"{answer.kind}: {answer.reason}")]
    figures = [f"{number:.4g}" for number in (answer.value, answer.low, answer.high)]
    told = "; ".join((str(answer.basis), *answer.rests_on))
    return [printable(cell) for cell in (*where, *figures, answer.unit, told)]
