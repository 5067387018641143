"""`npubench board virtual`: an ARM Linux on this machine that is the real thing for everything but time."""

from pathlib import Path

import click

from npubench.cli.options import say_problem
from npubench.domain.errors import ExitCode
from npubench.domain.text import printable, text_table


@click.group()
def virtual() -> None:
    """Start and stop an emulated ARM board, for trying things out: its times mean nothing."""


@virtual.command()
@click.option(
    "--image",
    metavar="tiny|debian",
    help="tiny (the default): busybox and dropbear, up in a second; debian: systemd and OpenSSH, on a disk.",
)
@click.option(
    "--files",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="What lies below this folder is on the board at the same paths.",
)
def start(image: str | None, files: Path | None) -> int:
    """Start the board, and build its image the first time; nothing is done when it is up."""
    from npubench_virtual import control, places

    up = control.start(image, say_problem, files)
    click.echo(f"{places.NAME} is up with the image {up.image} on 127.0.0.1:{up.port}")
    click.echo(f"npubench run --board {places.NAME} ... measures there, and its rows are marked emulated")
    return ExitCode.OK


@virtual.command()
def stop() -> int:
    """Switch the board off."""
    from npubench_virtual import control, places

    was_up = control.stop(say_problem)
    click.echo(f"{places.NAME} is off" if was_up else f"{places.NAME} was not up")
    return ExitCode.OK


@virtual.command()
def status() -> int:
    """Say what is up, and where its files lie."""
    from npubench_virtual import control, keys, places

    found = control.status()
    if found is None:
        click.echo(f"{places.NAME} is not up: npubench board virtual start")
        return ExitCode.OK
    folder = places.machine()
    rows = [
        ["image", found.running.image],
        ["process", f"{found.running.pid} ({found.state or 'its monitor does not answer'})"],
        ["SSH", f"127.0.0.1:{found.running.port} ({'answers' if found.greets else 'does not answer'})"],
        ["log in", f"ssh -F {folder / keys.SSH_CONFIG} {places.NAME}"],
        ["files", str(folder)],
    ]
    click.echo(text_table([places.NAME, "up"], [[name, printable(text)] for name, text in rows], 160))
    return ExitCode.OK
