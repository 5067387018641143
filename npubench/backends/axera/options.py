"""`backend_options` of AXera boards, checked: where the toolchain is and what to build."""

import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from npubench.domain.errors import UsageError
from npubench.domain.specs import Options

WHERE = ("image", "engine", "build_host", "command", "network", "shm_size", "memory")
ENGINES = ("docker", "podman")


@dataclass(frozen=True, slots=True)
class Where:
    """Where a toolchain is: in a container image, or a command; here, or on a build host.

    `build_host` names a board description whose transport reaches it. `network`, `shm_size` and
    `memory` are given to the container engine as they are.
    """

    command: str
    image: str | None = None
    engine: str = "docker"
    build_host: str | None = None
    network: str = "none"
    shm_size: str | None = None
    memory: str | None = None


def where(options: Options, command: str, shm_size: str | None = None) -> Where:
    """The place that board options name. Raises UsageError."""
    return Where(
        command=text(options, "command", command),
        image=optional_text(options, "image"),
        engine=choice(options, "engine", ENGINES, ENGINES[0]),
        build_host=optional_text(options, "build_host"),
        network=text(options, "network", "none"),
        shm_size=optional_text(options, "shm_size") or shm_size,
        memory=optional_text(options, "memory"),
    )


def check_known(options: Options, known: Collection[str]) -> None:
    """Raises UsageError for an option that this backend does not have."""
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise UsageError(
            f"backend_options.{unknown[0]} is unknown: the board may set {', '.join(sorted(known))}"
        )


def text(options: Options, key: str, default: str) -> str:
    """A text that is not empty. Raises UsageError."""
    value = optional_text(options, key)
    return default if value is None else value


def optional_text(options: Options, key: str) -> str | None:
    """A text that is not empty, or None where the board sets none. Raises UsageError."""
    value = options.get(key)
    if value is None:
        return None
    if not isinstance(value, str) or not value:
        raise _wrong(key, "a text", value)
    return value


def choice(options: Options, key: str, choices: Collection[str], default: str) -> str:
    """One of several texts. Raises UsageError."""
    value = text(options, key, default)
    if value not in choices:
        raise _wrong(key, f"one of {', '.join(sorted(choices))}", value)
    return value


def switch(options: Options, key: str, default: bool) -> bool:
    """True or false. Raises UsageError."""
    value = options.get(key, default)
    if not isinstance(value, bool):
        raise _wrong(key, "true or false", value)
    return value


def count(options: Options, key: str) -> int | None:
    """A whole number from 0 on, or None where the board sets none. Raises UsageError."""
    value = options.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise _wrong(key, "a whole number from 0 on", value)
    return value


def positive(options: Options, key: str) -> float | None:
    """A finite number above 0, or None where the board sets none. Raises UsageError."""
    value = options.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise _wrong(key, "a number above 0", value)
    return float(value)


def _wrong(key: str, wanted: str, value: Any) -> UsageError:
    return UsageError(f"backend_options.{key} must be {wanted}, not {value!r:.60}")
