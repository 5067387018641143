"""Finds a Python of a given version that really runs."""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from npubench.domain.errors import ToolchainError
from npubench.tools import process

_PROBE = "import sys, venv, ensurepip; print('%d.%d' % sys.version_info[:2])"
_PROBE_TIMEOUT_S = 30.0


def interpreter(version: str) -> Path:
    """A Python of `version` (such as 3.11) with venv and pip. Raises ToolchainError with what is missing."""
    for candidate in _candidates(version):
        if _version_of(candidate) == version:
            return candidate
    raise ToolchainError(
        f"Python {version} with venv is not on this machine: install it (apt install python{version}-venv,"
        f" or pyenv install {version}), then run the command again"
    )


def _candidates(version: str) -> Iterator[Path]:
    """The running one, those on PATH, pyenv's; each is tried, because a shim may lead nowhere."""
    yield Path(sys.executable)
    for folder in os.get_exec_path():
        if found := shutil.which(f"python{version}", path=folder):
            yield Path(found)
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    yield from sorted(pyenv.glob(f"versions/{version}.*/bin/python"), reverse=True)


def _version_of(python: Path) -> str | None:
    with tempfile.TemporaryDirectory() as scratch:
        try:
            done = process.run(
                [str(python), "-I", "-c", _PROBE], timeout_s=_PROBE_TIMEOUT_S, log=Path(scratch) / "log"
            )
        except OSError:
            return None
    return done.output.strip() if done.returncode == 0 and not done.timed_out else None
