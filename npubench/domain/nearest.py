"""Names that look like a mistyped one: of cases, boards and words, and of files beside a path."""

from collections.abc import Collection, Iterable
from itertools import islice
from pathlib import Path

LENGTH_LIMIT = 200
FILES_LOOKED_AT = 5000
"""Of a folder, when a name in it is mistyped."""


def did_you_mean(name: str, known: Iterable[str], most: int = 3) -> str:
    """` (did you mean 'a' or 'b'?)`, or nothing when no known name is near."""
    if len(name) > LENGTH_LIMIT:
        return ""
    from difflib import get_close_matches

    by_lower = {candidate.lower(): candidate for candidate in known}
    near = [by_lower[found] for found in get_close_matches(name.lower(), by_lower, n=most, cutoff=0.6)]
    return f" (did you mean {' or '.join(map(repr, near))}?)" if near else ""


def path_meant(path: Path, suffixes: Collection[str] = ()) -> str:
    """The same for a path where nothing lies, of what lies beside it with one of `suffixes`, if any."""
    return did_you_mean(path.name, beside(path, suffixes))


def beside(path: Path, suffixes: Collection[str] = ()) -> tuple[str, ...]:
    """Names in the folder where `path` would lie; none where that cannot be listed."""
    try:
        listed = islice(path.parent.iterdir(), FILES_LOOKED_AT)
        return tuple(
            one.name
            for one in listed
            if (one.suffix in suffixes if suffixes else not one.name.startswith("."))
        )
    except (OSError, ValueError):
        return ()
