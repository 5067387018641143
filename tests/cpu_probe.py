"""The probe, built for each target by a real (cross) compiler, and how it runs on this machine."""

import os
import platform
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest

from npubench.benchmarks.cpu import builds
from npubench.benchmarks.cpu.builds import TARGETS, of_machine

EMULATORS = {"armv7": "qemu-arm-static", "aarch64": "qemu-aarch64-static", "x86-64": "qemu-x86_64-static"}
OBJDUMPS = {
    "armv7": "arm-linux-gnueabihf-objdump",
    "aarch64": "aarch64-linux-gnu-objdump",
    "x86-64": "objdump",
}
SHORT = ("--seconds", "0.05", "--sample-us", "100")


def needed(program: str) -> str:
    """The path of a program that tests/system-packages.sh installs; CI must have it, others may skip."""
    path = shutil.which(program)
    if path is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(
            f"no {program}: tests/system-packages.sh installs it"
        )
    return path


@cache
def probe(target: str) -> Path:
    """The binary for a target, built by gcc, which is quick, with the test run's own cache."""
    if of_machine(platform.machine()) is not TARGETS[target]:
        needed(TARGETS[target].gcc)
    log = Path(os.environ["NPUBENCH_CACHE"]) / f"{target}.log"
    made = builds.build(TARGETS[target], log, 300, lambda _text: None, "gcc")
    assert isinstance(made, builds.Build), (made, log.read_text())
    return made.path


def command(target: str, cpu: str = "") -> list[str]:
    """How the target's binary starts here: as it is, or by user-mode emulation."""
    if of_machine(platform.machine()) is TARGETS[target] and not cpu:
        return [str(probe(target))]
    return [needed(EMULATORS[target]), *(["-cpu", cpu] if cpu else []), str(probe(target))]


def output(target: str, *words: str, cpu: str = "") -> str:
    """What one run prints; it must end well."""
    argv = [*command(target, cpu), *words]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, (argv, done.returncode, done.stderr, done.stdout[-500:])
    return done.stdout


@cache
def functions(target: str) -> dict[str, list[str]]:
    """Every function of the binary as its disassembled instructions."""
    argv = [needed(OBJDUMPS[target]), "-d", "--no-show-raw-insn", str(probe(target))]
    text = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=300).stdout
    found = {}
    for part in text.split("\n\n"):
        head, _, body = part.strip().partition("\n")
        if name := re.fullmatch(r"[0-9a-f]+ <(\w+)>:", head.strip()):
            lines = [line.partition("\t")[2].replace("\t", " ").strip() for line in body.splitlines()]
            found[name[1]] = lines
    return found
