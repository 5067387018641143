"""What the probe is built for, and which compilers can do it."""

import importlib.util
import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from npubench.domain.errors import UsageError
from npubench.domain.nearest import did_you_mean


@dataclass(frozen=True, slots=True)
class Target:
    """An instruction set: `machines` as uname -m names it, `elf_machine` is e_machine of the ELF header."""

    name: str
    machines: tuple[str, ...]
    elf_machine: int
    zig: tuple[str, ...]
    gcc: str
    gcc_flags: tuple[str, ...]


TARGETS = {
    "armv7": Target(
        "armv7",
        ("armv7l", "armv8l"),
        0x28,
        # The oldest cores with NEON and hard-float userlands: no division instruction is assumed.
        ("-target", "arm-linux-musleabihf", "-mcpu=cortex_a9"),
        "arm-linux-gnueabihf-gcc",
        ("-marm", "-march=armv7-a", "-mfpu=neon", "-mfloat-abi=hard"),
    ),
    "aarch64": Target(
        "aarch64",
        ("aarch64", "arm64"),
        0xB7,
        ("-target", "aarch64-linux-musl", "-mcpu=generic"),
        "aarch64-linux-gnu-gcc",
        (),
    ),
    "x86-64": Target(
        "x86-64",
        ("x86_64", "amd64"),
        0x3E,
        ("-target", "x86_64-linux-musl", "-mcpu=x86_64"),
        "x86_64-linux-gnu-gcc",
        (),
    ),
}


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
    for zig in _zigs():
        yield Compiler("zig", (*zig, "cc", *wanted.zig), (*zig, "version"))


def how_to_get(wanted: Target) -> str:
    """What to install, in a line."""
    package = f"gcc-{wanted.gcc.removesuffix('-gcc')}"
    return f"pip install 'npubench[probe]' (ziglang), or a compiler such as Debian's {package}"


def _zigs() -> Iterator[tuple[str, ...]]:
    if importlib.util.find_spec("ziglang"):
        yield (sys.executable, "-m", "ziglang")
    if path := shutil.which("zig"):
        yield (path,)
