"""`backend_options` of boards, checked."""

import math
from collections.abc import Collection
from typing import Any

from npubench.domain.errors import UsageError
from npubench.domain.specs import Options
from npubench.domain.text import did_you_mean


def check_known(options: Options, known: Collection[str]) -> None:
    """Raises UsageError that names all options that this backend does not have."""
    unknown = sorted(set(options) - set(known))
    if unknown:
        told = "; ".join(f"backend_options.{key} is unknown{did_you_mean(key, known)}" for key in unknown)
        raise UsageError(f"{told}: the board may set {', '.join(sorted(known))}")


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
