"""Rows from one store to another, each a folder or a database."""

from dataclasses import dataclass
from pathlib import Path

from npubench.domain.errors import UsageError
from npubench.storage.team.folder import FolderStore
from npubench.storage.team.identity import StoredRow, digest_of
from npubench.storage.team.question import Question
from npubench.storage.team.store import TeamStore, is_url, url_of
from npubench.storage.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Exchanged:
    """What an exchange did."""

    found: int  # rows where they came from
    added: int  # of them that were not there
    digest: str  # of all rows there now


def opened(place: str, *, write: bool) -> FolderStore | TeamStore:
    """The store at a place. Raises UsageError, WorkspaceError."""
    if is_url(place):
        return TeamStore.open(place)
    if "://" in place:
        raise UsageError(f"{place.split('://')[0]}:// is no store: give a folder, or postgresql://...")
    workspace = Workspace(Path(place))
    return FolderStore.write(workspace) if write else FolderStore.read(workspace)


def exchange(source: str, target: str, asked: Question | None = None) -> Exchanged:
    """Bring the rows of one store, or those that are asked for, into another.

    Nothing is changed or removed there, so stores that take each other's rows in any order end equal.
    """
    for place in filter(is_url, (source, target)):
        url_of(place)  # what is wrong with an address is told before anything is opened
    with opened(source, write=False) as read, opened(target, write=True) as written:
        rows = _asked(read, asked or Question())
        added = written.append(rows)
        return Exchanged(len(rows), added, digest_of(written.identities()))


def _asked(store: FolderStore | TeamStore, asked: Question) -> list[StoredRow]:
    return store.rows(asked) if isinstance(store, TeamStore) else asked.of(store.rows())
