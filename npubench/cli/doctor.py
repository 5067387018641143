"""`npubench doctor`, `npubench env` and `npubench probe`: what is usable here, and what makes the rest so."""

import json
import platform
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from npubench.cli.options import Number, load_catalog, say, say_problem, shared_options
from npubench.domain.errors import ExitCode, UsageError
from npubench.domain.text import printable, text_table

if TYPE_CHECKING:
    from npubench.benchmarks.cpu.builds import Target


@dataclass(frozen=True, slots=True)
class Check:
    """One thing: whether it is usable, what was found, what to do otherwise."""

    what: str
    usable: bool
    found: str
    fix: str = ""


@click.command()
@shared_options("catalog", "json", "out")
def doctor(catalog_folders: tuple[Path, ...], as_json: bool, out: Path) -> int:
    """Say what is usable here, and for each thing that is not, the line that would make it so."""
    catalog = load_catalog(catalog_folders)
    problems = [Check("catalogue", False, problem, "correct that line") for problem in catalog.problems]
    checks = [*_machine(out), *_backends(), *_environments(), *_probes(), *problems]
    if as_json:
        click.echo(json.dumps([asdict(check) for check in checks], indent=1))
    else:
        rows = [[c.what, "yes" if c.usable else "NO", c.found, c.fix] for c in checks]
        click.echo(text_table(["what", "usable", "found", "to make it so"], rows, 400))
    return ExitCode.USAGE if problems else ExitCode.OK


def _machine(out: Path) -> Iterator[Check]:
    yield Check("python", True, platform.python_version())
    linux = platform.system() == "Linux"
    yield Check("operating system", linux, platform.platform(), "" if linux else "use a Linux machine")
    folder = next(path for path in (out.absolute(), *out.absolute().parents) if path.exists())
    free_gib = shutil.disk_usage(folder).free / 2**30
    fix = "" if free_gib >= 4 else "free 4 GiB, or use --out"
    yield Check("disk for results", not fix, f"{free_gib:.1f} GiB free", fix)
    governor = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
    found = governor.read_text().strip() if governor.is_file() else "not told (a virtual machine?)"
    steady = found in {"performance", "not told (a virtual machine?)"}
    fix = "" if steady else "sudo cpupower frequency-set -g performance"
    yield Check("clock governor", steady, found, fix)


def _backends() -> Iterator[Check]:
    from npubench.engine import plugins

    for name in plugins.names(plugins.BACKENDS):
        tool = plugins.backend(name).probe()
        versions = " ".join(f"{key} {version}" for key, version in tool.versions.items())
        yield Check(f"backend {name}", tool.usable, versions or tool.reason, tool.fix)


def _environments() -> Iterator[Check]:
    from npubench.tools.environments import find, names

    for name in names():
        installed = find(name)
        found, fix = (str(installed.path), "") if installed else ("-", f"npubench env install {name}")
        yield Check(f"environment {name}", installed is not None, found, fix)


def _probes() -> Iterator[Check]:
    """The processor probe: built, or a compiler that can."""
    from npubench.benchmarks.cpu import builds

    for wanted in builds.TARGETS.values():
        built, able = builds.find(wanted), _compilers(wanted)
        buildable = f"can be built by {able}" if able else "no compiler"
        found = f"built by {built.compiler}" if built else buildable
        fix = "" if built or able else builds.how_to_get(wanted)
        yield Check(f"probe {wanted.name}", not fix, found, fix)


FULL = "-full"


@click.group()
def env() -> None:
    """Install, list and remove isolated tool environments."""


@env.command()
@click.argument("name")
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
    click.echo(text_table(["environment", "state", "disk", "where", "versions"], rows, 160))


@env.command()
@click.argument("name")
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

    rows = []
    for wanted in builds.TARGETS.values():
        found, have = builds.find(wanted), _compilers(wanted)
        state = f"built by {found.compiler}: {found.path}" if found else "not built"
        rows.append([wanted.name, state, have or f"none: {builds.how_to_get(wanted)}"])
    click.echo(text_table(["target", "build", "compilers"], rows, 400))


def _compilers(wanted: "Target") -> str:
    from npubench.benchmarks.cpu.builds import compilers

    return " ".join(dict.fromkeys(compiler.name for compiler in compilers(wanted)))
