"""What `npubench doctor` looks at: whether each thing is usable, what for, and what makes it so."""

import os
import platform
import re
import shlex
import shutil
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from npubench.domain.errors import NpubenchError
from npubench.domain.layout import Labelled, command_lines, labelled_lines, wrapped
from npubench.domain.text import counted

if TYPE_CHECKING:
    from npubench.benchmarks.cpu.builds import Target
    from npubench.catalog import Catalog

PIP = (sys.executable, "-m", "pip", "install")
APT = ("sudo", "apt-get", "install")
LEAST_FREE_GIB = 4
_PLACE = re.compile(r"(?P<file>.+?):(?P<line>[0-9]+): ")
_SHOWN_BOARDS = 6


@dataclass(frozen=True, slots=True)
class Check:
    """One thing: whether it is usable, what was found, what to do otherwise."""

    what: str
    usable: bool
    found: str
    fix: str = ""  # in words
    command: tuple[str, ...] = ()  # the same as a command to be copied, where there is one
    serves: str = ""  # what it is good for


def checks(catalog: "Catalog", out: Path) -> tuple[Check, ...]:
    """Everything, in the order of a first run: the machine, the catalogue, then what runs take."""
    return (
        *_machine(out),
        *map(_mistake, catalog.problems),
        *_backends(catalog),
        *_environments(),
        *_exporters(catalog),
        *_codecs(),
        *_probes(),
        _printer(),
    )


def plain(check: Check) -> Mapping[str, str | bool]:
    """For programs."""
    return {
        **{"what": check.what, "usable": check.usable, "found": check.found, "fix": check.fix},
        **{"command": shlex.join(check.command), "serves": check.serves},
    }


def lines_of(found: Sequence[Check], width: int) -> list[str]:
    """For people, in lines of at most `width` columns: what is not usable first, then what is."""
    missing = [one for one in found if not one.usable]
    usable = [one for one in found if one.usable]
    lines = []
    if missing:
        head = f"not usable: {counted(len(missing), 'thing')}, each with what makes it so"
        lines = [*wrapped(head, width), ""]
        for group in _by_remedy(missing):
            lines += [*_problem_lines(group, width), ""]
    facts = [Labelled(one.what, _told(one)) for one in usable]
    return [*lines, f"usable: {counted(len(usable), 'thing')}", "", *labelled_lines(facts, width)]


def _by_remedy(missing: Sequence[Check]) -> list[list[Check]]:
    """What one command makes usable stands together: a toolchain and its environment, say."""
    groups: defaultdict[tuple[str, ...], list[Check]] = defaultdict(list)
    for one in missing:
        groups[(*one.command, one.fix) if one.command else (one.what, one.fix)].append(one)
    return list(groups.values())


def _problem_lines(group: Sequence[Check], width: int) -> list[str]:
    lines = []
    for one in group:
        found = f": {one.found}" if one.found not in ("", "-") else ""
        lines += wrapped(f"{one.what}{found}", width, "  ", "      ")
        lines += wrapped(f"for {one.serves}", width, "      ", "      ") if one.serves else []
    command = group[0].command
    fix = group[0].fix
    lines += (
        wrapped(f"{fix}:" if command else fix, width, "    ", "    ") if fix != shlex.join(command) else []
    )
    return [*lines, *(command_lines(command, width, "        ") if command else ())]


def _told(check: Check) -> str:
    home = str(Path.home())
    found = f"~{check.found.removeprefix(home)}" if check.found.startswith(f"{home}{os.sep}") else check.found
    return "; ".join(filter(None, (found, check.serves)))


def _machine(out: Path) -> Iterator[Check]:
    yield Check("python", True, platform.python_version())
    linux = platform.system() == "Linux"
    work = ("docker", "run", "-it", "--rm", "-v", f"{Path.cwd()}:/work", "-w", "/work", "python:3.12", "bash")
    yield Check(
        *("operating system", linux, platform.platform(), "" if linux else "use a Linux machine, as in"),
        *((),) if linux else (work,),
    )
    folder = next(path for path in (out.absolute(), *out.absolute().parents) if path.exists())
    free_gib = shutil.disk_usage(folder).free / 2**30
    enough = free_gib >= LEAST_FREE_GIB
    fix = "" if enough else f"free {LEAST_FREE_GIB} GiB, or use --out; this tells what takes the room"
    command = () if enough else ("du", "-xhd1", str(folder))
    yield Check("disk for results", enough, f"{free_gib:.1f} GiB free", fix, command)
    governor = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
    name = governor.read_text().strip() if governor.is_file() else "not told (a virtual machine?)"
    steady = name in {"performance", "not told (a virtual machine?)"}
    set_it = () if steady else ("sudo", "cpupower", "frequency-set", "-g", "performance")
    yield Check("clock governor", steady, name, shlex.join(set_it), set_it)


def _mistake(problem: str) -> Check:
    place = _PLACE.match(problem)
    editor = shlex.split(os.environ.get("EDITOR") or "vi")
    command = (*editor, f"+{place['line']}", place["file"]) if place else ()
    return Check("catalogue", False, problem, "correct that line", command)


def _backends(catalog: "Catalog") -> Iterator[Check]:
    from npubench.engine import plugins

    boards: defaultdict[str, list[str]] = defaultdict(list)
    for board in catalog.boards.values():
        boards[board.backend].append(board.name)
    for name in plugins.names(plugins.BACKENDS):
        serves = _boards_text(boards.get(name, []))
        try:
            tool = plugins.backend(name).probe()
        except NpubenchError as error:
            yield Check(f"backend {name}", False, str(error), "install its package again", (), serves)
            continue
        versions = " ".join(f"{key} {version}" for key, version in tool.versions.items())
        yield Check(
            f"backend {name}", tool.usable, versions or tool.reason, tool.fix, tuple(tool.command), serves
        )


def _boards_text(names: Sequence[str]) -> str:
    if not names:
        return "no board of the catalogue"
    more = f" and {len(names) - _SHOWN_BOARDS} more" if len(names) > _SHOWN_BOARDS else ""
    return f"board{'s' if names[1:] else ''} {', '.join(names[:_SHOWN_BOARDS])}{more}"


def _environments() -> Iterator[Check]:
    from npubench.tools.environments import find, names

    for name in names():
        installed = find(name)
        command = () if installed else ("npubench", "env", "install", name)
        found = str(installed.path) if installed else "-"
        yield Check(f"environment {name}", installed is not None, found, shlex.join(command), command)


def _exporters(catalog: "Catalog") -> Iterator[Check]:
    """What makes ONNX files: of operators and files npubench itself, of models an environment."""
    from npubench.exporters.openmmlab import codebases
    from npubench.tools.environments import find

    yield Check("exporter operators", True, counted(len(catalog.operators), "case"))
    yield Check("exporter files", True, "your own .onnx files")
    needed: defaultdict[str, list[str]] = defaultdict(list)
    ready: dict[str, str] = {}
    for codebase, environments in codebases.CODEBASES.items():
        needed[environments[0]].append(codebase)
        if found := next(filter(find, environments), None):
            ready[environments[0]] = f"by environment {found}"
    for environment, names in needed.items():
        count = sum(model.codebase in names for model in catalog.models.values())
        serves = f"models of {', '.join(names)}, {count} of them in the catalogue"
        command = () if environment in ready else ("npubench", "env", "install", environment)
        title = "light" if environment == codebases.LIGHT else "full"
        found_text = ready.get(environment, "-")
        fix = shlex.join(command)
        yield Check(f"exporter openmmlab ({title})", not command, found_text, fix, command, serves)


_PROGRAMS = {
    "ffmpeg": ("ffmpeg", (*APT, "ffmpeg"), "codecs by the program ffmpeg (engine ffmpeg)"),
    "gstreamer": (
        "gst-launch-1.0",
        (*APT, "gstreamer1.0-tools", "gstreamer1.0-plugins-good", "gstreamer1.0-plugins-bad"),
        "codecs of a chip behind GStreamer (engine gstreamer)",
    ),
}


def _codecs() -> Iterator[Check]:
    serves = "codecs, frame by frame, and their test data (engine pyav)"
    there = find_spec("av") is not None
    command: tuple[str, ...] = () if there else (*PIP, "av")
    yield Check("codec pyav", there, "installed" if there else "-", shlex.join(command), command, serves)
    for name, (program, install, use) in _PROGRAMS.items():
        path = shutil.which(program)
        command = () if path else install
        yield Check(f"codec {name}", path is not None, path or "-", shlex.join(command), command, use)


def _probes() -> Iterator[Check]:
    """The processor probe: built, or a compiler that can."""
    from npubench.benchmarks.cpu import builds

    for wanted in builds.TARGETS.values():
        built, able = builds.find(wanted), compiler_names(wanted)
        buildable = f"can be built by {able}" if able else "no compiler"
        found = f"built by {built.compiler}" if built else buildable
        fix = "" if built or able else builds.how_to_get(wanted)
        command = (*PIP, "ziglang") if fix else ()
        yield Check(f"probe {wanted.name}", not fix, found, fix, command, "the stage cpu")


def compiler_names(wanted: "Target") -> str:
    """Compilers for a target that are there, with blanks between them."""
    from npubench.benchmarks.cpu.builds import compilers

    return " ".join(dict.fromkeys(compiler.name for compiler in compilers(wanted)))


def _printer() -> Check:
    from npubench.reporting.page.pdf import browser

    check = Check("chromium", True, browser() or "-", serves="reports as PDF")
    if check.found != "-":
        return check
    command = (*APT, "chromium")
    return replace(check, usable=False, fix=shlex.join(command), command=command)
