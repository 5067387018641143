"""What the probe is built for, and which compilers can do it."""

import importlib.util
import os
import platform
import shutil
import struct
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from npubench.domain.errors import UsageError
from npubench.domain.records import Failure, FailureClass, Stage
from npubench.domain.text import did_you_mean
from npubench.storage.files import cache_folder
from npubench.storage.hashing import digest, sha256_of_file
from npubench.tools import process


@dataclass(frozen=True, slots=True)
class Target:
    """An instruction set: `machines` as uname -m names it, `elf_machine` is e_machine of the ELF header."""

    name: str
    machines: tuple[str, ...]
    elf_machine: int
    zig: tuple[str, ...]
    gcc: str
    gcc_flags: tuple[str, ...]


_TARGETS = (
    Target(
        "armv7",
        ("armv7l", "armv8l"),
        0x28,
        # The oldest cores with NEON and hard-float userlands: no division instruction is assumed.
        ("-target", "arm-linux-musleabihf", "-mcpu=cortex_a9"),
        "arm-linux-gnueabihf-gcc",
        ("-marm", "-march=armv7-a", "-mfpu=neon", "-mfloat-abi=hard"),
    ),
    Target(
        "aarch64",
        ("aarch64", "arm64"),
        0xB7,
        ("-target", "aarch64-linux-musl", "-mcpu=generic"),
        "aarch64-linux-gnu-gcc",
        (),
    ),
    Target(
        "x86-64",
        ("x86_64", "amd64"),
        0x3E,
        ("-target", "x86_64-linux-musl", "-mcpu=x86_64"),
        "x86_64-linux-gnu-gcc",
        (),
    ),
)
TARGETS = {one.name: one for one in _TARGETS}


@dataclass(frozen=True, slots=True)
class Compiler:
    """A command that compiles C for one target, and the one that prints its version."""

    name: str
    command: tuple[str, ...]
    version: tuple[str, ...]


def target(name: str) -> Target:
    """The target of that name. Raises UsageError."""
    if name not in TARGETS:
        hint = did_you_mean(name, TARGETS)
        raise UsageError(f"{name!r:.40} is no target of the probe{hint}: there are {', '.join(TARGETS)}")
    return TARGETS[name]


def of_machine(machine: str) -> Target | None:
    """The target of what uname -m prints."""
    return next((one for one in TARGETS.values() if machine.strip().lower() in one.machines), None)


def compilers(wanted: Target) -> Iterator[Compiler]:
    """Compilers for the target that are there, best first; starts no process.

    The machine's own gcc comes first: on the machine itself its C library, and so its memcpy, is
    what other programs there have, and it needs no download.
    """
    for name in (wanted.gcc, *(("gcc",) if of_machine(platform.machine()) is wanted else ())):
        if path := shutil.which(name):
            yield Compiler("gcc", (path, *wanted.gcc_flags), (path, "--version"))
    zigs = [(sys.executable, "-m", "ziglang")] if importlib.util.find_spec("ziglang") else []
    for zig in (*zigs, *((path,) if (path := shutil.which("zig")) else ())):
        yield Compiler("zig", (*zig, "cc", *wanted.zig), (*zig, "version"))


def how_to_get(wanted: Target) -> str:
    """What to install, in a line."""
    package = f"gcc-{wanted.gcc.removesuffix('-gcc')}"
    return f"pip install 'npubench[probe]' (ziglang), or a compiler such as Debian's {package}"


SOURCES = Path(__file__).with_name("probe")
FLAGS = ("-std=gnu11", "-O2", "-static", "-pthread", "-Wl,--strip-debug")
VERSION_TIMEOUT_S = 60.0
_PT_INTERP = 3
_HASH_DIGITS = 16


@dataclass(frozen=True, slots=True)
class Build:
    """A binary of the probe and the compiler that made it."""

    target: str
    path: Path
    sha256: str
    compiler: str


@cache
def sources_digest() -> str:
    """SHA-256 over the names and contents of all sources, and the flags they are compiled with."""
    files = sorted(SOURCES.glob("*.[ch]"))
    return digest([[file.name, sha256_of_file(file)] for file in files], list(FLAGS))


def folder() -> Path:
    """Builds of today's sources."""
    return cache_folder("probe") / sources_digest()[:_HASH_DIGITS]


def find(target: Target, compiler: str | None = None) -> Build | None:
    """A build of today's sources that is there already, by that compiler or any; starts no process."""
    found = sorted(folder().glob(f"{target.name}--*")) if folder().is_dir() else []
    for kept in found:
        name = kept.name.removeprefix(f"{target.name}--")
        path = kept / "cpupeak"
        if (compiler in (None, name.partition("-")[0])) and path.is_file() and _trouble(path, target) is None:
            return Build(target.name, path, sha256_of_file(path), name.replace("-", " ", 1))
    return None


def build(
    target: Target,
    log: Path,
    deadline_s: float,
    say: Callable[[str], None],
    compiler: str | None = None,
    fresh: bool = False,
) -> Build | Failure:
    """The probe for a target: as it is kept, or compiled by the first compiler that can.

    `compiler` is `gcc` or `zig`, or None for any. The compilers' output is appended to `log`.
    """
    if not fresh and (kept := find(target, compiler)):
        return kept
    trouble = []
    for candidate in compilers(target):
        if compiler in (None, candidate.name):
            say(f"building cpupeak for {target.name} with {candidate.name}; the first time takes a while")
            made = _compiled(target, candidate, log, deadline_s)
            if isinstance(made, Build):
                return made
            trouble.append(f"{candidate.name}: {made}")
    wrong = f"cpupeak cannot be built for {target.name}: {'; '.join(trouble)}"
    message = wrong if trouble else f"there is no compiler for {target.name}"
    return Failure(Stage.COMPILE, FailureClass.TOOL_MISSING, f"{message}: {how_to_get(target)}")


def _compiled(target: Target, compiler: Compiler, log: Path, deadline_s: float) -> Build | str:
    """The build, or what went wrong."""
    version = _version(compiler, log)
    if version is None:
        return "it does not run"
    folder().mkdir(parents=True, exist_ok=True)
    files = [str(file) for file in sorted(SOURCES.glob("*.c"))]
    with tempfile.TemporaryDirectory(dir=folder(), prefix=".new-") as scratch:
        path = Path(scratch) / "cpupeak"
        argv = [*compiler.command, *FLAGS, "-o", str(path), *files]
        try:
            done = process.run(argv, timeout_s=deadline_s, log=log, env=_zig_folders())
        except OSError as error:
            return f"it cannot be started: {error.strerror}"
        if done.timed_out:
            return f"it did not end within {deadline_s:g} s"
        wrong = f"exit code {done.returncode}" if done.returncode else _trouble(path, target)
        if wrong:
            return f"{wrong}: {_last_line(done.output)}"
        name = f"{compiler.name}-{version}"
        kept = folder() / f"{target.name}--{name}"
        kept.mkdir(exist_ok=True)
        path.replace(kept / "cpupeak")
    return Build(
        target.name, kept / "cpupeak", sha256_of_file(kept / "cpupeak"), f"{compiler.name} {version}"
    )


def _version(compiler: Compiler, log: Path) -> str | None:
    try:
        done = process.run(compiler.version, timeout_s=VERSION_TIMEOUT_S, log=log)
    except OSError:
        return None
    if done.returncode or done.timed_out:
        return None
    words = (done.output.splitlines() or [""])[0].split()
    known = next((word for word in reversed(words) if word[:1].isdigit()), "unknown")
    return "".join(letter for letter in known if letter.isalnum() or letter in "._+")[:40]


def _zig_folders() -> dict[str, str]:
    """zig keeps what it has compiled of its C library; beside ours, unless the user has said where."""
    return {
        name: str(cache_folder("zig") / part)
        for name, part in (("ZIG_GLOBAL_CACHE_DIR", "global"), ("ZIG_LOCAL_CACHE_DIR", "local"))
        if name not in os.environ
    }


def _trouble(path: Path, target: Target) -> str | None:
    """Why a file is no static program for the target (ELF header: gabi, chapter 4); None when it is one."""
    try:
        data = path.read_bytes()
        wide = data[4] == 2
        machine = struct.unpack_from("<H", data, 18)[0]
        offset, size, count = (
            (*struct.unpack_from("<Q", data, 32), *struct.unpack_from("<HH", data, 54))
            if wide
            else (*struct.unpack_from("<I", data, 28), *struct.unpack_from("<HH", data, 42))
        )
        kinds = [struct.unpack_from("<I", data, offset + i * size)[0] for i in range(count)]
    except (OSError, IndexError, struct.error):
        return "it wrote no program"
    if data[:4] != b"\x7fELF" or machine != target.elf_machine:
        return f"it wrote no program for {target.name}"
    return "the program is not static" if _PT_INTERP in kinds else None


def _last_line(text: str) -> str:
    errors = [line.strip() for line in text.splitlines() if "error" in line.lower()]
    lines = errors or [line.strip() for line in text.splitlines() if line.strip()]
    return lines[0][:200] if lines else "it printed nothing"
