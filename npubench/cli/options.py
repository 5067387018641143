"""Options that several commands share, and the catalogue they lead to."""

import math
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from npubench.domain.errors import UsageError
from npubench.domain.text import printable

if TYPE_CHECKING:
    from npubench.catalog import Catalog, Found
    from npubench.domain.specs import Shape

DEFAULT_OUT = Path("npubench-out")

out_option = click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=DEFAULT_OUT,
    envvar="NPUBENCH_OUT",
    show_default=True,
    help="Folder of results: models, artifacts, logs, results.db, report.html.",
)
catalog_option = click.option(
    "--catalog",
    "catalog_folders",
    type=click.Path(path_type=Path),
    multiple=True,
    help="Your own folder with ops/ models/ boards/ suites/; adds to or overrides ours. Repeatable.",
)
calibration_option = click.option(
    "--calibration",
    type=click.Path(path_type=Path),
    help="Arrays (.npy, .npz) or images, a file or folder, some held out to compare on; else seeded.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="JSON for machines.")


class Number(click.FloatRange):
    """A number of a range, and a number: `nan` passes every comparison, and `inf` ends none."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The number; a usage error for what is none."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a number that can be reached.", param, ctx)
        return number


batch_axis_option = click.option(
    "--batch-axis",
    "batch_axes",
    multiple=True,
    metavar="[NAME=]AXIS|none",
    help="Axis along which an input holds samples; none: a call is one sample. Repeatable.",
)


@dataclass(frozen=True, slots=True)
class Selection:
    """What a command line says of its cases; `case_options` gathers it."""

    cases: tuple[str, ...]
    suites: tuple[str, ...]
    shapes: tuple[str, ...]
    batch_axes: tuple[str, ...]
    checkpoints: tuple[str, ...]
    task: str
    seed: int
    catalog_folders: tuple[Path, ...]


def case_options(function: Callable[..., int]) -> Callable[..., int]:
    """CASES, --suite, --shape, --batch-axis, --checkpoint, --task, --seed and --catalog, as a `selection`."""

    @wraps(function)
    def gathered(**words: Any) -> int:
        chosen = {field.name: words.pop(field.name) for field in fields(Selection)}
        return function(selection=Selection(**chosen), **words)

    command: Callable[..., int] = gathered
    for option in reversed(
        (
            click.argument("cases", nargs=-1),
            click.option("--suite", "suites", multiple=True, help="A named set of cases. Repeatable."),
            click.option(
                "--shape",
                "shapes",
                multiple=True,
                metavar="NAME=1x3x224x224",
                help="Fix a dynamic input of your .onnx files. Repeatable.",
            ),
            batch_axis_option,
            click.option(
                "--checkpoint",
                "checkpoints",
                multiple=True,
                metavar="CASE=FILE",
                help="Weights of a model: a file, `auto` (OpenMMLab's own) or `random` (seeded). Repeatable.",
            ),
            click.option("--task", default="", help="Task of your .onnx files; classification adds top-1."),
            click.option("--seed", type=int, default=0, show_default=True, help="Of weights and data."),
            catalog_option,
        )
    ):
        command = option(command)
    return command


def load_catalog(folders: tuple[Path, ...]) -> "Catalog":
    """The shipped catalogue with the user's; broken files are told and left out."""
    from npubench.catalog import load, user_folders

    catalog = load(user_folders(folders))
    for problem in catalog.problems:
        click.echo(f"npubench: {printable(problem)}", err=True)
    return catalog


def chosen_cases(catalog: "Catalog", selection: Selection) -> "Found":
    """The cases that the words of a command line name; a word that names nothing is told.

    Raises UsageError where none names anything.
    """
    from npubench.catalog import find_cases
    from npubench.cli.adjust import with_checkpoints, with_seed
    from npubench.cli.batch_axes import parse_batch_axes, with_batch_axes
    from npubench.exporters.input_shapes import spread_shapes

    shapes = parse_shapes(selection.shapes)
    batch = parse_batch_axes(selection.batch_axes)
    found = find_cases(catalog, selection.cases, selection.suites, shapes, selection.task)
    _tell_missing(found)
    seeded = with_seed(with_batch_axes(spread_shapes(found.cases), batch), selection.seed)
    return replace(found, cases=with_checkpoints(seeded, selection.checkpoints, catalog))


def _tell_missing(found: "Found") -> None:
    told = found.missing if found.cases else found.missing[:-1]
    for line in told:
        click.echo(f"npubench: {printable(line)}", err=True)
    if len(told) < len(found.missing):
        raise UsageError(found.missing[-1])


def parse_shapes(shapes: tuple[str, ...]) -> "tuple[tuple[str, Shape], ...]":
    """`--shape` words as pairs of input name and shape."""
    from npubench.exporters.input_shapes import parse_shape_option

    return tuple(parse_shape_option(text) for text in shapes)
