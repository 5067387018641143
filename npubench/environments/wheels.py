"""Packages that are compiled here: once for one PyTorch, then the wheel is kept beside the environments."""

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from npubench.environments.installed import root
from npubench.environments.spec import EnvironmentSpec, WheelSpec
from npubench.errors import ToolchainError
from npubench.identity import digest

BYTES_A_JOB = 2 * 2**30
"""One compiler on PyTorch's headers takes up to this much memory."""

Build = Callable[[list[str], dict[str, str]], object]


def wheel(wanted: EnvironmentSpec, one: WheelSpec, build: Build) -> Path:
    """The wheel of a package, from the last time or made by `build` (arguments of pip, variables).

    What it is compiled against decides the place, so other pins never get it. Raises ToolchainError
    when there is no compiler, and what `build` raises.
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
    with tempfile.TemporaryDirectory(dir=kept.parent) as scratch:
        words = ["wheel", "--no-deps", "--no-build-isolation", "--no-binary", one.package.partition("==")[0]]
        build([*words, "--wheel-dir", scratch, one.package], {"MAX_JOBS": str(_jobs()), **one.environment})
        (made,) = Path(scratch).glob("*.whl")
        return made.rename(kept / made.name)


def _jobs() -> int:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(1, min(os.cpu_count() or 1, memory // BYTES_A_JOB))
