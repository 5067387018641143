"""What the virtual board needs of this machine, and the command that brings it."""

import shutil
from collections.abc import Iterable
from pathlib import Path

from npubench.domain.errors import ToolchainError

RUN = {"qemu-system-arm": "qemu-system-arm", "zstd": "zstd"}
"""Programs that run it, each with the Debian package it comes in."""
BUILD = {
    "apt-get": "apt",
    "dpkg-deb": "dpkg",
    "cpio": "cpio",
    "gzip": "gzip",
    "/usr/share/keyrings/debian-archive-keyring.gpg": "debian-archive-keyring",
}
"""Programs and files that build the images."""
BUILD_DISK = {"mke2fs": "e2fsprogs"}
SYSTEM_PATH = "/usr/sbin:/sbin"
"""Programs for the system's keeper, which are not on everybody's PATH."""


def path_of(program: str) -> str | None:
    """Where a program lies."""
    return shutil.which(program) or shutil.which(program, path=SYSTEM_PATH)


def require(programs: dict[str, str]) -> None:
    """Raises ToolchainError naming what is missing, with the command that installs it."""
    missing = [name for name in programs if not _there(name)]
    if missing:
        packages = " ".join(dict.fromkeys(programs[name] for name in missing))
        raise ToolchainError(
            f"the virtual board needs {_listed(missing)}, which {'is' if len(missing) == 1 else 'are'} not"
            f" here: apt-get install {packages}"
        )


def _there(name: str) -> bool:
    return Path(name).exists() if name.startswith("/") else path_of(name) is not None


def _listed(names: Iterable[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last
