"""Isolated environments for tools that npubench never imports: made by venv and pip, pinned.

One environment is one TOML file here (and a requirements file of pins beside it).
"""

from npubench.tools.environments.install import install, remove
from npubench.tools.environments.installed import (
    Installed,
    disk_bytes,
    find,
    find_all,
    folder,
    folders,
    read,
    root,
)
from npubench.tools.environments.spec import EnvironmentSpec, names, spec

__all__ = [
    "EnvironmentSpec",
    "Installed",
    "disk_bytes",
    "find",
    "find_all",
    "folder",
    "folders",
    "install",
    "names",
    "read",
    "remove",
    "root",
    "spec",
]
