"""The catalogue: operators, models, boards and suites as TOML, shipped and the user's own."""

from npubench.catalog.find import (
    DEFAULT_SUITE,
    KINDS,
    NODE_TESTS,
    Catalog,
    Found,
    find_board,
    find_cases,
    user_folders,
)
from npubench.catalog.load import load

__all__ = [
    "DEFAULT_SUITE",
    "KINDS",
    "NODE_TESTS",
    "Catalog",
    "Found",
    "find_board",
    "find_cases",
    "load",
    "user_folders",
]
