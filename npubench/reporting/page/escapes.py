"""Untrusted text made visible: characters that steer a terminal or break a file become escapes."""

import re
import unicodedata

_STEERING = frozenset({"Cc", "Cs", "Cf", "Co", "Zl", "Zp"})
"""Unicode general categories: control and surrogate; format (direction marks), private, line breaks."""

_HIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]")
"""Categories Cc (but line break and tab) and Cs, explicit bidirectional formatting (UAX #9, 2)."""


def visible(text: str) -> str:
    """`text` for HTML: line breaks and tabs stay, other control characters and surrogates are escaped.

    So are embeddings and overrides of direction, which make one name look like another; letters
    that run from right to left need none of them.
    """
    if text.isascii() and text.isprintable():
        return text
    return _HIDDEN.sub(lambda found: _escaped(found[0]), text) if _HIDDEN.search(text) else text


def printable(text: str) -> str:
    """`text` for one line of a terminal: nothing in it moves the cursor, colours or turns direction."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escaped(c) if _is(c, _STEERING) else c for c in text)


def shortened(text: str, limit: int) -> str:
    """`text` cut in its middle to `limit` terminal columns; names differ most at their ends."""
    if columns_of(text) <= limit:
        return text
    head, tail = "", ""
    for left, right in zip(text, reversed(text), strict=True):
        if columns_of(head + left + tail) >= limit:
            break
        head += left
        if columns_of(head + right + tail) >= limit:
            break
        tail = right + tail
    return f"{head}…{tail}"


def columns_of(text: str) -> int:
    """Columns that `text` takes on a terminal: wide East Asian characters two, combining ones none."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text
    )


def _is(character: str, categories: frozenset[str]) -> bool:
    return unicodedata.category(character) in categories


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
