"""The rows of a workspace folder as stores exchange them.

A workspace takes the row that came last for the newest, a team's store the one that started last. So
rows that are brought in here are put in the order of their starts, among those that are there.
"""

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import fields
from typing import Self

from npubench.domain.errors import UsageError, WorkspaceError
from npubench.storage.baselines import read_baselines
from npubench.storage.store import Store
from npubench.storage.team.identity import StoredRow, digest_of, identity_of
from npubench.storage.workspace import Workspace

_FIELDS = tuple(field.name for field in fields(StoredRow) if field.name != "sha256")
_COLUMNS = ", ".join(_FIELDS)
# Numbers are given anew above the largest one, which so goes on growing: pages are told stale by it.
_ORDERED = f"""
CREATE TEMP TABLE ordered AS SELECT {_COLUMNS} FROM results ORDER BY started_at, id;
CREATE TEMP TABLE largest AS SELECT MAX(id) AS id FROM results;
DELETE FROM results;
INSERT INTO results (id, {_COLUMNS})
    SELECT largest.id + ordered.rowid, {_COLUMNS} FROM ordered, largest ORDER BY ordered.rowid;
DROP TABLE ordered;
DROP TABLE largest;
"""


class FolderStore:
    """The rows of one workspace: `with FolderStore.read(workspace)`, or `write`, which holds its lock."""

    def __init__(self, workspace: Workspace) -> None:
        self.shown = str(workspace.root)
        self._path = workspace.database
        self._stack = contextlib.ExitStack()

    @classmethod
    def read(cls, workspace: Workspace) -> "FolderStore":
        """Open for reading. Raises UsageError where there are no results."""
        Store.read(workspace.database).close()
        return cls(workspace)

    @classmethod
    def write(cls, workspace: Workspace) -> "FolderStore":
        """Open for writing; makes the folder. Raises WorkspaceError, also where a run is at work there."""
        workspace.create()
        store = cls(workspace)
        store._stack.enter_context(workspace.lock())
        Store.create(workspace.database).close()
        return store

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_raised: object) -> None:
        self._stack.close()

    def rows(self) -> list[StoredRow]:
        """Every row, oldest first."""
        with self._connected() as connection:
            found = connection.execute(f"SELECT {_COLUMNS} FROM results ORDER BY id").fetchall()
        return [_row(line, self.shown) for line in found]

    def append(self, rows: Iterable[StoredRow]) -> int:
        """Add the rows that are not there yet, all or none; how many these are.

        Raises UsageError where they belong among rows that a baseline holds by their numbers.
        """
        here = self.rows()
        have = {one.sha256 for one in here}
        new = sorted(
            {one.sha256: one for one in rows if one.sha256 not in have}.values(),
            key=lambda one: (one.started_at, one.sha256),
        )
        if not new:
            return 0
        among = any(one.started_at > new[0].started_at for one in here)
        if among and read_baselines(self._path.parent):
            raise UsageError(
                f"{self.shown} has baselines, and rows of an earlier start would come among theirs:"
                " bring the rows into another --out"
            )
        marks = ", ".join("?" for _ in _FIELDS)
        with self._connected() as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(
                f"INSERT INTO results ({_COLUMNS}) VALUES ({marks})",
                [tuple(getattr(one, name) for name in _FIELDS) for one in new],
            )
            for statement in filter(str.strip, _ORDERED.split(";") if among else ()):
                connection.execute(statement)
            connection.execute("COMMIT")
        return len(new)

    def identities(self) -> set[str]:
        """Of every row."""
        return {one.sha256 for one in self.rows()}

    def digest(self) -> str:
        """Of all rows, whatever order they came in."""
        return digest_of(self.identities())

    @contextlib.contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        connection = sqlite3.connect(self._path, timeout=30.0, isolation_level=None)
        connection.row_factory = sqlite3.Row
        try:
            yield connection
        except sqlite3.DatabaseError as error:
            raise WorkspaceError(f"cannot use {self._path}: {error}: check the disk") from error
        finally:
            connection.close()


def _row(line: sqlite3.Row, shown: str) -> StoredRow:
    values = dict(line)
    try:
        sha256 = identity_of(values["row"])
    except ValueError as error:
        raise WorkspaceError(f"{shown}: a row is no JSON ({error}): it cannot be sent anywhere") from error
    return StoredRow(sha256, **{**values, "final": bool(values["final"])})
