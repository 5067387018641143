"""Names of layers without what nearly all of them begin with, which says nothing and takes the room."""

from collections import Counter
from collections.abc import Sequence

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
    return start_of([name_of(row) for row in view.rows if not row.is_end])


def shared_start_of_nodes(view: LayerView) -> str:
    """The same of the names of ONNX nodes."""
    return start_of([node for row in view.rows for node in row.layer.nodes])


def start_of(names: Sequence[str]) -> str:
    """The longest start up to a slash that most of these share; empty without one that is worth it."""
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
    return cut_off(name_of(row), start)


def cut_off(name: str, start: str) -> str:
    """The same of any name."""
    return f"{CUT}{name[len(start) :]}" if start and name.startswith(start) else name


def cut_out(text: str, start: str) -> str:
    """A sentence with `…/` in place of that start wherever it names a layer."""
    return text.replace(f" {start}", f" {CUT}") if start else text
