"""`npubench export` and `npubench convert`: the first stages alone."""

from pathlib import Path

import click

from npubench.cli.options import (
    Number,
    Selection,
    calibration_option,
    case_options,
    chosen_cases,
    load_catalog,
)
from npubench.cli.prepare_all import Wish, prepare_all
from npubench.domain.specs import CalibrationSpec

jobs_option = click.option("--jobs", type=click.IntRange(1), default=None, help="How many at once.")
fresh_option = click.option("--fresh", is_flag=True, help="Make everything again, whatever is there.")
deadline_option = click.option(
    "--deadline", type=Number(1), default=600.0, show_default=True, help="Seconds a stage may take."
)
folder_option = click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder for the files; what made them is kept in .npubench below it.",
)


@click.command()
@case_options
@jobs_option
@deadline_option
@fresh_option
@folder_option
def export(
    selection: Selection,
    jobs: int | None,
    deadline: float,
    fresh: bool,
    out: Path,
) -> int:
    """Write CASES as ONNX files: OUT/<case>.onnx."""
    from npubench.engine.job import export_only

    catalog = load_catalog(selection.catalog_folders)
    chosen = chosen_cases(catalog, selection)
    wish = Wish(("local",), ("fp32",), CalibrationSpec(seed=selection.seed), deadline, jobs, fresh, out)
    return prepare_all(chosen, catalog, wish, export_only)


@click.command()
@case_options
@click.option(
    "--board", "boards", multiple=True, default=("local",), show_default=True, help="A board. Repeatable."
)
@click.option(
    "--precision",
    "precisions",
    multiple=True,
    type=click.Choice(["fp32", "int8"]),
    help="Only these; else all that the board has. Repeatable.",
)
@click.option(
    "--cut",
    "surgery",
    type=click.Choice(["none", "auto"]),
    default="none",
    show_default=True,
    help="auto: rewrite what the target refuses, then cut it off at head and tail; see docs/surgery.md.",
)
@calibration_option
@jobs_option
@deadline_option
@fresh_option
@folder_option
def convert(
    selection: Selection,
    boards: tuple[str, ...],
    precisions: tuple[str, ...],
    surgery: str,
    calibration: Path | None,
    jobs: int | None,
    deadline: float,
    fresh: bool,
    out: Path,
) -> int:
    """Prepare CASES for a board's toolchain: OUT/<case>.<board>.<precision>.<ending>."""
    from npubench.cli.cut import convert_with_cuts
    from npubench.engine.job import prepare

    catalog = load_catalog(selection.catalog_folders)
    chosen = chosen_cases(catalog, selection)
    wish = Wish(boards, precisions, CalibrationSpec(calibration, selection.seed), deadline, jobs, fresh, out)
    if surgery == "auto":
        return convert_with_cuts(chosen, catalog, wish)
    return prepare_all(chosen, catalog, wish, prepare)
