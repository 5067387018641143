"""A team's store: rows of many workspaces in one database, which are added and never changed.

PostgreSQL by SQLAlchemy and psycopg, migrated by Alembic. A row is there once, however often and by
however many it is pushed, since its primary key is the SHA-256 of its JSON.
"""

import contextlib
import itertools
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Self

from npubench.domain.errors import UsageError, WorkspaceError
from npubench.storage.team.identity import StoredRow, digest_of
from npubench.storage.team.question import Question

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine
    from sqlalchemy.engine import URL

SCHEMES = ("postgresql://", "postgres://")
BATCH = 500
"""Rows of one statement: a thirteenth of the parameters that the protocol of PostgreSQL holds."""
CONNECT_S = 60.0
"""How long a full or starting server is asked again, s."""
_PAUSE_S = 0.2
_LOCK = 0x6E7075
"""Of migrations, among the advisory locks of the database."""
_FIELDS = tuple(field.name for field in fields(StoredRow))


def is_url(place: str) -> bool:
    """Whether a place is a database and no folder."""
    return place.startswith(SCHEMES)


def url_of(place: str) -> "URL":
    """The address of a database. Raises UsageError: also where a password would be seen by others."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        url = make_url(place)
    except (ArgumentError, ValueError):
        # The address is not repeated: it may hold a password.
        raise UsageError("--store is not of the form postgresql://USER@HOST:PORT/DATABASE") from None
    if url.password is not None or "password" in url.query:
        raise UsageError(
            "the address of a store holds no password, which the process list would show: put it into"
            " ~/.pgpass or PGPASSWORD"
        )
    return url.set(drivername="postgresql+psycopg")


class TeamStore:
    """The rows of a database: `with TeamStore.open(url) as store`."""

    def __init__(self, engine: "Engine", shown: str) -> None:
        self._engine = engine
        self.shown = shown

    @classmethod
    def open(cls, place: str) -> "TeamStore":
        """Open, and bring the tables up to date. Raises UsageError, WorkspaceError."""
        from sqlalchemy import create_engine
        from sqlalchemy.pool import NullPool

        with _needs_packages():
            import psycopg  # noqa: F401

            url = url_of(place)
        engine = create_engine(url, poolclass=NullPool)
        store = cls(engine, _shown(url))
        with store._connected() as connection:
            _migrate(connection)
        return store

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_raised: object) -> None:
        self.close()

    def close(self) -> None:
        """Close what is open."""
        self._engine.dispose()

    def append(self, rows: Iterable[StoredRow]) -> int:
        """Add the rows that are not there yet, all or none; how many these are."""
        from sqlalchemy.dialects.postgresql import insert

        from npubench.storage.team.schema import RESULTS

        added = 0
        with self._connected() as connection:
            for batch in _batches(rows, BATCH):
                # In one order everywhere: two writers of the same rows wait for each other, never in a ring.
                values = sorted(map(_values, batch), key=_identity)
                done = connection.execute(
                    insert(RESULTS).on_conflict_do_nothing().returning(RESULTS.c.sha256), values
                )
                added += len(done.all())
        return added

    def rows(self, asked: Question) -> list[StoredRow]:
        """What is asked for, oldest first, equal times by identity."""
        from sqlalchemy import func, select

        from npubench.storage.team.schema import RESULTS

        columns = RESULTS.c
        order = (columns.started_at.desc(), columns.sha256.desc())
        wanted = select(*(columns[name] for name in _FIELDS))
        given = {
            columns.case_name: asked.case,
            columns.board: asked.board,
            columns.backend: asked.backend,
            columns.run_id: asked.run_id,
        }
        for column, value in given.items():
            wanted = wanted if value is None else wanted.where(column == value)
        if asked.since is not None:
            wanted = wanted.where(columns.started_at >= asked.since)
        if asked.newest:
            like = (columns.case_name, columns.board, columns.backend, columns.precision)
            place = func.row_number().over(partition_by=like, order_by=order).label("place")
            placed = wanted.with_only_columns(columns.sha256, place).subquery()
            kept = select(placed.c.sha256).where(placed.c.place == 1)
            wanted = wanted.where(columns.sha256.in_(kept))
        wanted = wanted.order_by(*order)
        if asked.limit is not None:
            wanted = wanted.limit(asked.limit)
        with self._connected() as connection:
            found = [StoredRow(*line) for line in connection.execute(wanted)]
        return found[::-1]

    def identities(self) -> set[str]:
        """Of every row."""
        from sqlalchemy import select

        from npubench.storage.team.schema import RESULTS

        with self._connected() as connection:
            return set(connection.scalars(select(RESULTS.c.sha256)))

    def digest(self) -> str:
        """Of all rows, whatever order they came in."""
        return digest_of(self.identities())

    @contextlib.contextmanager
    def _connected(self) -> "Iterator[Connection]":
        """A transaction."""
        from sqlalchemy.exc import DBAPIError

        try:
            with self._reached() as connection, connection.begin():
                yield connection
        except DBAPIError as error:
            raise WorkspaceError(f"{self.shown}: {_first_line(error)}") from error

    def _reached(self) -> "Connection":
        """A connection, asked for again while the server starts or has no place left."""
        from sqlalchemy.exc import OperationalError

        deadline = time.monotonic() + CONNECT_S
        while True:
            try:
                return self._engine.connect()
            except OperationalError as error:
                if not _is_full(error) or time.monotonic() > deadline:
                    raise WorkspaceError(f"cannot reach {self.shown}: {_first_line(error)}") from error
            time.sleep(_PAUSE_S)


def _shown(url: "URL") -> str:
    """Server and database, as messages name them."""
    host = url.host or url.query.get("host") or "localhost"
    port = f":{url.port}" if url.port else ""
    return f"postgresql://{host}{port}/{url.database or ''}"


def _values(one: StoredRow) -> dict[str, str | bool]:
    """Columns of a row; names may hold a NUL, which the database's text does not."""
    return {
        name: value.replace("\0", "\N{REPLACEMENT CHARACTER}") if isinstance(value, str) else value
        for name, value in asdict(one).items()
    }


def _identity(values: dict[str, str | bool]) -> str:
    return str(values["sha256"])


def _batches(rows: Iterable[StoredRow], size: int) -> Iterator[list[StoredRow]]:
    left = iter(rows)
    while batch := list(itertools.islice(left, size)):
        yield batch


def _migrate(connection: "Connection") -> None:
    """Take the steps that the database lacks; one process at a time, also where many open it at once."""
    from alembic import command
    from alembic.config import Config
    from alembic.migration import MigrationContext
    from alembic.script import ScriptDirectory
    from sqlalchemy import func, select

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    script = ScriptDirectory.from_config(config)
    connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
    have = MigrationContext.configure(connection).get_current_revision()
    known = {step.revision for step in script.walk_revisions()}
    if have is not None and have not in known:
        raise UsageError(f"the store was made by a newer npubench (step {have}): update npubench")
    if have != script.get_current_head():
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _is_full(error: Exception) -> bool:
    """Whether asking again helps: no place left for a client, or the server starts."""
    text = str(error)
    return "too many clients" in text or "starting up" in text or "remaining connection slots" in text


def _first_line(error: Exception) -> str:
    text = str(getattr(error, "orig", None) or error).strip()
    return text.splitlines()[0] if text else type(error).__name__


@contextlib.contextmanager
def _needs_packages() -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        raise UsageError(
            f"a team's store needs {error.name or 'psycopg'}: pip install 'npubench[team]'"
        ) from error
