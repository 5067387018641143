"""Results in SQLite: append-only, one transaction a row, readable while a run writes.

WAL with synchronous=NORMAL survives a killed process with no acknowledged row lost.
`PRAGMA user_version` is the format: 1, rows as the JSON of `records.Result` beside the columns
that are searched. Within it fields were added, each with a value for rows without it, so rows of every
earlier version are read; a row that nobody can read is told with what to do, never left out.
"""

import contextlib
import gc
import json
import sqlite3
import threading
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from npubench.domain.errors import UsageError, WorkspaceError
from npubench.domain.records import Result
from npubench.domain.text import path_meant
from npubench.storage.details import upgraded
from npubench.storage.json import decode, encode
from npubench.storage.points import BEHIND, NAMES, POINTS, POINTS_SCHEMA

FORMAT = 1
_SCHEMA = """
CREATE TABLE IF NOT EXISTS results (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL,
    run_id TEXT NOT NULL,
    started_at TEXT NOT NULL,
    board TEXT NOT NULL,
    backend TEXT NOT NULL,
    case_name TEXT NOT NULL,
    case_kind TEXT NOT NULL,
    precision TEXT NOT NULL,
    status TEXT NOT NULL,
    final INTEGER NOT NULL,
    row TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS runs (
    run_id TEXT PRIMARY KEY,
    planned INTEGER NOT NULL,
    to_run INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS by_key ON results (key, id DESC);
CREATE INDEX IF NOT EXISTS by_case ON results (case_name, board, backend, precision, id DESC);
"""
_LATEST = """
SELECT {row} FROM results WHERE id IN (
    SELECT MAX(id) FROM results {where} GROUP BY case_name, board, backend, precision
) ORDER BY id
"""
_BRIEF = """json_remove(row, '$.board_before', '$.board_after', '$.protocol', '$.seeds', '$.command',
 '$.figures.samples_us', '$.figures.interrupted_us')"""


@dataclass(frozen=True, slots=True)
class Run:
    """One `npubench run`: how many cases it planned, and how many of them had no final row yet."""

    run_id: str
    planned: int
    to_run: int


@dataclass(frozen=True, slots=True)
class RowFiles:
    """What a row names outside of itself, to tell what may be removed with it."""

    id: int  # grows with every row
    run_id: str  # of the run that made it
    started_at: str  # ISO 8601
    artifact_sha256: str | None  # of what ran
    onnx_sha256: str | None  # of the model
    log_path: str | None  # relative to the workspace
    samples_path: str | None  # the same


class Store:
    """The rows of one workspace: `with Store.create(path) as store` to write, `Store.read` to read."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection
        self._lock = threading.Lock()

    @classmethod
    def create(cls, path: Path) -> "Store":
        """Open for writing; makes the file. Raises WorkspaceError."""
        with _said_plainly(path):
            connection = sqlite3.connect(path, timeout=30.0, check_same_thread=False, isolation_level=None)
            _check_format(path, connection)
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")
            # Also of a store that is there: a table may have come in since it was made.
            connection.executescript(
                f"BEGIN IMMEDIATE; {_SCHEMA}; {POINTS_SCHEMA}; PRAGMA user_version={FORMAT}; COMMIT;"
            )
        return cls(path, connection)

    @classmethod
    def read(cls, path: Path) -> "Store":
        """Open for reading, also on read-only media. Raises UsageError when there are no results."""
        if not path.is_file():
            hint = "" if path.parent.exists() else path_meant(path.parent)
            raise UsageError(
                f"no results at {path.parent}{hint}: run `npubench run --out {path.parent}` first"
            )
        with _said_plainly(path):
            connection = _open_read_only(path)
            _check_format(path, connection)
            if _format_of(connection) == 0:
                # A run was killed between making the file and its tables: there is nothing in it yet.
                connection.close()
                connection = sqlite3.connect(":memory:")
                connection.executescript(_SCHEMA)
        return cls(path, connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_raised: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def append(self, result: Result) -> None:
        """Add one row in a transaction of its own. Raises WorkspaceError when the disk is full."""
        final = result.failure is None or not result.failure.transient
        values = (
            *(result.key, result.run_id, result.started_at, result.board, result.backend, result.case),
            *(result.case_kind.value, result.precision.value, result.status.value, final, encode(result)),
        )
        with self._lock, _said_plainly(self.path):
            self._connection.execute(
                "INSERT INTO results (key, run_id, started_at, board, backend, case_name, case_kind,"
                " precision, status, final, row) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                values,
            )

    def note_run(self, run: "Run") -> None:
        """Remember that a run began, which may leave no row. Raises WorkspaceError when the disk is full."""
        with self._lock, _said_plainly(self.path):
            self._connection.execute(
                "INSERT OR REPLACE INTO runs (run_id, planned, to_run) VALUES (?, ?, ?)",
                (run.run_id, run.planned, run.to_run),
            )

    def last_run(self) -> "Run | None":
        """The run that began last, also one without a row; None where none was noted."""
        if not self._select("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'runs'"):
            return None
        found = self._select("SELECT run_id, planned, to_run FROM runs ORDER BY rowid DESC LIMIT 1")
        return Run(*found[0]) if found else None

    def final_keys(self, deadline_s: float = 0.0) -> Mapping[str, str]:
        """Key -> status of every key whose newest row is final, so need not be run again.

        A case that hung is tried again when it is given more than the `deadline_s` that it had.
        """
        query = (
            "SELECT key, status, final AND NOT (status = 'failed'"
            " AND json_extract(row, '$.failure.failure_class') = 'hang'"
            " AND COALESCE(json_extract(row, '$.protocol.deadline_s'), 0) < ?),"
            " MAX(id) FROM results GROUP BY key"
        )
        return {key: status for key, status, final, _ in self._select(query, deadline_s) if final}

    def latest(self, case: str | None = None, board: str | None = None, brief: bool = False) -> list[Result]:
        """The newest row per case, board, backend and precision, oldest first.

        `brief` leaves out board states, protocol, seeds and command, to read very many rows.
        """
        where, given = _where(case_name=case, board=board)
        query = _LATEST.format(where=where, row=_BRIEF if brief else "row")
        with without_collection():
            return self._results(query, *given)

    def earlier(self, board: str | None = None, limit: int = 2000) -> list[Result]:
        """The newest `limit` rows that `latest` leaves out, as cases were measured again; newest first."""
        where, given = _where(board=board)
        query = (
            f"SELECT row FROM results {where or 'WHERE TRUE'} AND id NOT IN (SELECT MAX(id) FROM results"
            " GROUP BY case_name, board, backend, precision) ORDER BY id DESC LIMIT ?"
        )
        return self._results(query, *given, limit)

    def size(self) -> int:
        """How many rows `latest` has."""
        ((count,),) = self._select(
            "SELECT COUNT(*) FROM (SELECT 1 FROM results GROUP BY case_name, board, backend, precision)"
        )
        return int(count)

    def rows(self, run_id: str | None = None, board: str | None = None) -> list[Result]:
        """Every row, also of cases that were measured again, oldest first."""
        where, given = _where(run_id=run_id, board=board)
        return self._results(f"SELECT row FROM results {where} ORDER BY id", *given)

    def latest_until(self, revision: int) -> list[Result]:
        """The newest row per case, board, backend and precision as of a `revision`, oldest first."""
        return self._results(_LATEST.format(where="WHERE id <= ?", row="row"), revision)

    def newest_ids(self, revision: int | None = None) -> list[int]:
        """The ids of the rows of `latest`, or of `latest_until`."""
        where, given = ("", []) if revision is None else ("WHERE id <= ?", [revision])
        query = f"SELECT MAX(id) FROM results {where} GROUP BY case_name, board, backend, precision"
        return [number for (number,) in self._select(query, *given)]

    def last_of(self, run_id: str) -> int:
        """The `revision` that a run left; 0 where it left no row."""
        ((newest,),) = self._select("SELECT COALESCE(MAX(id), 0) FROM results WHERE run_id = ?", run_id)
        return int(newest)

    def points(self) -> tuple[list[tuple[Any, ...]], Mapping[int, str]]:
        """Numbers of every row as `storage.points` has them, oldest first, and the names they stand for."""
        with without_collection():
            there = self._select("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'points'")
            if there and not self._select(BEHIND)[0][0]:
                return self._select(POINTS), dict(self._select(NAMES))
            # A folder that an earlier version wrote, and that nobody opened to write since.
            with contextlib.closing(sqlite3.connect(":memory:")) as made, self._lock:
                made.executescript(f"{_SCHEMA} {POINTS_SCHEMA}")
                columns = (
                    "id, key, run_id, started_at, board, backend, case_name, case_kind, precision, status"
                )
                rows = self._connection.execute(f"SELECT {columns}, final, row FROM results ORDER BY id")
                made.executemany(
                    f"INSERT INTO results ({columns}, final, row) VALUES ({', '.join('?' * 12)})", rows
                )
                return made.execute(POINTS).fetchall(), dict(made.execute(NAMES).fetchall())

    def row_text(self, row_id: int) -> str | None:
        """One row as JSON; None where there is none of that id."""
        found = self._select("SELECT row FROM results WHERE id = ?", row_id)
        return str(found[0][0]) if found else None

    def row_files(self) -> list[RowFiles]:
        """What every row names, oldest first."""
        told = ", ".join(
            f"json_extract(row, '$.{name}')"
            for name in ("artifact_sha256", "onnx_sha256", "log_path", "samples_path")
        )
        query = f"SELECT id, run_id, started_at, {told} FROM results ORDER BY id"
        return [RowFiles(*found) for found in self._select(query)]

    def remove(self, ids: Collection[int]) -> None:
        """Take rows out for good, in one transaction. Raises WorkspaceError."""
        with self._lock, _said_plainly(self.path):
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.executemany("DELETE FROM results WHERE id = ?", [(one,) for one in ids])
            self._connection.execute("COMMIT")
            self._connection.execute("VACUUM")

    def runs(self) -> list[str]:
        """Every run that left a row, the oldest first."""
        return [name for name, _ in self._select("SELECT run_id, MIN(id) FROM results GROUP BY 1 ORDER BY 2")]

    def boards(self) -> list[str]:
        """Every board that has a row."""
        return [name for (name,) in self._select("SELECT DISTINCT board FROM results ORDER BY 1")]

    def failed(self, keys: Collection[str]) -> list[Result]:
        """The newest rows of those keys that are failures, oldest first."""
        query = "SELECT key, row, MAX(id) FROM results GROUP BY key HAVING status = 'failed' ORDER BY id"
        return [self._result(row) for key, row, _ in self._select(query) if key in keys]

    def tools(self, keys: Collection[str]) -> Mapping[str, Mapping[str, str]]:
        """Key -> tools and versions of the newest row of each of those keys."""
        query = "SELECT key, json_extract(row, '$.tools'), MAX(id) FROM results GROUP BY key"
        return {key: json.loads(tools or "{}") for key, tools, _ in self._select(query) if key in keys}

    def case_names(self) -> list[str]:
        """Every case that has a row."""
        return [name for (name,) in self._select("SELECT DISTINCT case_name FROM results ORDER BY 1")]

    def revision(self) -> int:
        """Grows with every row."""
        ((newest,),) = self._select("SELECT COALESCE(MAX(id), 0) FROM results")
        return int(newest)

    def _result(self, text: str) -> Result:
        try:
            return upgraded(decode(Result, text))
        except ValueError as error:
            raise WorkspaceError(_unreadable(self.path, text, error)) from error

    def _results(self, query: str, *values: str | float) -> list[Result]:
        # One after the other: very many rows as text and as records would take twice the memory.
        with self._lock, _said_plainly(self.path):
            return [self._result(row) for (row,) in self._connection.execute(query, values)]

    def _select(self, query: str, *values: str | float) -> list[tuple[Any, ...]]:
        with self._lock, _said_plainly(self.path):
            return self._connection.execute(query, values).fetchall()


def _where(**columns: str | None) -> tuple[str, list[str]]:
    """The clause and values that keep the columns for which one is given."""
    given = {column: value for column, value in columns.items() if value is not None}
    clause = " AND ".join(f"{column} = ?" for column in given)
    return f"WHERE {clause}" if given else "", [*given.values()]


def _open_read_only(path: Path) -> sqlite3.Connection:
    location = path.absolute().as_uri()
    connection = sqlite3.connect(f"{location}?mode=ro", uri=True, timeout=30.0)
    try:
        connection.execute("SELECT 1 FROM sqlite_master").fetchall()
    except sqlite3.OperationalError:
        # WAL needs a writable folder for its index; a folder that nobody can write to does not change.
        connection.close()
        connection = sqlite3.connect(f"{location}?mode=ro&immutable=1", uri=True)
    return connection


def _unreadable(path: Path, text: str, error: ValueError) -> str:
    try:
        row = json.loads(text)
        who = f"the row of {row.get('case')!r}, by npubench {row.get('npubench_version') or 'unknown'},"
    except (ValueError, AttributeError):
        who = "a row"
    return (
        f"{path}: {who} does not read as a result: {error}: "
        "read it with the npubench that wrote it, or run its cases again into another --out"
    )


def _format_of(connection: sqlite3.Connection) -> int:
    ((found,),) = connection.execute("PRAGMA user_version").fetchall()
    return int(found)


def _check_format(path: Path, connection: sqlite3.Connection) -> None:
    found = _format_of(connection)
    if found > FORMAT:
        raise UsageError(f"{path} was written by a newer npubench (format {found}): update npubench")
    if found == 0 and connection.execute("SELECT 1 FROM sqlite_master WHERE type = 'table'").fetchone():
        raise UsageError(f"{path} is a database of something else: choose another --out")


@contextlib.contextmanager
def without_collection() -> Iterator[None]:
    """Very many rows are read or drawn without garbage, and looking for it takes a good part of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@contextlib.contextmanager
def _said_plainly(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.DatabaseError as error:
        raise WorkspaceError(
            f"cannot use {path}: {error}: check the disk, or choose another --out"
        ) from error
