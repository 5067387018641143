"""`npubench probe`: builds of the processor probe."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from npubench.cli.console import say, say_problem
from npubench.cli.options import Number
from npubench.domain.errors import ExitCode
from npubench.domain.text import printable, text_table

if TYPE_CHECKING:
    from npubench.benchmarks.cpu.builds import Target


@click.group()
def probe() -> None:
    """Build the processor probe for boards, and show what is built."""


@probe.command()
@click.argument("targets", nargs=-1)
@click.option("--compiler", type=click.Choice(["gcc", "zig"]), default=None, help="Only this one; else any.")
@click.option("--fresh", is_flag=True, help="Build again what is there.")
@click.option(
    "--deadline", type=Number(1), default=600.0, show_default=True, help="Seconds a build may take."
)
def build(targets: tuple[str, ...], compiler: str | None, fresh: bool, deadline: float) -> int:
    """Build cpupeak for TARGETS (armv7, aarch64, x86-64), or for all of them."""
    from npubench.benchmarks.cpu import builds
    from npubench.domain.records import Failure

    failed = False
    with tempfile.TemporaryDirectory() as scratch:
        for wanted in _chosen(targets):
            log = Path(scratch) / f"{wanted.name}.log"
            built = builds.build(wanted, log, deadline, say, compiler, fresh)
            if isinstance(built, Failure):
                failed = True
                say_problem(built.message)
            else:
                size_kib = built.path.stat().st_size / 1024
                click.echo(
                    f"{wanted.name}: {printable(str(built.path))} ({size_kib:.0f} KiB, {built.compiler})"
                )
    return ExitCode.TOOLCHAIN if failed else ExitCode.OK


@probe.command("list")
def list_builds() -> int:
    """List targets with their builds and the compilers that are there."""
    from npubench.benchmarks.cpu import builds
    from npubench.benchmarks.cpu.builds import TARGETS, compilers, how_to_get

    rows = []
    for wanted in TARGETS.values():
        found = builds.find(wanted)
        have = " ".join(dict.fromkeys(compiler.name for compiler in compilers(wanted)))
        state = f"built by {found.compiler}: {found.path}" if found else "not built"
        rows.append([wanted.name, state, have or f"none: {how_to_get(wanted)}"])
    click.echo(text_table(["target", "build", "compilers"], rows, 400))
    return ExitCode.OK


def _chosen(names: tuple[str, ...]) -> "list[Target]":
    from npubench.benchmarks.cpu.builds import TARGETS, target

    return [target(name) for name in dict.fromkeys(names)] or list(TARGETS.values())
