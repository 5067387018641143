"""Options that several commands share, and the catalogue they lead to."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from npubench.cli.terminal import printable

if TYPE_CHECKING:
    from npubench.catalog import Catalog
    from npubench.specs import CaseSpec, Shape

F = TypeVar("F", bound=Callable[..., Any])

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
json_option = click.option("--json", "as_json", is_flag=True, help="JSON for machines.")


def case_options(function: F) -> F:
    """CASES, --suite, --shape, --checkpoint, --task and --catalog."""
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
            click.option(
                "--checkpoint",
                "checkpoints",
                multiple=True,
                metavar="CASE=FILE",
                help="Weights of a catalogue model; without it seeded random ones. Repeatable.",
            ),
            click.option("--task", default="", help="Task of your .onnx files; classification adds top-1."),
            click.option("--seed", type=int, default=0, show_default=True, help="Of weights and data."),
            catalog_option,
        )
    ):
        function = option(function)
    return function


def load_catalog(folders: tuple[Path, ...]) -> "Catalog":
    """The shipped catalogue with the user's; broken files are told and left out."""
    from npubench.catalog import load, user_folders

    catalog = load(user_folders(folders))
    for problem in catalog.problems:
        click.echo(f"npubench: {printable(problem)}", err=True)
    return catalog


def chosen_cases(
    catalog: "Catalog",
    cases: tuple[str, ...],
    suites: tuple[str, ...],
    shapes: tuple[str, ...],
    checkpoints: tuple[str, ...],
    task: str,
    seed: int,
) -> "tuple[CaseSpec, ...]":
    """The cases that the words of a command line name."""
    from npubench.catalog import find_cases
    from npubench.cli.adjust import with_checkpoints, with_seed

    found = find_cases(catalog, cases, suites, parse_shapes(shapes), task)
    return with_checkpoints(with_seed(found, seed), checkpoints, catalog)


def parse_shapes(shapes: tuple[str, ...]) -> "tuple[tuple[str, Shape], ...]":
    """`--shape` words as pairs of input name and shape."""
    from npubench.exporters.input_shapes import parse_shape_option

    return tuple(parse_shape_option(text) for text in shapes)
