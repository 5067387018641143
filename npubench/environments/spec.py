"""What an environment consists of."""

import hashlib
import tomllib
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path

from npubench.errors import UsageError

FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class EnvironmentSpec:
    """One environment. `steps` are arguments of `pip install`, in order; `pins` identifies them."""

    name: str
    title: str
    python: str
    size: str
    licence: str
    check: str
    steps: tuple[tuple[str, ...], ...]
    pins: str


def names() -> tuple[str, ...]:
    """Every environment that can be installed."""
    return tuple(sorted(file.stem for file in FOLDER.glob("*.toml")))


@cache
def spec(name: str) -> EnvironmentSpec:
    """The environment of that name. Raises UsageError with the nearest name."""
    if name not in names():
        near = get_close_matches(name, names(), n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(names())}"
        raise UsageError(f"no environment {name!r}: {hint}")
    text = (FOLDER / f"{name}.toml").read_bytes()
    table = tomllib.loads(text.decode())
    requirements = FOLDER / f"{name}.txt"
    pins = hashlib.sha256(text + (requirements.read_bytes() if requirements.is_file() else b""))
    return EnvironmentSpec(
        name=name,
        title=table["title"],
        python=table["python"],
        size=table["size"],
        licence=table["licence"],
        check=table["check"],
        steps=tuple(tuple(step) for step in table["steps"]),
        pins=pins.hexdigest(),
    )
