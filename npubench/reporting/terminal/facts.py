"""Facts of a row for a terminal, in sections: labels with values, their units and significant digits."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from npubench.domain.layout import Labelled, labelled_lines, wrapped
from npubench.domain.specs import TensorSpec
from npubench.domain.text import columns_of, printable
from npubench.reporting.data import formatting

_BELOW = "    "
_LISTED = 8
"""Entries of a list that are written out."""
_LARGE = 1e5
"""From here on a number of five digits would be written with a power of ten."""


@dataclass(frozen=True, slots=True)
class Section:
    """Facts under a title; a table of lines that are laid out already may follow them."""

    title: str
    facts: Sequence[Labelled]
    table: Sequence[str] = ()


def section_lines(sections: Iterable[Section], width: int) -> list[str]:
    """Those with anything in them, each after a blank line; labels stand in one column throughout.

    A word that has no room beside its label, such as a hash, stands below it: whole, to be copied.
    """
    shown = [one for one in sections if one.facts or one.table]
    longest = max((columns_of(fact.label) for one in shown for fact in one.facts), default=0)
    lines = []
    for one in shown:
        facts_of_it = [_aligned(fact, longest, width) for fact in one.facts]
        lines += ["", *wrapped(one.title, width), *labelled_lines(facts_of_it, width), *one.table]
    return [line.rstrip() for line in lines]


def _aligned(fact: Labelled, longest: int, width: int) -> Labelled:
    label, text = fact.label + " " * (longest - columns_of(fact.label)), printable(fact.text)
    below = f"{_BELOW}{text}"
    has_room = columns_of(text) <= width - longest - len(_BELOW) or " " in text
    return (
        Labelled(label, text, fact.lines)
        if has_room or columns_of(below) > width
        else Labelled(label, "", (below,))
    )


def facts(*told: tuple[str, str | None]) -> list[Labelled]:
    """Those labels that have a text."""
    return [Labelled(label, text) for label, text in told if text]


def plain(text: str) -> str:
    """Without the narrow blanks that a page sets thousands apart with."""
    return text.replace(formatting.THIN_SPACE, "").replace("\u00a0", " ")


def duration(value_us: float | None) -> str | None:
    """Microseconds in the unit that reads best."""
    return None if value_us is None else plain(formatting.duration(value_us))


def size(value_bytes: float | None) -> str | None:
    """Bytes in the binary unit that reads best."""
    return None if value_bytes is None else plain(formatting.size(value_bytes))


def number(value: float | None, unit: str = "") -> str | None:
    """Three significant digits at least, then the unit."""
    return None if value is None else f"{formatting.significant(value, separator='')} {unit}".rstrip()


def share(value: float | None) -> str | None:
    """A share in 0..1 as a percentage."""
    return None if value is None else f"{value:.3%}" if value > 0.99 else f"{value:.1%}"


def count(value: int | None) -> str | None:
    """A whole number to its last digit; a large one in short before it."""
    if value is None:
        return None
    if value < 1_000_000:
        return f"{value:,}"
    scale = formatting.common_scale([value], formatting.COUNTS)
    return f"{formatting.significant(value / scale.divisor)} {scale.unit} ({value:,})"


def tensors(told: Sequence[TensorSpec]) -> str | None:
    """Names, types and shapes."""
    shapes = (f"{one.name}: {one.dtype} {'x'.join(map(str, one.shape)) or 'scalar'}" for one in told)
    return ", ".join(shapes) or None


def pairs(values: Mapping[str, Any]) -> str | None:
    """Names with their values, what lies within others by the names of both."""
    return ", ".join(f"{name} {_text(value)}" for name, value in _flat(values)) or None


def facts_of_details(details: Mapping[str, Any]) -> list[Labelled]:
    """One a name, whose last word is the unit where it is one; what is not known is left out."""
    told = (_detail(name, value) for name, value in _flat(details))
    return [Labelled(label, text) for label, text in told if text]


_UNITS: Mapping[str, Callable[[float], str | None]] = {
    "us": duration,
    "bytes": size,
    "ms": lambda value: number(value, "ms"),
    "s": lambda value: number(value, "s"),
    "mhz": lambda value: number(value, "MHz"),
    "db": lambda value: number(value, "dB"),
    "fps": lambda value: number(value, "fps"),
}


def _detail(name: str, value: Any) -> tuple[str, str]:
    *words, last = name.split("_")
    if words and last in _UNITS and isinstance(value, (int, float)) and not isinstance(value, bool):
        return " ".join(words), _UNITS[last](value) or ""
    return name.replace("_", " "), _text(value)


def _flat(values: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{name} ")
        elif value is not None and value != () and value != []:
            yield f"{before}{name}", value


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.5g}" if abs(value) < _LARGE else formatting.significant(value, separator="")
    if isinstance(value, (list, tuple)):
        listed = ", ".join(map(_text, value[:_LISTED]))
        return listed if len(value) <= _LISTED else f"{listed}, ... ({len(value)}; all in --json)"
    if isinstance(value, Mapping):
        return pairs(value) or ""
    return str(value)
