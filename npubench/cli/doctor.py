"""`npubench doctor`, `npubench env` and `npubench probe`: what is usable here, and what makes the rest so."""

import json
import tempfile
from pathlib import Path

import click

from npubench.cli import values
from npubench.cli.options import Number, load_catalog, say, say_problem, shared_options
from npubench.domain.errors import ExitCode, UsageError
from npubench.domain.layout import record_table, terminal_columns
from npubench.domain.text import printable


@click.command()
@shared_options("catalog", "json", "out")
def doctor(catalog_folders: tuple[Path, ...], as_json: bool, out: Path) -> int:
    """Say what is usable here and what for, and of each thing that is not, the command that makes it so.

    Exit codes: 0, also where something is not usable; 2 a mistake in a file of the catalogue.
    """
    from npubench.cli.checks import checks, lines_of, plain

    catalog = load_catalog(catalog_folders)
    found = checks(catalog, out)
    if as_json:
        click.echo(json.dumps([plain(check) for check in found], indent=1))
    else:
        click.echo("\n".join(lines_of(found, terminal_columns())))
    return ExitCode.USAGE if catalog.problems else ExitCode.OK


FULL = "-full"


@click.group()
def env() -> None:
    """Install, list and remove isolated tool environments."""


@env.command()
@click.argument("name", shell_complete=values.environments)
@click.option("--full", is_flag=True, help="Its full form, which compiles and takes longer.")
def install(name: str, full: bool) -> None:
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


@env.command("list")
def list_environments() -> None:
    """List environments with their state, place, versions and disk use."""
    from npubench.tools import environments

    rows = []
    for name in environments.names():
        missing = [name, "not installed", "-", f"npubench env install {name}", "-"]
        rows += [_row(name, path) for path in environments.folders(name)] or [missing]
    head = ["environment", "state", "disk", "where", "versions"]
    click.echo("\n".join(record_table(head, rows, terminal_columns(), right=("disk",))))


@env.command()
@click.argument("name", shell_complete=values.environments)
def remove(name: str) -> None:
    """Delete the environment NAME, unfinished ones and those of older pins, too."""
    from npubench.tools.environments import installer

    for path in installer.remove(name, say):
        click.echo(f"removed {printable(str(path))}")


def _row(name: str, path: Path) -> list[str]:
    from npubench.tools import environments

    size = f"{environments.disk_bytes(path) / 1e9:.2f} GB"
    found = environments.read(name, path)
    if found is None:
        return [name, "unfinished", size, str(path), f"npubench env install {name}"]
    state = "installed" if path == environments.folder(name) else "of older pins"
    principal = environments.spec(name).principal
    told = [f"{package} {found.versions.get(package, '?')}" for package in principal]
    return [name, state, size, str(path), ", ".join([*told, f"{len(found.versions)} packages"])]


@click.group()
def probe() -> None:
    """Build the processor probe for boards, and show what is built."""


@probe.command()
@click.argument("targets", nargs=-1)
@click.option("--compiler", type=click.Choice(["gcc", "zig"]), help="Only this one; else any.")
@click.option("--fresh", is_flag=True, help="Build again what is there.")
@click.option("--deadline", type=Number(1), default=600.0, help="Seconds a build may take.")
def build(targets: tuple[str, ...], compiler: str | None, fresh: bool, deadline: float) -> int:
    """Build cpupeak for TARGETS (armv7, aarch64, x86-64), or for all of them."""
    from npubench.benchmarks.cpu import builds
    from npubench.domain.records import Failure

    failed = False
    with tempfile.TemporaryDirectory() as scratch:
        chosen = [builds.target(name) for name in dict.fromkeys(targets)]
        for wanted in chosen or builds.TARGETS.values():
            log = Path(scratch) / f"{wanted.name}.log"
            built = builds.build(wanted, log, deadline, say, compiler, fresh)
            if isinstance(built, Failure):
                failed = True
                say_problem(built.message)
            else:
                size = f"{built.path.stat().st_size / 1024:.0f} KiB"
                click.echo(f"{wanted.name}: {printable(str(built.path))} ({size}, {built.compiler})")
    return ExitCode.TOOLCHAIN if failed else ExitCode.OK


@probe.command("list")
def list_builds() -> None:
    """List targets with their builds and the compilers that are there."""
    from npubench.benchmarks.cpu import builds
    from npubench.cli.checks import compiler_names

    rows = []
    for wanted in builds.TARGETS.values():
        found, have = builds.find(wanted), compiler_names(wanted)
        state = f"built by {found.compiler}: {found.path}" if found else "not built"
        rows.append([wanted.name, state, have or f"none: {builds.how_to_get(wanted)}"])
    click.echo("\n".join(record_table(["target", "build", "compilers"], rows, terminal_columns())))
