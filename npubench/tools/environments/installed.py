"""Environments that are there. An environment is complete when its marker is: it is written last."""

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from npubench.tools.environments.spec import names, spec

MARKER = "npubench.json"
_HASH_DIGITS = 12


@dataclass(frozen=True, slots=True)
class Installed:
    """A complete environment."""

    name: str
    path: Path
    python: Path
    versions: Mapping[str, str]
    installed_at: str

    @property
    def disk_bytes(self) -> int:
        """Bytes of all its files."""
        return disk_bytes(self.path)


def root() -> Path:
    """$NPUBENCH_ENVS, else below $XDG_DATA_HOME or ~/.local/share."""
    if own := os.environ.get("NPUBENCH_ENVS"):
        return Path(own).absolute()
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share"
    return Path(data).absolute() / "npubench" / "envs"


def folder(name: str) -> Path:
    """Where the environment of today's pins belongs; other pins have another place."""
    return root() / f"{name}-{spec(name).pins[:_HASH_DIGITS]}"


def find(name: str) -> Installed | None:
    """The environment of today's pins, if it is complete. Starts no process."""
    return read(name, folder(name))


def folders(name: str) -> list[Path]:
    """Every folder of an environment, finished or not, whatever its pins."""
    pattern = re.compile(re.escape(name) + rf"-[0-9a-f]{{{_HASH_DIGITS}}}")
    found = root().iterdir() if root().is_dir() else ()
    return sorted(path for path in found if pattern.fullmatch(path.name) and path.is_dir())


def find_all() -> list[Installed]:
    """All complete environments, those of older pins included."""
    found = [read(name, path) for name in names() for path in folders(name)]
    return [environment for environment in found if environment]


def read(name: str, path: Path) -> Installed | None:
    """The environment in that folder, if it is complete."""
    python = path / "bin" / "python"
    try:
        marker = json.loads((path / MARKER).read_text(encoding="utf-8"))
        versions, installed_at = dict(marker["versions"]), str(marker["installed_at"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    # Without the Python that it was made from, an environment is a dangling link.
    if not python.exists():
        return None
    return Installed(name, path, python, versions, installed_at)


def disk_bytes(path: Path) -> int:
    """Bytes of all files below a folder; links count as links."""
    return sum(entry.stat(follow_symlinks=False).st_size for entry in _files(path))


def _files(path: Path) -> Iterator[os.DirEntry[str]]:
    with os.scandir(path) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _files(Path(entry.path))
            else:
                yield entry
