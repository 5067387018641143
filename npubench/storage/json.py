"""Records to JSON and back, by msgspec from the dataclasses' own annotations."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePath
from typing import Any, TypeVar

import msgspec

from npubench.domain.errors import UsageError
from npubench.storage.validate import convert, from_text

T = TypeVar("T")

_readers: dict[Any, Callable[[str | bytes], Any]] = {}
"""How records of a type are read: made once a type, not once a row."""


def encode(record: Any) -> str:
    """A record as one line of JSON. NaN and infinity become null: what is unknown is None."""
    return _encoder.encode(record).decode()


def _plain(value: Any) -> Any:
    """What JSON has no form for, as what it has."""
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    if hasattr(value, "item"):
        return value.item()
    for plain in (str, int, float):
        if isinstance(value, plain):
            return plain(value)
    raise NotImplementedError(f"{type(value).__name__} has no form in JSON")


_encoder = msgspec.json.Encoder(enc_hook=_plain)


def decode(record_type: type[T], text: str | bytes) -> T:
    """The record that `encode` wrote. Raises ValueError when it is not one, with all that is wrong."""
    record: T
    read = _readers.get(record_type) or _reader(record_type)
    try:
        record = read(text)
    except msgspec.ValidationError:
        # Earlier versions wrote what they were given, 12.0 for a whole number, say.
        record = convert(msgspec.json.decode(text), record_type, strict=False)
    return record


def _reader(record_type: Any) -> Callable[[str | bytes], Any]:
    made = _readers[record_type] = msgspec.json.Decoder(record_type, dec_hook=from_text).decode
    return made


def decode_lines(record_type: type[T], file: Path) -> Iterator[T]:
    """The records of a file of `encode`'s lines; none where there is no file.

    Raises UsageError at a line that is none, with what is wrong. A killed run may leave half a line.
    """
    lines = file.read_text(encoding="utf-8", errors="replace").splitlines() if file.is_file() else []
    for number, line in enumerate(lines, 1):
        if not line.endswith("}"):
            continue
        try:
            record = decode(record_type, line)
        except ValueError as error:
            told = f"{file} line {number} is no record of {record_type.__name__.lower()}s ({error})"
            raise UsageError(f"{told}: take the line out, or name another file") from None
        yield record
