"""What an environment consists of (one TOML file here, and pins beside it), and which are there."""

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path

from msgspec import field
from msgspec.structs import asdict

from npubench.domain.errors import UsageError
from npubench.storage.files import configuration_folder
from npubench.storage.hashing import digest
from npubench.storage.json import Table, Text
from npubench.storage.toml import checked

FOLDER = Path(__file__).parent
BACKENDS = "npubench.backends"
BESIDE = "environments"


def folders_of_specs() -> tuple[Path, ...]:
    """Where descriptions lie: here, in the packages of other backends, and in a user's configuration.

    A package that has a backend may bring `environments/*.toml`; a user's own lie in
    ~/.config/npubench/environments, for another version of a tool, say. Of one name the first counts.
    """
    packages = {point.value.partition(":")[0].partition(".")[0] for point in entry_points(group=BACKENDS)}
    found = [FOLDER]
    for package in sorted(packages - {"npubench"}):
        place = find_spec(package)
        found += [Path(path) / BESIDE for path in (place.submodule_search_locations or ())] if place else []
    if own := configuration_folder():
        found.append(own / BESIDE)
    return tuple(found)


class WheelSpec(Table, frozen=True):
    """`[[wheels]]`: a package that is compiled here, with variables for its build; the wheel is kept."""

    package: Text
    environment: dict[str, str] = field(default_factory=dict)


class RemovalSpec(Table, frozen=True):
    """`[remove]`: files of a package that break it where the C library is newer than `glibc_above`."""

    glibc_above: Text
    files: tuple[Text, ...]


class _Table(Table, frozen=True, kw_only=True):
    """environments/*.toml."""

    title: Text
    python: Text
    size_bytes: int
    licence: Text
    principal: tuple[Text, ...]
    steps: tuple[tuple[Text, ...], ...]
    check: Text
    wheels: tuple[WheelSpec, ...] = ()
    remove: RemovalSpec | None = None


class EnvironmentSpec(_Table, frozen=True, kw_only=True):
    """One environment: its table, and what follows from it.

    `steps` are arguments of `pip install`, in order; `wheels` come after them; `check` is a script that
    imports what has to work; `size_bytes` on disk, about; `principal` are the packages that people ask
    about. `pins` identifies Python's version and every package: other pins are another environment,
    another title is not. `folder` is the table's.
    """

    name: str
    pins: str
    folder: Path


def names() -> tuple[str, ...]:
    """Every environment that can be installed."""
    return tuple(sorted({file.stem for folder in folders_of_specs() for file in folder.glob("*.toml")}))


@cache
def spec(name: str) -> EnvironmentSpec:
    """The environment of that name. Raises UsageError with the nearest name."""
    if name not in names():
        near = get_close_matches(name[:100], names(), n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there is {', '.join(names())}"
        raise UsageError(f"no environment {name[:100]!r}: {hint}")
    folder = next(one for one in folders_of_specs() if (one / f"{name}.toml").is_file())
    described = folder / f"{name}.toml"
    table = checked(described, described.read_bytes(), _Table)
    files = [word for step in table.steps for word in step if word.endswith(".txt")]
    requirements = [_requirements(folder / file) for file in files]
    removed = [table.remove] if table.remove else []
    pins = digest(table.python, table.steps, requirements, table.wheels, *removed)
    return EnvironmentSpec(**asdict(table), name=name, pins=pins, folder=folder)


def _requirements(file: Path) -> list[str]:
    lines = (line.strip() for line in file.read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line and not line.startswith("#")]


MARKER = "npubench.json"
_HASH_DIGITS = 12


@dataclass(frozen=True, slots=True)
class Installed:
    """A complete environment."""

    name: str
    path: Path
    python: Path
    versions: Mapping[str, str]
    installed_at: str

    @property
    def disk_bytes(self) -> int:
        """Bytes of all its files."""
        return disk_bytes(self.path)


def root() -> Path:
    """$NPUBENCH_ENVS, else below $XDG_DATA_HOME or ~/.local/share."""
    if own := os.environ.get("NPUBENCH_ENVS"):
        return Path(own).absolute()
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share"
    return Path(data).absolute() / "npubench" / "envs"


def folder(name: str) -> Path:
    """Where the environment of today's pins belongs; other pins have another place."""
    return root() / f"{name}-{spec(name).pins[:_HASH_DIGITS]}"


def find(name: str) -> Installed | None:
    """The environment of today's pins, if it is complete. Starts no process."""
    return read(name, folder(name))


def folders(name: str) -> list[Path]:
    """Every folder of an environment, finished or not, whatever its pins."""
    pattern = re.compile(re.escape(name) + rf"-[0-9a-f]{{{_HASH_DIGITS}}}")
    found = root().iterdir() if root().is_dir() else ()
    return sorted(path for path in found if pattern.fullmatch(path.name) and path.is_dir())


def read(name: str, path: Path) -> Installed | None:
    """The environment in that folder, if it is complete."""
    python = path / "bin" / "python"
    try:
        marker = json.loads((path / MARKER).read_text(encoding="utf-8"))
        versions, installed_at = dict(marker["versions"]), str(marker["installed_at"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    # Without the Python that it was made from, an environment is a dangling link.
    if not python.exists():
        return None
    return Installed(name, path, python, versions, installed_at)


def disk_bytes(path: Path) -> int:
    """Bytes of all files below a folder; links count as links."""
    return sum(entry.stat(follow_symlinks=False).st_size for entry in _files(path))


def _files(path: Path) -> Iterator[os.DirEntry[str]]:
    with os.scandir(path) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _files(Path(entry.path))
            else:
                yield entry
