"""What stops a command, as opposed to what is recorded as a result.

    NpubenchError
    ├── UsageError            exit 2: the user's input; says what, where, what to do
    │   ├── CatalogError      a TOML file: file, line, key
    │   └── WorkspaceError    the output folder: read-only, full, held by another run
    ├── BoardError            exit 4
    │   ├── BoardBusyError    another run measures on it
    │   ├── BoardLostError    it was there and went away: nothing is known of what ran on it
    │   └── TransferError     a file did not get there or back; the board is still there
    └── ToolchainError        exit 5
    Interrupted               a stop was asked for; raised wherever work is waited on

A case that fails is not an error: it is a `records.Failure`, a value.
"""

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of every command; the table stands in the README."""

    OK = 0
    REGRESSION = 1
    USAGE = 2
    NOTHING_MEASURED = 3
    BOARD = 4
    TOOLCHAIN = 5
    UNSTABLE = 6
    INTERRUPTED = 130


class NpubenchError(Exception):
    """A one-line message for the user and the exit code that goes with it."""

    exit_code = ExitCode.USAGE


class UsageError(NpubenchError):
    """The input of the user cannot be used."""


class CatalogError(UsageError):
    """A catalogue file is broken; the message names file, line and key."""


class WorkspaceError(UsageError):
    """The output folder cannot be used."""


class BoardError(NpubenchError):
    """The board cannot be used."""

    exit_code = ExitCode.BOARD


class BoardLostError(BoardError):
    """The board was there and went away while something was asked of it."""


class BoardBusyError(BoardError):
    """Another run measures on the board, and it was not to be waited for any longer."""


class TransferError(BoardError):
    """A file could not be brought to the board or fetched; the board itself answers."""


class ToolchainError(NpubenchError):
    """A toolchain or an isolated environment cannot be used."""

    exit_code = ExitCode.TOOLCHAIN


class Interrupted(Exception):  # noqa: N818 - not an error: somebody asked for it
    """The run was asked to stop; what is finished stays."""
