"""`npubench op-support`: the matrix of operators and boards, from the records of what was run."""

from pathlib import Path

import click


@click.command("op-support")
@click.option(
    "--results", "folders", multiple=True, required=True, type=click.Path(path_type=Path, file_okay=False),
    help="The --out of `npubench run`. Repeatable.",
)  # fmt: skip
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Markdown file [printed]."
)
def op_support(folders: tuple[Path, ...], output: Path | None) -> int:
    """Say of every operator case on every board: NPU, CPU fallback, unsupported, crash or wrong result."""
    from npubench.domain.errors import UsageError
    from npubench.reporting.data.op_support import document
    from npubench.storage.files import write_atomically
    from npubench.storage.store import Store

    rows = []
    for folder in folders:
        store = Store.read(folder / "results.db")
        rows += store.latest()
        store.close()
    # Logs lie in the folder of the results: only from there a link finds them.
    linked = output is not None and len(folders) == 1 and output.parent.absolute() == folders[0].absolute()
    text = document(rows, linked)
    if text is None:
        raise UsageError(
            "there are no operators among the results: npubench run --simulate --suite operators"
        )
    if output is None:
        click.echo(text, nl=False)
    else:
        write_atomically(output, text)
        click.echo(f"operator support: {output}")
    return 0
