"""`backend_options` of boards, checked."""

import math
from collections.abc import Collection
from typing import TypeVar

from npubench.domain.errors import UsageError
from npubench.domain.specs import Options
from npubench.domain.text import did_you_mean

T = TypeVar("T")


def check_known(options: Options, known: Collection[str]) -> None:
    """Raises UsageError that names all options that this backend does not have."""
    unknown = sorted(set(options) - set(known))
    if unknown:
        told = "; ".join(f"backend_options.{key} is unknown{did_you_mean(key, known)}" for key in unknown)
        raise UsageError(f"{told}: the board may set {', '.join(sorted(known))}")


def text(options: Options, key: str, default: str) -> str:
    """A text that is not empty. Raises UsageError."""
    return optional_text(options, key) or default


def optional_text(options: Options, key: str) -> str | None:
    """A text that is not empty, or None where the board sets none. Raises UsageError."""
    value: str | None = options.get(key)
    return _fitting(key, "a text", value, value is None or (type(value) is str and value != ""))


def choice(options: Options, key: str, choices: Collection[str], default: str) -> str:
    """One of several texts. Raises UsageError."""
    value = text(options, key, default)
    return _fitting(key, f"one of {', '.join(sorted(choices))}", value, value in choices)


def switch(options: Options, key: str, default: bool) -> bool:
    """True or false. Raises UsageError."""
    value: bool = options.get(key, default)
    return _fitting(key, "true or false", value, isinstance(value, bool))


def count(options: Options, key: str) -> int | None:
    """A whole number from 0 on, or None where the board sets none. Raises UsageError."""
    value: int | None = options.get(key)
    return _fitting(
        key, "a whole number from 0 on", value, value is None or (type(value) is int and value >= 0)
    )


def positive(options: Options, key: str) -> float | None:
    """A finite number above 0, or None where the board sets none. Raises UsageError."""
    value: float | None = options.get(key)
    fits = value is None or (type(value) in {int, float} and 0 < value < math.inf)
    return _fitting(key, "a number above 0", value if value is None or not fits else float(value), fits)


def _fitting(key: str, wanted: str, value: T, fits: bool) -> T:
    if not fits:
        raise UsageError(f"backend_options.{key} must be {wanted}, not {value!r:.60}")
    return value
