"""Isolated environments for tools that npubench never imports: made by venv and pip, pinned.

One environment is one TOML file here (and a requirements file of pins beside it).
"""

from npubench.tools.environments.install import install, remove
from npubench.tools.environments.spec import (
    EnvironmentSpec,
    Installed,
    disk_bytes,
    find,
    folder,
    folders,
    names,
    read,
    root,
    spec,
)

__all__ = [
    "EnvironmentSpec",
    "Installed",
    "disk_bytes",
    "find",
    "folder",
    "folders",
    "install",
    "names",
    "read",
    "remove",
    "root",
    "spec",
]
