"""Records to JSON and back, by pydantic from the dataclasses' own annotations.

Reading is tried with msgspec first, which makes the same records several times faster; whatever it does not
take, pydantic judges, so that there is one notion of a record and one way of saying what is wrong with it.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from npubench.domain.errors import UsageError

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
    record: T
    read, refusals = _readers.get(record_type) or _reader(record_type)
    try:
        record = read(text)
    except refusals:
        record = _adapter(record_type).validate_json(text)
    return record


_Reader = tuple[Callable[[str | bytes], Any], tuple[type[Exception], ...]]
_readers: dict[Any, _Reader] = {}


def _reader(record_type: Any) -> _Reader:
    """How to read such a record, and what is raised when it is none: looked up once, not once a row."""
    import msgspec

    made = _readers[record_type] = (
        msgspec.json.Decoder(record_type).decode,
        (msgspec.MsgspecError, UnicodeError),
    )
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
