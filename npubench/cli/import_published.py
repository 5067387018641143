"""`npubench import published`: the shipped reference tables as rows of a result folder."""

from pathlib import Path

import click

from npubench.cli.options import out_option
from npubench.domain.text import counted, printable


@click.command()
@out_option
def published(out: Path) -> int:
    """Add what others published of AXera chips; says of every column what it was for its publisher.

    Every figure is of kind published. What is there already is left alone.
    """
    from dataclasses import replace

    from npubench import __version__
    from npubench.cli.report import write_report
    from npubench.published import results, table
    from npubench.storage.store import Store
    from npubench.storage.workspace import Workspace

    workspace = Workspace(out)
    workspace.create()
    rows = results()
    with workspace.lock():
        store = Store.create(workspace.database)
        known = store.final_keys()
        new = [row for row in rows if row.key not in known]
        for row in new:
            store.append(replace(row, npubench_version=__version__))
        page = write_report(workspace, store)
        store.close()
    for name in dict.fromkeys(row.run_id for row in rows):
        of = table(name)
        click.echo(f"{printable(of.title)} ({printable(of.source)}): {counted(len(of.lines), 'row')}")
        for column in of.columns:
            click.echo(f"    {printable(column.statement)}")
    click.echo(f"{len(new)} rows added, {len(rows) - len(new)} imported before")
    click.echo(f"report: {page}")
    return 0
