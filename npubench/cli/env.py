"""`npubench env`: isolated tool environments."""

from typing import TYPE_CHECKING

import click

from npubench.cli.console import say
from npubench.domain.errors import UsageError
from npubench.domain.text import printable, text_table

if TYPE_CHECKING:
    from pathlib import Path


FULL = "-full"


@click.group()
def env() -> None:
    """Install, list and remove isolated tool environments."""


@env.command()
@click.argument("name")
@click.option("--full", is_flag=True, help="Its full form, which compiles and takes longer.")
def install(name: str, full: bool) -> int:
    """Make the environment NAME, or make one anew whose installation ended early."""
    from npubench.tools import environments
    from npubench.tools.environments import installer

    if full and not name.endswith(FULL):
        environments.spec(name)
        if f"{name}{FULL}" not in environments.names():
            raise UsageError(f"environment {name} has no full form: leave --full out")
        name = f"{name}{FULL}"
    wanted = environments.spec(name)
    click.echo(f"{wanted.name}: {wanted.title}")
    click.echo(f"about {wanted.size_bytes / 1e9:.1f} GB; licence: {wanted.licence}")
    ready = installer.install(name, say, lambda line: say(f"  {line}"))
    click.echo(f"{ready.name} is at {ready.path} ({ready.disk_bytes / 1e9:.2f} GB)")
    return 0


@env.command("list")
def list_environments() -> int:
    """List environments with their state, place, versions and disk use."""
    from npubench.tools import environments

    rows = []
    for name in environments.names():
        rows += [_row(name, path) for path in environments.folders(name)]
        if not environments.folders(name):
            rows.append([name, "not installed", "-", f"npubench env install {name}", "-"])
    click.echo(text_table(["environment", "state", "disk", "where", "versions"], rows, 160))
    return 0


@env.command()
@click.argument("name")
def remove(name: str) -> int:
    """Delete the environment NAME, unfinished ones and those of older pins, too."""
    from npubench.tools.environments import installer

    for path in installer.remove(name, say):
        click.echo(f"removed {printable(str(path))}")
    return 0


def _row(name: str, path: "Path") -> list[str]:
    from npubench.tools import environments

    size = f"{environments.disk_bytes(path) / 1e9:.2f} GB"
    found = environments.read(name, path)
    if found is None:
        return [name, "unfinished", size, str(path), f"npubench env install {name}"]
    state = "installed" if path == environments.folder(name) else "of older pins"
    principal = environments.spec(name).principal
    told = [f"{package} {found.versions.get(package, '?')}" for package in principal]
    return [name, state, size, str(path), ", ".join([*told, f"{len(found.versions)} packages"])]
