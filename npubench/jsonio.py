"""Records to JSON and back, by pydantic from the dataclasses' own annotations.

Reading is tried with msgspec first, which makes the same records several times faster; whatever it does not
take, pydantic judges, so that there is one notion of a record and one way of saying what is wrong with it.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from npubench.errors import UsageError

if TYPE_CHECKING:
    import msgspec

T = TypeVar("T")


_adapters: dict[Any, Any] = {}


def _adapter(record_type: Any) -> Any:
    if record_type not in _adapters:
        from pydantic import TypeAdapter

        _adapters[record_type] = TypeAdapter(record_type)
    return _adapters[record_type]


def encode(record: Any) -> str:
    """A record as one line of JSON. NaN and infinity are refused: what is unknown is None."""
    text: bytes = _adapter(type(record)).dump_json(record)
    return text.decode()


def decode(record_type: type[T], text: str | bytes) -> T:
    """The record that `encode` wrote. Raises ValueError when it is not one."""
    from msgspec import MsgspecError

    record: T
    try:
        record = _decoder(record_type).decode(text)
    except (MsgspecError, UnicodeError):
        record = _adapter(record_type).validate_json(text)
    return record


_decoders: "dict[Any, msgspec.json.Decoder[Any]]" = {}


def _decoder(record_type: Any) -> "msgspec.json.Decoder[Any]":
    if record_type not in _decoders:
        import msgspec

        _decoders[record_type] = msgspec.json.Decoder(record_type)
    return _decoders[record_type]


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
            told = (
                f"{file} line {number} is no record of {record_type.__name__.lower()}s ({reason_of(error)})"
            )
            raise UsageError(f"{told}: take the line out, or name another file") from None
        yield record


def reason_of(error: ValueError) -> str:
    """In one line, the first thing that `decode` found wrong, and where."""
    from pydantic import ValidationError

    if not isinstance(error, ValidationError):
        return str(error).splitlines()[0]
    first = error.errors(include_url=False)[0]
    return f"{'.'.join(map(str, first['loc'])) or 'the whole'}: {first['msg']}"
