"""Names that look like a mistyped one."""

from collections.abc import Collection
from difflib import get_close_matches

LENGTH_LIMIT = 200


def did_you_mean(name: str, known: Collection[str]) -> str:
    """` (did you mean 'a' or 'b'?)`, or nothing when no known name is near."""
    if len(name) > LENGTH_LIMIT:
        return ""
    by_lower = {candidate.lower(): candidate for candidate in known}
    near = [by_lower[found] for found in get_close_matches(name.lower(), by_lower, n=3, cutoff=0.6)]
    return f" (did you mean {' or '.join(map(repr, near))}?)" if near else ""
