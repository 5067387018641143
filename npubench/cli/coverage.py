"""`npubench coverage` and `npubench op-support`: documents made from the records of what was run."""

from collections.abc import Sequence
from pathlib import Path

import click

from npubench.cli import values
from npubench.cli.options import FILE, FOLDER, PATH, Number, load_catalog, say_problem, shared_options

SUITES = ("ax620a-models", "mmaction2", "mmpretrain-classifiers")


@click.command()
@shared_options("catalog")
@click.option(
    "--suite",
    "suites",
    multiple=True,
    default=SUITES,
    help="Names meant to run.",
    shell_complete=values.suites,
)
@click.option(
    "--exports", "places", type=PATH, multiple=True, required=True,
    help="The --out of an export or a run, or a file of --keep. Repeatable; the later one counts.",
)  # fmt: skip
@click.option("--results", type=FOLDER, help="The --out of `npubench run`, too.")
@click.option(
    "--cuts", type=PATH, multiple=True,
    help="The --out of `npubench convert --cut auto`, or a file of --keep-cuts. Repeatable.",
)  # fmt: skip
@click.option("-o", "--output", type=FILE, help="Markdown file [printed].")
@click.option("--keep", type=FILE, help="Write the records to this file, too.")
@click.option("--keep-cuts", type=FILE, help="Write those of --cuts to this file.")
@click.option("--missing", is_flag=True, help="Print the names that no record says are exported, and stop.")
@click.option(
    "--require", type=Number(0, 100), metavar="PERCENT",
    help="Exit 1 where less of a codebase's names are exported.",
)  # fmt: skip
def coverage(
    catalog_folders: tuple[Path, ...],
    suites: tuple[str, ...],
    places: tuple[Path, ...],
    results: Path | None,
    cuts: tuple[Path, ...],
    output: Path | None,
    keep: Path | None,
    keep_cuts: Path | None,
    missing: bool,
    require: float | None,
) -> int:
    """Say for each codebase and backend what worked and why the rest did not."""
    from npubench.domain.errors import ExitCode, UsageError
    from npubench.domain.specs import ModelSpec
    from npubench.domain.text import did_you_mean, path_meant
    from npubench.reporting.data.coverage import EXPORTED, document, shares, status
    from npubench.storage import ledger
    from npubench.storage.files import write_atomically
    from npubench.storage.store import Store

    catalog = load_catalog(catalog_folders)
    found = {case: export for place in places for case, export in ledger.read_exports(place).items()}
    if not found and not missing:
        hint = "" if places[-1].exists() else path_meant(places[-1])
        command = f"npubench export --suite ... --out {places[-1]}"
        raise UsageError(f"{' and '.join(map(str, places))} has no exports{hint}: run `{command}` first")
    planned = {}
    for suite in suites:
        if suite not in catalog.suites:
            hint = did_you_mean(suite, catalog.suites)
            raise UsageError(f"no suite is called {suite!r}{hint}: see npubench list suites")
        for case in catalog.suites[suite].cases:
            spec = catalog.case(case)
            if isinstance(spec, ModelSpec):
                planned[case] = spec.codebase
    if missing:
        for name in planned:
            if status(found.get(name)) != EXPORTED:
                click.echo(name)
        return ExitCode.OK
    if keep is not None:
        write_atomically(keep, ledger.lines(found.values()))
    rows = []
    if results is not None:
        with Store.read(results / "results.db") as store:
            rows = store.latest()
    text = document(found, planned, rows)
    if cuts:
        text += "\n" + _cuts(cuts, keep_cuts)
    _deliver(text, output, "coverage")
    below = {name: share for name, share in shares(found, planned).items() if 100 * share < (require or 0)}
    for codebase, share in below.items():
        say_problem(f"{codebase}: {share:.1%} exported, {require:g}% required")
    return ExitCode.REGRESSION if below else ExitCode.OK


def _cuts(places: Sequence[Path], keep: Path | None) -> str:
    from npubench.domain.errors import UsageError
    from npubench.reporting.data.coverage import cuts_document as document
    from npubench.storage import ledger
    from npubench.storage.files import write_atomically

    found = {}
    for place in places:
        here = ledger.read_conversions(place)
        if not here:
            command = f"npubench convert --cut auto ... --out {place}"
            raise UsageError(f"{place} has no conversions: run `{command}` first")
        found.update({(one.case, one.board, one.precision): one for one in here})
    if keep is not None:
        write_atomically(keep, ledger.lines(found.values()))
    return document(list(found.values())) + "\n"


@click.command("op-support")
@click.option(
    "--results", "folders", multiple=True, required=True, type=FOLDER,
    help="The --out of `npubench run`. Repeatable.",
)  # fmt: skip
@click.option("-o", "--output", type=FILE, help="Markdown file [printed].")
def op_support(folders: tuple[Path, ...], output: Path | None) -> None:
    """Say of every operator case on every board: NPU, CPU fallback, unsupported, crash or wrong result."""
    from npubench.domain.errors import UsageError
    from npubench.reporting.data.op_support import document
    from npubench.storage.store import Store

    rows = []
    for folder in folders:
        with Store.read(folder / "results.db") as store:
            rows += store.latest()
    # Logs lie in the folder of the results: only from there a link finds them.
    linked = output is not None and len(folders) == 1 and output.parent.absolute() == folders[0].absolute()
    text = document(rows, linked)
    if text is None:
        raise UsageError(
            "there are no operators among the results: npubench run --simulate --suite operators"
        )
    _deliver(text, output, "operator support")


def _deliver(text: str, output: Path | None, what: str) -> None:
    from npubench.storage.files import write_atomically

    if output is None:
        click.echo(text, nl=False)
    else:
        write_atomically(output, text)
        click.echo(f"{what}: {output}")
