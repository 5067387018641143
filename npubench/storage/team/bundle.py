"""A bundle: rows with their logs and samples in one file that shows any change to it.

An uncompressed tar of plain files: `manifest.json` first (format, SHA-256 and size of each file), then
`rows.jsonl` (a row a line), then what rows name, `logs/...` and `samples/...`. Every header is
made of name and size alone, so the bytes of a bundle follow from its content, and a reader makes them anew
to compare: no byte of it can differ unseen. That nobody wrote a whole new bundle is told by its digest, the
SHA-256 of the file, which whoever made it passes on.
"""

import hashlib
import io
import json
import shutil
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from npubench.domain.errors import UsageError, WorkspaceError
from npubench.domain.records import Result
from npubench.storage.details import upgraded
from npubench.storage.files import is_regular
from npubench.storage.hashing import sha256_of_file
from npubench.storage.json import decode, encode
from npubench.storage.team.folder import FolderStore
from npubench.storage.team.identity import StoredRow, stored_row
from npubench.storage.team.question import Question
from npubench.storage.workspace import Workspace

FORMAT = 1
MANIFEST, ROWS = "manifest.json", "rows.jsonl"
FOLDERS = ("logs", "samples")
LARGEST_BYTES = 4 << 30
"""Of a bundle that is read; what it unpacks to is no larger than the file."""
LONGEST_MANIFEST_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class Content:
    """A file of a bundle."""

    name: str  # its path there, with slashes
    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a bundle says of itself."""

    format: int
    npubench_version: str  # that made it
    files: tuple[Content, ...]  # all but the manifest, in their order
    missing: tuple[str, ...] = ()  # files that rows name and the workspace had no more, or changed


@dataclass(frozen=True, slots=True)
class Bundled:
    """A bundle that was made or checked."""

    digest: str  # SHA-256 of the file
    rows: int
    files: int  # logs and samples
    missing: tuple[str, ...]  # that rows name and it does not hold


def make(workspace: Workspace, file: Path, asked: Question, version: str) -> Bundled:
    """Write the rows that are asked for, with their logs and samples. Raises UsageError, WorkspaceError."""
    with FolderStore.read(workspace) as store:
        rows = asked.of(store.rows())
    if not rows:
        raise UsageError(f"{workspace.root} has no such row: nothing to bundle")
    text = "".join(f"{one.row}\n" for one in rows).encode()
    found, missing = _named(workspace.root, rows)
    contents = (Content(ROWS, hashlib.sha256(text).hexdigest(), len(text)), *found)
    manifest = Manifest(FORMAT, version, contents, missing)
    part = file.with_name(f".{file.name}.part")
    try:
        with part.open("wb") as out:
            _write(out, manifest, {ROWS: text}, workspace.root)
        part.replace(file)
    except OSError as error:
        raise WorkspaceError(f"cannot write {file}: {error.strerror or error}") from error
    finally:
        part.unlink(missing_ok=True)
    return Bundled(sha256_of_file(file), len(rows), len(found), missing)


def check(file: Path, digest: str = "") -> Bundled:
    """Read all of a bundle and say what it holds. Raises UsageError where it is not as it was made.

    `digest`: what its maker said of it, or the first characters of that.
    """
    whole = _digest_of(file)
    if digest and not whole.startswith(digest.lower()):
        raise UsageError(f"{file} is not the bundle of that digest: it has {whole}")
    with _opened(file) as archive:
        manifest = _manifest(file, archive)
        rows = _rows(file, _body(file, archive, ROWS))
        _compare(file, archive, manifest)
    return Bundled(whole, len(rows), len(manifest.files) - 1, manifest.missing)


def take(file: Path, workspace: Workspace) -> int:
    """Check a bundle, then add its rows, logs and samples to a workspace; how many rows were new."""
    check(file)
    with _opened(file) as archive, FolderStore.write(workspace) as store:
        manifest = _manifest(file, archive)
        for one in manifest.files[1:]:
            _place(archive, one, workspace.root / one.name)
        return store.append(_rows(file, _body(file, archive, ROWS)))


def _named(root: Path, rows: Sequence[StoredRow]) -> tuple[tuple[Content, ...], tuple[str, ...]]:
    """Logs and samples of rows that are there as they were, and the names of those that are not."""
    found: dict[str, Content] = {}
    missing: dict[str, None] = {}
    for one in rows:
        row = json.loads(one.row)
        for kind in ("log", "samples"):
            name, sha256 = row.get(f"{kind}_path"), row.get(f"{kind}_sha256")
            if not name or name in found:
                continue
            path = root / name
            if not _is_safe(name) or not is_regular(path) or sha256_of_file(path) != sha256:
                missing[name] = None
            else:
                found[name] = Content(name, sha256, path.stat().st_size)
    return tuple(found[name] for name in sorted(found)), tuple(missing)


def _is_safe(name: str) -> bool:
    """Whether a name stays within the folders of a bundle: relative, no step up, nothing odd."""
    path = PurePosixPath(name)
    plain = str(path) == name and not path.is_absolute() and ".." not in path.parts and "\0" not in name
    return plain and len(path.parts) > 1 and path.parts[0] in FOLDERS


def _write(out: BinaryIO, manifest: Manifest, bodies: Mapping[str, bytes], root: Path) -> None:
    text = f"{encode(manifest)}\n".encode()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(_header(MANIFEST, len(text)), io.BytesIO(text))
        for one in manifest.files:
            if one.name in bodies:
                archive.addfile(_header(one.name, one.size_bytes), io.BytesIO(bodies[one.name]))
                continue
            with (root / one.name).open("rb") as body:
                archive.addfile(_header(one.name, one.size_bytes), body)


def _header(name: str, size_bytes: int) -> tarfile.TarInfo:
    header = tarfile.TarInfo(name)
    header.size = size_bytes
    return header


def _digest_of(file: Path) -> str:
    if not is_regular(file):
        raise UsageError(f"{file} is no file: name a bundle")
    if file.stat().st_size > LARGEST_BYTES:
        raise UsageError(f"{file} is larger than {LARGEST_BYTES >> 30} GiB: no bundle is")
    return sha256_of_file(file)


def _opened(file: Path) -> tarfile.TarFile:
    try:
        return tarfile.open(file, "r:")
    except (tarfile.TarError, OSError, EOFError, ValueError) as error:
        raise _changed(file, f"no bundle ({error})") from error


def _changed(file: Path, why: str) -> UsageError:
    return UsageError(f"{file}: {why}: it is not as it was made; ask for it again")


def _manifest(file: Path, archive: tarfile.TarFile) -> Manifest:
    """What the bundle says of itself, where it holds just these files, each plain and named safely."""
    try:
        members = archive.getmembers()
    except (tarfile.TarError, OSError, EOFError, ValueError) as error:
        raise _changed(file, f"cut or damaged ({error})") from error
    if not members or members[0].name != MANIFEST or members[0].size > LONGEST_MANIFEST_BYTES:
        raise _changed(file, "no bundle (it does not begin with its manifest)")
    try:
        manifest = decode(Manifest, _body(file, archive, MANIFEST))
    except ValueError as error:
        raise _changed(file, f"its manifest does not read ({error})") from error
    if manifest.format > FORMAT:
        raise UsageError(f"{file} was made by a newer npubench (format {manifest.format}): update npubench")
    names = [MANIFEST, *(one.name for one in manifest.files)]
    if [one.name for one in members] != names or not all(one.isreg() for one in members):
        raise _changed(file, "it does not hold the files that its manifest names")
    if names[1:2] != [ROWS] or not all(_is_safe(one) for one in names[2:]) or len(set(names)) < len(names):
        raise _changed(file, "a file in it has a name that no bundle has")
    return manifest


def _body(file: Path, archive: tarfile.TarFile, name: str) -> bytes:
    body = archive.extractfile(archive.getmember(name))
    if body is None:
        raise _changed(file, f"{name} is no plain file")
    return body.read()


def _rows(file: Path, text: bytes) -> list[StoredRow]:
    lines = text.decode(errors="replace").removesuffix("\n").split("\n")
    return [_row(file, number, line) for number, line in enumerate(lines, 1)]


def _row(file: Path, number: int, line: str) -> StoredRow:
    try:
        result = upgraded(decode(Result, line))
        return stored_row(result, line)
    except ValueError as error:
        raise _changed(file, f"line {number} of its rows does not read ({error})") from error


def _compare(file: Path, archive: tarfile.TarFile, manifest: Manifest) -> None:
    """Hash every file, and make the archive anew of what was read: no byte may differ."""
    for one in manifest.files:
        if hashlib.sha256(_body(file, archive, one.name)).hexdigest() != one.sha256:
            raise _changed(file, f"{one.name} has another hash than its manifest says")
    made = hashlib.sha256()
    for part in _made_anew(archive, manifest, file):
        made.update(part)
    if made.hexdigest() != sha256_of_file(file):
        raise _changed(file, "bytes between its files were changed")


def _made_anew(archive: tarfile.TarFile, manifest: Manifest, file: Path) -> Iterator[bytes]:
    """The bytes that `make` writes for this content."""
    text = f"{encode(manifest)}\n".encode()
    sizes = [(MANIFEST, len(text)), *((one.name, one.size_bytes) for one in manifest.files)]
    written = 0
    for name, size_bytes in sizes:
        header = _header(name, size_bytes).tobuf(tarfile.PAX_FORMAT)
        body = text if name == MANIFEST else _body(file, archive, name)
        padding = b"\0" * (-len(body) % tarfile.BLOCKSIZE)
        written += len(header) + len(body) + len(padding)
        yield from (header, body, padding)
    end = 2 * tarfile.BLOCKSIZE
    yield b"\0" * (end + -(written + end) % tarfile.RECORDSIZE)


def _place(archive: tarfile.TarFile, one: Content, path: Path) -> None:
    """Bring a file to its place; one that is there must be the same."""
    if path.exists():
        if sha256_of_file(path) != one.sha256:
            raise WorkspaceError(f"{path} is there and differs from the bundle's: take it into another --out")
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    body = archive.extractfile(archive.getmember(one.name))
    if body is None:
        raise WorkspaceError(f"{one.name} of the bundle is no plain file")
    with part.open("wb") as out:
        shutil.copyfileobj(body, out)
    part.replace(path)
