"""Where the shipped data lies: ops/ models/ boards/ suites/ reports/.

In the wheel they are package data below npubench/data; in a checkout they stand at its root.
"""

from functools import cache
from pathlib import Path

from npubench.errors import NpubenchError

FOLDERS = ("ops", "models", "boards", "suites", "reports")


@cache
def data_root() -> Path:
    """The folder that holds the shipped data. Raises NpubenchError when the installation is broken."""
    package = Path(__file__).resolve().parent
    for root in (package / "data", package.parent):
        if all((root / name).is_dir() for name in FOLDERS):
            return root
    raise NpubenchError(f"npubench's data folders {FOLDERS} are not at {package}: install npubench again")
