"""Protocol buffer text format, as pulsar's config.prototxt is written in.

Format: protobuf.dev, "Text Format Language Specification".
"""

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Enum:
    """The name of an enum value, which stands without quotes."""

    name: str


@dataclass(frozen=True, slots=True)
class Message:
    """Fields in their order; a name may come several times."""

    fields: tuple[tuple[str, "Value"], ...]


Scalar = str | int | float | bool | Enum
Value = Scalar | tuple[float, ...] | Message


def message(*fields: tuple[str, Value | None]) -> Message:
    """A message of the fields that have a value."""
    return Message(tuple((name, value) for name, value in fields if value is not None))


def write(root: Message) -> str:
    """The message as text, one field a line. Raises ValueError for NaN and infinity."""
    return "".join(f"{line}\n" for line in _lines(root))


def quote(text: str) -> str:
    """A text as a string literal: its UTF-8 bytes, all but plain ASCII escaped."""
    return '"' + "".join(_escaped(byte) for byte in text.encode()) + '"'


def _escaped(byte: int) -> str:
    character = chr(byte)
    if character in '"\\':
        return f"\\{character}"
    return character if 0x20 <= byte < 0x7F else f"\\{byte:03o}"


def _lines(root: Message) -> list[str]:
    lines: list[str] = []
    for name, value in root.fields:
        if isinstance(value, Message):
            lines += [f"{name} {{", *(f"  {line}" for line in _lines(value)), "}"]
        elif isinstance(value, tuple):
            lines.append(f"{name}: [{', '.join(map(_scalar, value))}]")
        else:
            lines.append(f"{name}: {_scalar(value)}")
    return lines


def _scalar(value: Scalar) -> str:
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, str):
        return quote(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    if not math.isfinite(value):
        raise ValueError(f"{value} cannot stand in a configuration")
    return f"{value:.9g}"
