"""Packages that are compiled here: once for one PyTorch, then the wheel is kept beside the environments."""

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from npubench.domain.errors import ToolchainError
from npubench.storage.hashing import digest
from npubench.tools.environments.installed import root
from npubench.tools.environments.spec import EnvironmentSpec, WheelSpec

BYTES_A_JOB = 2 * 2**30
"""One compiler on PyTorch's headers takes up to this much memory."""

Pip = Callable[[list[str], Mapping[str, str]], object]


def wheel(wanted: EnvironmentSpec, one: WheelSpec, pip: Pip, say: Callable[[str], None]) -> Path:
    """The wheel of a package, from the last time or made by `pip` (its arguments, variables).

    What it is compiled against decides the place, so other pins never get it. Compiling goes on where an
    earlier attempt was ended. Raises ToolchainError when there is no compiler, and what `pip` raises.
    """
    kept = root() / "wheels" / digest(wanted.python, wanted.steps, one)[:12]
    if found := sorted(kept.glob("*.whl")):
        return found[0]
    if shutil.which("g++") is None:
        raise ToolchainError(
            f"{one.package} is compiled here and there is no g++: install it (apt install g++), then run the"
            " command again"
        )
    kept.mkdir(parents=True, exist_ok=True)
    source = _source(one, kept / "source", pip)
    say(f"environment {wanted.name}: compiling {one.package}, which may take ten minutes and more")
    with tempfile.TemporaryDirectory(dir=kept) as scratch:
        words = ["wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", scratch, str(source)]
        pip(words, {"MAX_JOBS": str(_jobs()), **one.environment})
        (made,) = Path(scratch).glob("*.whl")
        compiled = made.rename(kept / made.name)
    shutil.rmtree(source)
    return compiled


def _source(one: WheelSpec, place: Path, pip: Pip) -> Path:
    """The package's source at a place that stays, because what was compiled lies in it."""
    if not place.is_dir():
        with tempfile.TemporaryDirectory(dir=place.parent) as scratch:
            name = one.package.partition("==")[0]
            words = ["download", "--no-deps", "--no-build-isolation", "--no-binary", name, "--dest", scratch]
            pip([*words, one.package], one.environment)
            (archive,) = Path(scratch).iterdir()
            shutil.unpack_archive(archive, Path(scratch) / "unpacked", filter="data")
            (folder,) = (Path(scratch) / "unpacked").iterdir()
            folder.rename(place)
    return place


def _jobs() -> int:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(1, min(os.cpu_count() or 1, memory // BYTES_A_JOB))
