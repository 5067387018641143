"""Ways of writing that leave nothing half done, and where what can be made again is kept."""

import errno
import os
import stat
from collections.abc import Iterable
from functools import cache
from io import BufferedReader
from pathlib import Path

from npubench.domain.errors import NpubenchError


def link_or_copy(source: Path, target: Path) -> None:
    """Hard-link where the file system allows it, copy otherwise."""
    try:
        os.link(source, target, follow_symlinks=True)
    except OSError:
        import shutil

        shutil.copyfile(source, target)


def write_atomically(path: Path, text: str) -> None:
    """Write a file that is either the old one or the whole new one."""
    import tempfile

    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
        # The mask can only be read by setting it.
        mask = os.umask(0o077)
        os.umask(mask)
        Path(name).chmod(0o666 & ~mask)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def cache_folder(name: str) -> Path:
    """Where things lie that can be made again: below $NPUBENCH_CACHE, else $XDG_CACHE_HOME or ~/.cache."""
    if own := os.environ.get("NPUBENCH_CACHE"):
        return Path(own).absolute() / name
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache).absolute() / "npubench" / name


def configuration_folder() -> Path | None:
    """The user's own configuration; None for an account without a home."""
    # The XDG base directory specification: a relative path counts as unset.
    base = Path(os.environ.get("XDG_CONFIG_HOME", ""))
    if base.is_absolute():
        return base / "npubench"
    try:
        return Path.home() / ".config" / "npubench"
    except RuntimeError:
        return None


def is_regular(path: Path) -> bool:
    """Whether the name itself is a regular file. Never raises."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except (OSError, ValueError):
        return False


def open_regular(path: Path, follow: bool = False) -> BufferedReader:
    """Open for reading; with `follow` also where a link leads. Raises OSError, for anything else at once."""
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW)
    descriptor = os.open(path, flags)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "is not a regular file", str(path))
    return os.fdopen(descriptor, "rb")


def text_of(path: Path) -> str:
    """The text of a regular file, undecodable bytes replaced. Raises OSError."""
    with open_regular(path) as stream:
        return stream.read().decode("utf-8", "replace")


def text_if_any(path: Path) -> str:
    """The same; empty where there is no regular file that can be read."""
    try:
        return text_of(path)
    except OSError:
        return ""


def write_new(path: Path, text: str) -> None:
    """Write a file in the place of whatever lies there, through nothing. Raises OSError."""
    if path.is_dir() and not path.is_symlink():
        import shutil

        shutil.rmtree(path)
    write_atomically(path, text)


FOLDERS = ("ops", "models", "boards", "suites", "reports")


@cache
def data_root() -> Path:
    """The folder that holds the shipped data. Raises NpubenchError when the installation is broken."""
    package = Path(__file__).resolve().parents[1]
    for root in (package / "data", package.parent):
        if all((root / name).is_dir() for name in FOLDERS):
            return root
    raise NpubenchError(f"npubench's data folders {FOLDERS} are not at {package}: install npubench again")


def text_named(paths: Iterable[Path], name: str) -> str:
    """The text of the first of these files with that name; empty where none can be read."""
    return next((text_if_any(path) for path in paths if path.name == name), "")
