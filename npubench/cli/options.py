"""What commands share: options, the catalogue they lead to, and how lines are said."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from npubench.cli import values
from npubench.domain.layout import record_table, terminal_columns
from npubench.domain.text import printable
from npubench.engine.plan import DEFAULT_OUT, CaseOptions, RunOptions

if TYPE_CHECKING:
    from npubench.catalog import Catalog


Decorated = TypeVar("Decorated", bound=Callable[..., Any])

PATH = click.Path(path_type=Path)
FOLDER = click.Path(path_type=Path, file_okay=False)
FILE = click.Path(path_type=Path, dir_okay=False)


class Number(click.FloatRange):
    """A number of a range, and a number: `nan` passes every comparison, and `inf` ends none."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The number; a usage error for what is none."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a number that can be reached.", param, ctx)
        return number


SHARED = {
    "board": click.option(
        "--board",
        "boards",
        multiple=True,
        default=("local",),
        help="A board. Repeatable.",
        shell_complete=values.boards,
    ),
    "precision": click.option(
        "--precision",
        "precisions",
        multiple=True,
        type=click.Choice(["fp32", "int8"]),
        help="Only these; else all that the board has. Repeatable.",
    ),
    "calibration": click.option(
        "--calibration",
        type=PATH,
        help="Arrays (.npy, .npz) or images, a file or folder, some held out to compare on; else seeded.",
    ),
    "jobs": click.option("--jobs", "workers", type=click.IntRange(1), help="How many at once."),
    "deadline": click.option(
        "--deadline", "deadline_s", type=Number(1), default=600.0, help="Seconds a stage may take."
    ),
    "batch_axis": click.option(
        "--batch-axis",
        "batch_axes",
        multiple=True,
        metavar="[NAME=]AXIS|none",
        help="Axis along which an input holds samples; none: a call is one sample. Repeatable.",
    ),
    "wait": click.option(
        "--wait",
        "wait_s",
        type=Number(0),
        metavar="SECONDS",
        help="How long to wait for a board that another run holds; 0: not at all. Else without end.",
    ),
    "fresh": click.option("--fresh", is_flag=True, help="Make everything again, whatever is there."),
    "json": click.option("--json", "as_json", is_flag=True, help="JSON for machines."),
    "catalog": click.option(
        "--catalog",
        "catalog_folders",
        type=PATH,
        multiple=True,
        help="Your own folder with ops/ models/ boards/ suites/; adds to or overrides ours. Repeatable.",
    ),
    "out": click.option(
        "--out",
        type=FOLDER,
        default=DEFAULT_OUT,
        envvar="NPUBENCH_OUT",
        help="Folder of results: models, artifacts, logs, results.db, report.html.",
    ),
}


def shared_options(*names: str) -> Callable[[Decorated], Decorated]:
    """Options that commands share, by their names in `SHARED`, in the order of the help."""

    def decorate(function: Decorated) -> Decorated:
        for name in reversed(names):
            function = SHARED[name](function)
        return function

    return decorate


_CASE_OPTIONS = (
    click.argument("cases", nargs=-1, shell_complete=values.with_files(values.cases)),
    click.option(
        "--suite", "suites", multiple=True, help="A named set of cases. Repeatable.",
        shell_complete=values.suites,
    ),
    click.option(
        "--shape", "shapes", multiple=True, metavar="NAME=1x3x224x224",
        help="Fix a dynamic input of your .onnx files. Repeatable.",
    ),
    shared_options("batch_axis"),
    click.option(
        "--checkpoint", "checkpoints", multiple=True, metavar="CASE=FILE",
        help="Weights of a model: a file, `auto` (OpenMMLab's own) or `random` (seeded). Repeatable.",
    ),
    click.option(
        "--task", default="", show_default=False,
        help="Task of your .onnx files; classification adds top-1.",
    ),
    click.option("--seed", type=int, default=0, help="Of weights and data."),
    shared_options("catalog"),
)  # fmt: skip


def run_options(function: Callable[..., int]) -> Callable[..., int]:
    """CASES, --suite, --shape, --batch-axis, --checkpoint, --task, --seed and --catalog.

    The function gets one record of them and of its own options that `RunOptions` has a place for: `options`.
    """

    @wraps(function)
    def gathered(**words: Any) -> int:
        from npubench.domain.specs import CalibrationSpec, TimingAsked

        def taken(kind: type) -> dict[str, Any]:
            return {field.name: words.pop(field.name) for field in fields(kind) if field.name in words}

        selection = CaseOptions(**taken(CaseOptions))
        path, samples = words.pop("calibration", None), words.pop("samples", CalibrationSpec().samples)
        options = RunOptions(
            selection,
            timing=TimingAsked(**taken(TimingAsked)),
            calibration=CalibrationSpec(path, selection.seed, samples),
            **taken(RunOptions),
        )
        return function(options=options, **words)

    command: Callable[..., int] = gathered
    for option in reversed(_CASE_OPTIONS):
        command = option(command)
    return command


def load_catalog(folders: tuple[Path, ...], kinds: Sequence[str] | None = None) -> "Catalog":
    """The shipped catalogue with the user's, all of it or `kinds`; broken files are told and left out."""
    from npubench.catalog import KINDS, load, user_folders

    catalog = load(user_folders(folders), KINDS if kinds is None else kinds)
    for problem in catalog.problems:
        say_problem(problem)
    return catalog


def say(text: str) -> None:
    """A line beside the results."""
    click.echo(printable(text), err=True)


def say_problem(text: str) -> None:
    """A line on what cannot be used or did not work, which says who says so."""
    say(f"npubench: {text}")


def print_records(
    rows: Sequence[Mapping[str, str]], as_json: bool = False, dispensable: Sequence[str] = ()
) -> None:
    """As JSON, or as a table that fits the terminal, whose heads are the keys; nothing for an empty table.

    The first column holds names to be copied, which are never cut; sentences go on below. Where the table is
    too wide the columns of `dispensable` go, first ones first.
    """
    if as_json:
        click.echo(json.dumps(rows, indent=1))
        return
    if not rows:
        return
    lines = record_table(
        tuple(rows[0]), (tuple(row.values()) for row in rows), terminal_columns(), dispensable=dispensable
    )
    click.echo("\n".join(lines))
