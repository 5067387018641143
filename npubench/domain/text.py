"""Text from anywhere made fit to be read: what steers a terminal or page is escaped; tables; near names."""

import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from itertools import islice
from pathlib import Path

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


def printable(text: str, width: int | None = None) -> str:
    """`text` for one line of a terminal: nothing in it moves the cursor, colours or turns direction.

    It is cut at its end to `width` characters, if given.
    """
    if not (text.isascii() and text.isprintable()):
        text = "".join(_escaped(c) if unicodedata.category(c) in _STEERING else c for c in text)
    return text if width is None or len(text) <= width else f"{text[: width - 1]}…"


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


def folded(text: str, width: int, after: str = "") -> list[str]:
    """`text` made printable, in lines of at most `width` terminal columns; `after` begins all but the first.

    Lines break at blanks, before and after wide East Asian characters, and in what is longer than a line.
    """
    lines, line = [], ""
    for piece in _PIECES.findall(printable(text)):
        while columns_of(line + piece.rstrip()) > width:
            if line.strip() and line != after:
                lines.append(line.rstrip())
                line, piece = after, piece.lstrip()
            else:
                cut = next(
                    at for at in range(len(piece), 0, -1) if columns_of(line + piece[:at]) <= width or at == 1
                )
                lines.append(line + piece[:cut])
                line, piece = after, piece[cut:]
        line += piece
    return [*lines, line.rstrip()] if line.strip() or not lines else lines


_PIECES = re.compile("[\u2e80-\u9fff\uff00-\uffef][，。；：、！？）]*|[^\u2e80-\u9fff\uff00-\uffef\\s]*\\s*")
"""What a line breaks between: words with their blanks, and single wide characters with their punctuation."""


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def counted(count: int, noun: str) -> str:
    """`1 case`, `2 cases`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def last_line(text: str, otherwise: str = "it printed nothing", limit: int | None = None) -> str:
    """The last line of a program's output that is not blank, without blanks around it, cut to `limit`."""
    lines = text.strip().splitlines()
    return lines[-1].strip()[:limit] if lines else otherwise


def text_table(
    head: Sequence[str],
    rows: Iterable[Sequence[str]],
    width: int | None = 72,
    right: Collection[str] = (),
) -> str:
    """Columns under their heads for a terminal; cells are made printable and cut at their ends to `width`.

    Columns of the heads in `right` are aligned to the right, the others to the left.
    """
    lines = [[printable(cell) for cell in head], *([printable(cell, width) for cell in row] for row in rows)]
    widths = [max(map(columns_of, column)) for column in zip(*lines, strict=True)]
    places = [(title in right, columns) for title, columns in zip(head, widths, strict=True)]
    return "\n".join(
        "  ".join(_padded(cell, *place) for cell, place in zip(line, places, strict=True)).rstrip()
        for line in lines
    )


def _padded(text: str, right: bool, columns: int) -> str:
    blanks = " " * (columns - columns_of(text))
    return blanks + text if right else text + blanks


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table; what a cell holds cannot break out of it, and None is a dash."""
    lines = [list(head), ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(_markdown_cell, line))} |" for line in lines)


def markdown_section(
    title: str, head: Sequence[str], rows: Sequence[Sequence[object]], note: str = ""
) -> str:
    """A table below its title, `## ...`, and a note; nothing without rows."""
    return "\n\n".join(filter(None, (title, note, markdown_table(head, rows)))) if rows else ""


def _markdown_cell(value: object) -> str:
    text = "-" if value is None else " ".join(str(value).split())
    return text.replace("|", "\\|").replace("<", "&lt;")


LENGTH_LIMIT = 200
FILES_LOOKED_AT = 5000
"""Of a folder, when a name in it is mistyped."""


def did_you_mean(name: str, known: Iterable[str], most: int = 3) -> str:
    """` (did you mean 'a' or 'b'?)`, or nothing when no known name is near."""
    # Names are mistyped seldom, and every command imports this.
    from difflib import get_close_matches

    if len(name) > LENGTH_LIMIT:
        return ""

    by_lower = {candidate.lower(): candidate for candidate in known}
    near = [by_lower[found] for found in get_close_matches(name.lower(), by_lower, n=most, cutoff=0.6)]
    return f" (did you mean {' or '.join(map(repr, near))}?)" if near else ""


def path_meant(path: Path, suffixes: Collection[str] = ()) -> str:
    """The same for a path where nothing lies, of what lies beside it with one of `suffixes`, if any."""
    return did_you_mean(path.name, beside(path, suffixes))


def about_file(path: Path, message: str) -> str:
    """`message` on a file, which is named once: what it begins with the file's name stays so."""
    for name in (str(path), path.name):
        if message.startswith((f"{name} ", f"{name}:")):
            return f"{path}{message[len(name) :]}"
    return f"{path}: {message}"


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
