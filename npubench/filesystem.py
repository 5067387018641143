"""Ways of writing that leave nothing half done, and where what can be made again is kept."""

import os
import shutil
import tempfile
from pathlib import Path


def link_or_copy(source: Path, target: Path) -> None:
    """Hard-link where the file system allows it, copy otherwise."""
    try:
        os.link(source, target, follow_symlinks=True)
    except OSError:
        shutil.copyfile(source, target)


def write_atomically(path: Path, text: str) -> None:
    """Write a file that is either the old one or the whole new one."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
        Path(name).chmod(0o666 & ~_umask())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _umask() -> int:
    """The process's file mode mask, which can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def cache_folder(name: str) -> Path:
    """Where things lie that can be made again: below $NPUBENCH_CACHE, else $XDG_CACHE_HOME or ~/.cache."""
    if own := os.environ.get("NPUBENCH_CACHE"):
        return Path(own).absolute() / name
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache).absolute() / "npubench" / name
