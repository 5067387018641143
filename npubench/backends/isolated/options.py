"""`backend_options` of these boards, checked."""

from collections.abc import Collection
from typing import Any

from npubench.domain.errors import UsageError
from npubench.domain.specs import Options


def check_known(options: Options, known: Collection[str]) -> None:
    """Raises UsageError for an option that this backend does not have."""
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise UsageError(
            f"backend_options.{unknown[0]} is unknown: the board may set {', '.join(sorted(known))}"
        )


def text(options: Options, key: str, default: str) -> str:
    """A text that is not empty. Raises UsageError."""
    value = options.get(key, default)
    if not isinstance(value, str) or not value:
        raise _wrong(key, "a text", value)
    return value


def positive(options: Options, key: str) -> float | None:
    """A number above zero, or None where the board sets none. Raises UsageError."""
    value = options.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value > 0:
        raise _wrong(key, "a number above zero", value)
    return float(value)


def _wrong(key: str, wanted: str, value: Any) -> UsageError:
    return UsageError(f"backend_options.{key} must be {wanted}, not {value!r:.60}")
