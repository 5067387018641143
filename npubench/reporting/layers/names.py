"""Names of layers without what nearly all of them begin with, which says nothing and takes the room."""

from collections import Counter

from npubench.reporting.layers.advice import name_of
from npubench.reporting.layers.view import LayerRow, LayerView

CUT = "…/"
"""What stands in the place of the shared start."""

_LEAST_SHARED = 0.6
"""Of the layers that have to begin so."""

_LEAST_LENGTH = 6
"""Letters that are worth being cut off."""


def shared_start(view: LayerView) -> str:
    """The longest start that most names share, up to a slash: `Conv:/model/backbone/`; empty without one."""
    names = [name_of(row) for row in view.rows if not row.is_end]
    counts = Counter(
        name[: at + 1]
        for name in names
        for at, letter in enumerate(name)
        if letter == "/" and at < len(name) - 1
    )
    shared = [start for start, count in counts.items() if count >= _LEAST_SHARED * len(names) and count > 2]
    longest = max(shared, key=len, default="")
    return longest if len(longest) >= _LEAST_LENGTH else ""


def without_start(row: LayerRow, start: str) -> str:
    """The name with `…/` in place of that start, where it begins so."""
    name = name_of(row)
    return f"{CUT}{name[len(start) :]}" if start and name.startswith(start) else name
