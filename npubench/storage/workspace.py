"""The content-addressed folder of a run.

    onnx/<sha256>/        exported models            artifacts/<sha256>/   what backends made
    index/<step>-<key>    what was asked -> the hash that came of it
    logs/<run>/           one raw log per job        samples/<run>/        every run's time
    tmp/                  private folders of running jobs
    results.db            the rows (see `store`)     lock                  held while a run writes

A file gets under its hash by one rename, so a killed run leaves nothing half done there.
"""

import contextlib
import errno
import fcntl
import json
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from npubench.domain.errors import WorkspaceError
from npubench.domain.records import Artifact, OnnxModel
from npubench.storage.files import is_regular, link_or_copy, write_atomically
from npubench.storage.hashing import digest, sha256_of_file
from npubench.storage.json import decode, encode

FULL_OR_READ_ONLY = {errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EPERM, errno.EDQUOT, errno.ENOTDIR}
Record = TypeVar("Record", OnnxModel, Artifact)
_FOLDERS = ("onnx", "artifacts", "index", "logs", "samples", "tmp")


class Workspace:
    """One workspace folder. Raises WorkspaceError where the folder cannot be used."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self.database = self.root / "results.db"

    def create(self) -> None:
        """Make the folder and its parts."""
        with writing(self.root):
            try:
                for name in _FOLDERS:
                    (self.root / name).mkdir(parents=True, exist_ok=True)
            except FileNotFoundError as error:
                # What file systems such as /proc, which have folders of their own only, answer.
                raise WorkspaceError(
                    f"cannot make {self.root}: {error.strerror}: choose another --out"
                ) from error
            with tempfile.TemporaryFile(dir=self.root / "tmp") as probe:
                probe.write(b"\0" * 4096)

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the workspace for one run; the holder of a held one is named."""
        with writing(self.root):
            stream = (self.root / "lock").open("a+")
        with stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                stream.seek(0)
                holder = stream.read().strip() or "another npubench"
                raise WorkspaceError(
                    f"{self.root} is in use by {holder}: wait for it, or give this run another --out"
                ) from None
            stream.truncate(0)
            stream.write(f"process {os.getpid()} on {os.uname().nodename}")
            stream.flush()
            for folder in (self.root / "tmp").iterdir():
                shutil.rmtree(folder, ignore_errors=True)
            yield
            stream.truncate(0)

    @contextlib.contextmanager
    def job_folder(self) -> Iterator[Path]:
        """A new private folder, gone with everything in it afterwards."""
        with writing(self.root):
            folder = Path(tempfile.mkdtemp(dir=self.root / "tmp"))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def log_file(self, run_id: str, *names: str) -> Path:
        """Path of a job's raw log; its folder exists, the file does not have to."""
        return self._file("logs", run_id, names, ".log")

    def samples_file(self, run_id: str, *names: str) -> Path:
        """Path of the file that keeps every run's time of one job."""
        return self._file("samples", run_id, names, ".json")

    def keep_onnx(self, key: str, model: OnnxModel, *, whole: bool = False) -> OnnxModel:
        """Bring an exported model under its hash and remember it for `key`.

        With `whole`, the job's folder itself is taken where it holds the model alone: nothing is left there.
        """
        folder = self._keep("onnx", model.sha256, [model.path, *model.external], model.path.parent, whole)
        kept = replace(
            model,
            path=folder / model.path.name,
            external=tuple(folder / f.relative_to(model.path.parent) for f in model.external),
        )
        files = [kept.path, *kept.external]
        # A model of one file has that file's hash.
        self._remember(f"onnx-{key}", kept, files, {} if kept.external else {kept.path: kept.sha256})
        return kept

    def keep_artifact(self, key: str, artifact: Artifact) -> Artifact:
        """Bring an artifact and its extras under its hash and remember it for `key`."""
        base = artifact.path.parent
        # What a tool left in the place of a log or a table is not worth losing the artifact.
        extras = tuple(f for f in artifact.extras if f in artifact.parts or is_regular(f))
        artifact = replace(artifact, extras=extras)
        folder = self._keep("artifacts", artifact.sha256, [artifact.path, *artifact.extras], base)
        kept = replace(
            artifact,
            path=folder / artifact.path.name,
            extras=tuple(folder / f.relative_to(base) for f in artifact.extras),
            parts=tuple(folder / f.relative_to(base) for f in artifact.parts),
        )
        files = [kept.path, *kept.extras]
        # Also by what it is: a newer build of the same case takes the first name.
        self._remember(f"artifact-{key}", kept, files, {}, f"built-{artifact.sha256}")
        return kept

    def find_onnx(self, key: str) -> OnnxModel | None:
        """The model that was kept for `key`, if its files are still what they were."""
        return self._recall(f"onnx-{key}", OnnxModel)

    def find_artifact(self, key: str) -> Artifact | None:
        """The artifact that was kept for `key`, if its files are still what they were."""
        return self._recall(f"artifact-{key}", Artifact)

    def find_built(self, hashes: Iterable[str]) -> dict[str, Artifact]:
        """Artifacts by their hashes, those that are kept and still what they were, whoever asked for them."""
        wanted = {sha256 for sha256 in hashes if sha256}
        found = {
            sha256: artifact
            for sha256 in wanted
            if (artifact := self._recall(f"built-{sha256}", Artifact)) is not None
        }
        # Earlier versions remembered an artifact by what was asked alone.
        names = sorted((self.root / "index").glob("artifact-*")) if wanted - set(found) else []
        for name in names:
            text = name.read_text(encoding="utf-8", errors="replace")
            if any(sha256 in text for sha256 in wanted - set(found)):
                artifact = self._recall(name.name, Artifact)
                if artifact is not None and artifact.sha256 in wanted:
                    found.setdefault(artifact.sha256, artifact)
        return found

    def relative(self, path: Path) -> str:
        """`path` as written into results."""
        return str(path.relative_to(self.root))

    def _file(self, kind: str, run_id: str, names: Iterable[str], suffix: str) -> Path:
        folder = self.root / kind / run_id
        with writing(self.root):
            folder.mkdir(parents=True, exist_ok=True)
        return folder / ("--".join(_slug(name) for name in names) + suffix)

    def _keep(self, kind: str, sha256: str, files: list[Path], base: Path, whole: bool = False) -> Path:
        target = self.root / kind / sha256
        if base == target:
            return target
        if target.is_dir() and _is_intact(target / files[0].relative_to(base), sha256_of_file(files[0])):
            # Two models may compile to one file; what is kept beside it is each one's own.
            if _same(files, base, target):
                return target
            others = [(str(f.relative_to(base)), sha256_of_file(f)) for f in files]
            target = target.with_name(f"{sha256}-{digest(others)[:8]}")
            if _same(files, base, target):
                return target
        with writing(self.root):
            for source in files:
                # A user's own file may be a link; nothing else but a file is ever kept.
                if not stat.S_ISREG(source.stat().st_mode):
                    raise WorkspaceError(f"{source} is not a regular file and is not kept: remove it")
            if whole and base.parent == self.root / "tmp" and sorted(base.iterdir()) == sorted(files):
                staging = base
            else:
                staging = self._staged(files, base)
            try:
                staging.rename(target)
            except OSError:
                # What lies there is not whole.
                shutil.rmtree(target, ignore_errors=True)
                staging.rename(target)
        return target

    def _staged(self, files: list[Path], base: Path) -> Path:
        """A folder with these files as they lie below `base`."""
        staging = Path(tempfile.mkdtemp(dir=self.root / "tmp"))
        for source in files:
            copy = staging / source.relative_to(base)
            copy.parent.mkdir(parents=True, exist_ok=True)
            link_or_copy(source, copy)
        return staging

    def _remember(
        self,
        name: str,
        record: OnnxModel | Artifact,
        files: list[Path],
        known: Mapping[Path, str],
        also: str = "",
    ) -> None:
        entry = {
            "root": str(self.root),
            "files": {self.relative(f): known.get(f) or sha256_of_file(f) for f in files},
            "record": record,
        }
        with writing(self.root):
            for one in (name, also) if also else (name,):
                write_atomically(self.root / "index" / one, encode(entry))

    def _recall(self, name: str, record_type: type[Record]) -> Record | None:
        try:
            text = (self.root / "index" / name).read_text(encoding="utf-8")
        except OSError:
            return None
        entry = json.loads(text)
        if any(not _is_intact(self.root / f, sha256) for f, sha256 in entry["files"].items()):
            return None
        moved = json.dumps(entry["record"]).replace(
            json.dumps(entry["root"])[1:-1] + "/", json.dumps(str(self.root))[1:-1] + "/"
        )
        return decode(record_type, moved)


@contextlib.contextmanager
def writing(root: Path) -> Iterator[None]:
    """Turn a full or read-only folder into one line for the user."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL_OR_READ_ONLY or isinstance(error, FileExistsError):
            raise WorkspaceError(
                f"cannot write to {root}: {error.strerror}: free or change it, or choose another --out"
            ) from error
        raise


def _same(files: list[Path], base: Path, folder: Path) -> bool:
    """Whether the folder holds all these files with this content."""
    return all(_is_intact(folder / file.relative_to(base), sha256_of_file(file)) for file in files)


def _is_intact(path: Path, sha256: str) -> bool:
    return path.is_file() and sha256_of_file(path) == sha256


def _slug(name: str) -> str:
    plain = re.sub(r"[^A-Za-z0-9.=+-]+", "_", name).strip("._") or "case"
    if plain == name and len(plain) <= 80:
        return plain
    return f"{plain[:80]}-{digest(name)[:8]}"
