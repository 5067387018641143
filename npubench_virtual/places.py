"""Where the virtual board lives: images and downloaded packages, and one machine, below the user's cache."""

import os
from pathlib import Path

NAME = "virtual-a7"


def root() -> Path:
    """Below $XDG_CACHE_HOME or ~/.cache."""
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (base if base.is_absolute() else Path.home() / ".cache") / "npubench" / NAME


def images() -> Path:
    """Built images, each in a folder of its name and the hash of what builds it."""
    return root() / "images"


def packages() -> Path:
    """Debian packages and lists, kept for the next image."""
    return root() / "packages"


def machine() -> Path:
    """The one machine: its keys, disk, record and logs."""
    return root() / "machine"
