"""Records to JSON and back, by pydantic from the dataclasses' own annotations."""

from typing import Any, TypeVar

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
    record: T = _adapter(record_type).validate_json(text)
    return record


def reason_of(error: ValueError) -> str:
    """In one line, the first thing that `decode` found wrong, and where."""
    from pydantic import ValidationError

    if not isinstance(error, ValidationError):
        return str(error).splitlines()[0]
    first = error.errors(include_url=False)[0]
    return f"{'.'.join(map(str, first['loc'])) or 'the whole'}: {first['msg']}"
