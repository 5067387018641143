"""`npubench doctor`: what is usable here, and for each thing that is not, the line that helps."""

import json
import platform
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from npubench.cli.options import catalog_option, json_option, load_catalog, out_option
from npubench.domain.text import text_table


@dataclass(frozen=True, slots=True)
class Check:
    """One thing: whether it is usable, what was found, what to do otherwise."""

    what: str
    usable: bool
    found: str
    fix: str = ""


@click.command()
@catalog_option
@json_option
@out_option
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
    return 2 if problems else 0


def _machine(out: Path) -> Iterator[Check]:
    yield Check("python", True, platform.python_version())
    linux = platform.system() == "Linux"
    yield Check("operating system", linux, platform.platform(), "" if linux else "use a Linux machine")
    folder = next(path for path in (out.absolute(), *out.absolute().parents) if path.exists())
    free_gib = shutil.disk_usage(folder).free / 2**30
    room = free_gib >= 4
    yield Check(
        "disk for results", room, f"{free_gib:.1f} GiB free", "" if room else "free 4 GiB, or use --out"
    )
    governor = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
    found = governor.read_text().strip() if governor.is_file() else "not told (a virtual machine?)"
    steady = found in {"performance", "not told (a virtual machine?)"}
    yield Check(
        "clock governor", steady, found, "" if steady else "sudo cpupower frequency-set -g performance"
    )


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
        fix = "" if installed else f"npubench env install {name}"
        yield Check(
            f"environment {name}", installed is not None, str(installed.path) if installed else "-", fix
        )


def _probes() -> Iterator[Check]:
    """The processor probe: built, or a compiler that can."""
    from npubench.benchmarks.cpu import builds
    from npubench.benchmarks.cpu.builds import TARGETS, compilers, how_to_get

    for wanted in TARGETS.values():
        built = builds.find(wanted)
        able = " ".join(dict.fromkeys(compiler.name for compiler in compilers(wanted)))
        found = (
            f"built by {built.compiler}" if built else f"can be built by {able}" if able else "no compiler"
        )
        usable = bool(built or able)
        yield Check(f"probe {wanted.name}", usable, found, "" if usable else how_to_get(wanted))
