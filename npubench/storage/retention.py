"""What may go of a workspace: rows and files of old runs, never the newest of a case nor a baseline's."""

import json
import shutil
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from npubench.storage.baselines import Baseline
from npubench.storage.store import RowFiles, Store
from npubench.storage.workspace import writing


@dataclass(frozen=True, slots=True)
class Retention:
    """Which runs stay: the newest so many, and those of so many days; a row goes when neither keeps it."""

    runs: int | None = None  # the newest so many; None: their number keeps none
    days: float | None = None  # those that began within so many days; None: their age keeps none


@dataclass(frozen=True, slots=True)
class Pruned:
    """What goes, or went."""

    rows: tuple[int, ...]  # ids
    runs: int  # of which no row is left
    folders: tuple[Path, ...]  # of artifacts and models, that no row names any more
    files: tuple[Path, ...]  # logs and samples of the rows
    bytes: int  # of these files and folders


def to_prune(
    store: Store, root: Path, baselines: Sequence[Baseline], retention: Retention, now: datetime | None = None
) -> Pruned:
    """What of the workspace at `root` may go."""
    rows = store.row_files()
    order = list(dict.fromkeys(one.run_id for one in rows))
    kept_runs = set(order[-retention.runs :] if retention.runs else ())
    since = (now or datetime.now(UTC)) - timedelta(days=retention.days or 0)
    named = set(store.newest_ids()).union(*(store.newest_ids(one.revision) for one in baselines))

    def stays(one: RowFiles) -> bool:
        young = retention.days is not None and _moment(one.started_at) >= since
        return one.id in named or one.run_id in kept_runs or young

    gone = [one for one in rows if not stays(one)]
    ids = {one.id for one in gone}
    left = [one for one in rows if one.id not in ids]
    files = _named(gone, left, root)
    folders = _folders(gone, left, root)
    size = sum(file.stat().st_size for file in files)
    size += sum(file.stat().st_size for folder in folders for file in folder.rglob("*") if file.is_file())
    runs = {one.run_id for one in gone} - {one.run_id for one in left}
    return Pruned(tuple(sorted(ids)), len(runs), tuple(folders), tuple(files), size)


def prune(store: Store, root: Path, found: Pruned) -> None:
    """Remove it: rows first, so no row is left that names a file which is gone. Raises WorkspaceError."""
    store.remove(found.rows)
    with writing(root):
        for file in found.files:
            file.unlink(missing_ok=True)
        for folder in found.folders:
            shutil.rmtree(folder, ignore_errors=True)
        _forget(root, {folder.name for folder in found.folders})


def _moment(started_at: str) -> datetime:
    """When a row began; one that does not tell is as old as can be."""
    try:
        found = datetime.fromisoformat(started_at)
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def _named(gone: Sequence[RowFiles], left: Sequence[RowFiles], root: Path) -> list[Path]:
    """Logs and samples of the rows alone, below `root`: a row may come from elsewhere and name anything."""
    still = {name for one in left for name in (one.log_path, one.samples_path)}
    names = {name for one in gone for name in (one.log_path, one.samples_path) if name} - still
    below = root.resolve()
    found = [(root / name).resolve() for name in sorted(names)]
    return [path for path in found if path.is_relative_to(below) and path.is_file()]


def _folders(gone: Sequence[RowFiles], left: Sequence[RowFiles], root: Path) -> list[Path]:
    """Of artifacts and models; two that compile to one file lie in a folder with that hash and a tail."""
    found = []
    for kind, hashes in (
        ("artifacts", [{one.artifact_sha256 for one in rows} for rows in (gone, left)]),
        ("onnx", [{one.onnx_sha256 for one in rows} for rows in (gone, left)]),
    ):
        lost = {one for one in hashes[0] - hashes[1] if one}
        there = sorted((root / kind).iterdir()) if lost and (root / kind).is_dir() else []
        found += [folder for folder in there if folder.name.partition("-")[0] in lost]
    return found


def _forget(root: Path, folders: Collection[str]) -> None:
    """Entries of the index that lead to what is gone."""
    for entry in (root / "index").glob("*") if folders else ():
        try:
            files = json.loads(entry.read_text(encoding="utf-8"))["files"]
        except (OSError, ValueError, KeyError, TypeError):
            continue
        if any(len(parts := Path(name).parts) > 1 and parts[1] in folders for name in files):
            entry.unlink(missing_ok=True)
