"""`npubench board`: whether a board can be used, whose key it has, and what lies on it."""

import sys
from contextlib import closing
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING

import click

from npubench.cli import values
from npubench.cli.options import load_catalog, say, say_problem, shared_options
from npubench.domain.errors import BoardError, ExitCode, UsageError
from npubench.domain.layout import record_table, terminal_columns
from npubench.domain.text import printable

_COMMANDS = "npubench.board_commands"
_HARDWARE_TIMEOUT_S = 60.0

if TYPE_CHECKING:
    from npubench.boards.ssh.config import Endpoint
    from npubench.boards.ssh.hostkeys import HostKey
    from npubench.catalog import Catalog
    from npubench.domain.protocols import Session
    from npubench.domain.records import BoardState
    from npubench.domain.specs import BoardSpec


class _PluggedGroup(click.Group):
    """Also has the commands of installed packages that bring boards of their own, such as `virtual`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *entry_points(group=_COMMANDS).names})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        for point in entry_points(group=_COMMANDS, name=cmd_name):
            found: click.Command = point.load()
            return found
        return super().get_command(ctx, cmd_name)


@click.group(cls=_PluggedGroup)
def board() -> None:
    """Check, trust and clean boards behind SSH; start a virtual one."""


@board.command()
@click.argument("name", shell_complete=values.boards)
@shared_options("catalog")
def check(name: str, catalog_folders: tuple[Path, ...]) -> int:
    """Connect to the board NAME, print its state and parts, and say what it lacks of what npubench needs."""
    from npubench.boards.ssh.transport import SshSession
    from npubench.catalog import find_board
    from npubench.engine import plugins

    catalog = load_catalog(catalog_folders)
    spec = find_board(catalog, name)
    with closing(plugins.transport(spec.transport).connect(spec)) as session:
        rows = [*_rows(session.facts()), *_lease(session)]
        runner, problems = _runner(spec, session, catalog)
        told = [*rows, *runner, *_hardware(session)]
        click.echo("\n".join(record_table(["board", spec.name], told, terminal_columns())))
        findings = session.check() if isinstance(session, SshSession) else None
    if findings is not None and findings.free_bytes is not None:
        click.echo(f"{printable(findings.folder or '')}: {_mib(findings.free_bytes)} free")
    problems += findings.problems if findings is not None else ()
    for problem in problems:
        say_problem(problem)
    if findings is not None and not problems:
        click.echo(f"{spec.name} has all that npubench needs")
    return ExitCode.BOARD if problems else ExitCode.OK


@board.command()
@click.argument("name", shell_complete=values.boards)
@click.option(
    "--fingerprint",
    "fingerprints",
    multiple=True,
    metavar="SHA256:...",
    help="Trust only a key with this fingerprint, without asking. Repeatable (for hops).",
)
@click.option("--yes", is_flag=True, help="Trust whatever answers, without asking.")
@shared_options("catalog")
def trust(name: str, fingerprints: tuple[str, ...], yes: bool, catalog_folders: tuple[Path, ...]) -> None:
    """Show the host key of the board NAME (and of hops before it) and keep it as known."""
    from npubench.boards.ssh import hostkeys
    from npubench.boards.ssh.config import settings
    from npubench.boards.ssh.connection import introduce

    for fingerprint in fingerprints:
        if not fingerprint.startswith("SHA256:"):
            told = f"--fingerprint {fingerprint!r:.80} does not begin with SHA256:"
            raise UsageError(f"{told} (ssh-keygen -lf)")
    spec = _over_ssh(name, catalog_folders)
    new = set()

    def decide(server: "Endpoint", key: "HostKey") -> None:
        click.echo(f"{printable(server.name)} offers {printable(key.type)} {key.fingerprint}")
        _require_consent(server, key, fingerprints, yes)
        hostkeys.remember(server.name, key, hostkeys.own_file())
        new.add(server.name)
        click.echo(f"kept in {printable(str(hostkeys.own_file()))}")

    server, key = introduce(settings(spec), decide)
    if server.name not in new:
        click.echo(f"{printable(server.name)} is known already by {printable(key.type)} {key.fingerprint}")


@board.command()
@click.argument("name", shell_complete=values.boards)
@click.option("--all", "everything", is_flag=True, help="Also what is not old, and what is in use.")
@click.option(
    "--lease", is_flag=True, help="Take the board from whoever holds it, and end what that runs there."
)
@shared_options("catalog")
def clean(name: str, everything: bool, lease: bool, catalog_folders: tuple[Path, ...]) -> None:
    """Remove old files of npubench from the board NAME, by keep_s and keep_bytes of its options.

    A lease whose holder is no more is removed, too.
    """
    from npubench.boards.ssh.config import settings
    from npubench.boards.ssh.transport import SshTransport
    from npubench.domain.leases import own_claim

    spec = _over_ssh(name, catalog_folders)
    wanted = settings(spec)
    with closing(SshTransport().connect(spec)) as session:
        held = session.take(own_claim("board clean"), lease)
        if held is not None:
            say(f"{spec.name} is in use by {held}: --lease takes it away")
        gone = session.clean(0, 0) if everything else session.clean(wanted.keep_s, wanted.keep_bytes)
    size = sum(entry.size_bytes for entry in gone)
    click.echo(f"removed {len(gone)} files ({size / 2**20:.1f} MiB) from {spec.name}")


def _lease(session: "Session") -> list[list[str]]:
    """Who measures on the board."""
    from npubench.domain.protocols import Leasing

    if not isinstance(session, Leasing):
        return []
    try:
        held = session.holder()
    except BoardError as error:
        return [["lease", f"none can be kept: {error}"]]
    left = f", for {held.left_s:.0f} s unless renewed" if held and held.left_s is not None else ""
    return [["lease", f"{held}{left}" if held else "free"]]


def _runner(
    spec: "BoardSpec", session: "Session", catalog: "Catalog"
) -> tuple[list[list[str]], tuple[str, ...]]:
    """The program that measures there, as its backend declares it; what is wrong with it."""
    from npubench.domain.protocols import Benching, Checking
    from npubench.engine import plugins
    from npubench.engine.assemble import host_opener
    from npubench.tools import board_runner

    backend = plugins.backend_of(spec, host_opener(catalog))
    if isinstance(backend, Checking):
        backend.check(spec.chip)
    if not isinstance(backend, Benching):
        return [], ()
    name, places = backend.runner()
    found = board_runner.identify_runner(name, places, session)
    if not found.path:
        looked = ", ".join(places)
        told = f'looked for {looked}; install it, or set backend_options.{name} = "/path/to/{name}"'
        return [[name, "missing"]], (f"{name} is missing, which measures there: {told}",)
    version = board_runner.runner_version(found, session) or "does not tell its version"
    return [[name, f"{found.path}: {version}, SHA-256 {found.sha256 or 'not told'}"]], ()


def _require_consent(server: "Endpoint", key: "HostKey", fingerprints: tuple[str, ...], yes: bool) -> None:
    if fingerprints and key.fingerprint not in {one.rstrip("=") for one in fingerprints}:
        told = f"{server.name} offers {key.fingerprint}, which is not the --fingerprint given"
        raise BoardError(f"{told}: nothing was kept: find out what answers there")
    if fingerprints or yes:
        return
    if not sys.stdin.isatty():
        raise UsageError("this is not a terminal to ask on: give --fingerprint SHA256:... or --yes")
    question = "is that its fingerprint (on the board: ssh-keygen -lf /etc/ssh/ssh_host_*_key.pub)?"
    if not click.confirm(question, default=False):
        raise BoardError(f"the host key of {server.name} was not kept")


def _find(name: str, catalog_folders: tuple[Path, ...]) -> "BoardSpec":
    from npubench.catalog import find_board

    return find_board(load_catalog(catalog_folders), name)


def _over_ssh(name: str, catalog_folders: tuple[Path, ...]) -> "BoardSpec":
    from npubench.domain.protocols import OverSsh
    from npubench.engine import plugins

    spec = _find(name, catalog_folders)
    transport = plugins.transport(spec.transport)
    if not isinstance(transport, OverSsh):
        raise UsageError(f"board {spec.name} is reached by {spec.transport}, not by ssh: nothing to do")
    return transport.over_ssh(spec)


def _rows(state: "BoardState") -> list[list[str]]:
    told = {
        "host name": state.hostname,
        "CPU": state.cpu_model,
        "cores": state.cores,
        "kernel": state.kernel,
        "system": state.distribution,
        "governor": state.governor,
        "clocks": " ".join(f"{mhz:.0f}" for mhz in state.clocks_mhz) + " MHz" if state.clocks_mhz else None,
        "temperature": None if state.temperature_c is None else f"{state.temperature_c:.1f} deg C",
        "load": state.load_1min,
        "memory": _mib(state.memory_total_bytes),
        "memory available": _mib(state.memory_available_bytes),
        "up for": None if state.uptime_s is None else f"{state.uptime_s:.0f} s",
        "its clock": state.extra.get("board_time"),
    }
    return [[name, "not told" if value is None else str(value)] for name, value in told.items()]


def _hardware(session: "Session") -> list[list[str]]:
    """What the board is made of; of what it does not tell, why."""
    import secrets

    from npubench.boards.hardware import READ, facts

    mark = f"={secrets.token_hex(8)}="
    output = session.run(["sh", "-c", READ, "sh", mark], _HARDWARE_TIMEOUT_S).output
    return [[fact.name, fact.value or f"not told: {fact.missing}"] for fact in facts(output, mark)]


def _mib(size: int | None) -> str | None:
    return None if size is None else f"{size / 2**20:.0f} MiB"
