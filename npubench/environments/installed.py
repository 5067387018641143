"""Environments that are there. An environment is complete when its marker is: it is written last."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from npubench.environments.spec import names, spec

MARKER = "npubench.json"


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
        return sum(f.lstat().st_size for f in self.path.rglob("*") if not f.is_dir())


def root() -> Path:
    """$NPUBENCH_ENVS, else below $XDG_DATA_HOME or ~/.local/share."""
    if own := os.environ.get("NPUBENCH_ENVS"):
        return Path(own)
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share"
    return Path(data) / "npubench" / "envs"


def folder(name: str) -> Path:
    """Where the environment of today's pins belongs; other pins have another place."""
    return root() / f"{name}-{spec(name).pins[:12]}"


def find(name: str) -> Installed | None:
    """The environment of today's pins, if it is complete. Starts no process."""
    return _read(name, folder(name))


def find_all() -> list[Installed]:
    """All complete environments, those of older pins included."""
    found = [_read(name, path) for name in names() for path in sorted(root().glob(f"{name}-*"))]
    return [environment for environment in found if environment]


def _read(name: str, path: Path) -> Installed | None:
    python = path / "bin" / "python"
    try:
        marker = json.loads((path / MARKER).read_text())
    except (OSError, ValueError):
        return None
    if not python.exists():
        return None
    return Installed(name, path, python, marker["versions"], marker["installed_at"])
