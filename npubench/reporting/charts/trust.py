"""How far a drawn figure can be relied on: what a mark says of a doubt, and within what its rounds lie."""

from collections.abc import Mapping
from types import MappingProxyType

from npubench.domain.figures import Kind
from npubench.domain.records import Result
from npubench.reporting.data.figures import latency_of
from npubench.reporting.data.translate import translate

Doubted = Mapping[str, str]
"""Keys of rows that are not to be relied on, each with the word for it: noisy, doubtful, ..."""

NONE_DOUBTED: Doubted = MappingProxyType({})


def doubt_of(row: Result, doubted: Doubted) -> str:
    """What follows a figure where a pointer shows it; nothing without a doubt."""
    word = doubted.get(row.key)
    return f"; {translate(word)}" if word else ""


def rounds_of(row: Result, kind: Kind, statistic: str) -> tuple[float, float] | None:
    """The medians of the fastest and the slowest round, in us, around a median; None of one round."""
    latency = latency_of(row, kind)
    if latency is None or statistic != "p50" or len(latency.rounds_p50) < 2 or latency.p50 is None:
        return None
    low, high = min(*latency.rounds_p50, latency.p50), max(*latency.rounds_p50, latency.p50)
    return (low, high) if 0 < low < high else None


def about_rounds() -> str:
    """What a band of `rounds_of` is."""
    return translate("A line below a mark reaches from its fastest round's median to its slowest one's.")


def signed(text: str) -> str:
    """With the signs of bounds as a page can show them, and not every terminal."""
    return text.replace(">= ", "≥ ").replace("<= ", "≤ ")
