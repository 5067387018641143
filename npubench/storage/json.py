"""Records of plain values (TOML, JSON, a worker's answer, options) and back, every mistake told at once.

msgspec makes the record and stops at the first thing that does not fit. Only then is the type walked here,
field by field, so that whoever wrote the file learns all that is wrong with it, each by its key.
"""

import math
import operator
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePath
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import inspect

from npubench.domain.errors import UsageError
from npubench.domain.text import did_you_mean

T = TypeVar("T")


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
    wanted: Any = record_type
    try:
        record = _reader(wanted)(text)
    except msgspec.ValidationError:
        # Earlier versions wrote what they were given, 12.0 for a whole number, say.
        record = convert(msgspec.json.decode(text), record_type, strict=False)
    return record


@cache
def _reader(record_type: Any) -> Callable[[str | bytes], Any]:
    """How records of a type are read: made once a type, not once a row."""
    return msgspec.json.Decoder(record_type, dec_hook=from_text).decode


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


Part = str | int
KeyPath = tuple[Part, ...]

SHOWN_LIMIT = 60
LARGEST = float.fromhex("0x1.fffffffffffffp+1023")
"""The largest finite number: a bound that neither infinity nor NaN keeps."""

Text = Annotated[str, msgspec.Meta(min_length=1)]
Number = Annotated[float, msgspec.Meta(ge=-LARGEST, le=LARGEST)]
Positive = Annotated[float, msgspec.Meta(gt=0, le=LARGEST)]


class Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What all tables share that people write: nothing unknown, nothing converted."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """What is wrong at a key (empty: the whole), and what to do."""

    key: KeyPath
    message: str

    def __str__(self) -> str:
        return f"{dotted(self.key) or 'the whole'}: {self.message}"


class InvalidError(ValueError):
    """A value that is no such record; `mistakes` has all that is wrong with it."""

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        super().__init__("; ".join(map(str, mistakes)))
        self.mistakes = tuple(mistakes)


def convert(value: Any, record_type: type[T], *, strict: bool = True) -> T:
    """`value`, of dictionaries, lists and scalars, as a record. Raises InvalidError with every mistake.

    Unknown keys are refused by a `msgspec.Struct` that forbids them, and passed over by a dataclass, since
    newer versions write more. Without `strict`, texts that spell a number are one, and so are 12.0 and 12.
    """
    try:
        return msgspec.convert(value, record_type, strict=strict, dec_hook=from_text)
    except msgspec.ValidationError as error:
        found = list(mistakes(value, record_type, strict=strict))
        raise InvalidError(found or [Mistake((), str(error))]) from None


def options(value: Mapping[str, Any], record_type: type[T], where: str) -> T:
    """A board's table of options as a record. Raises UsageError: every mistake, at its key below `where`."""
    try:
        return convert(dict(value), record_type)
    except InvalidError as error:
        raise UsageError("; ".join(f"{where}.{one}" for one in error.mistakes)) from None


def from_text(wanted: type[Any], value: Any) -> Any:
    """What JSON has no form for: paths are texts there."""
    if issubclass(wanted, PurePath) and isinstance(value, str):
        return wanted(value)
    raise ValueError(f"must be a path, not {shortened(value)}")


def mistakes(value: Any, record_type: Any, *, strict: bool = True) -> Iterator[Mistake]:
    """All that keeps `value` from being such a record."""
    return _Walk(strict).of(value, _info(record_type), ())


@cache
def _info(record_type: Any) -> inspect.Type:
    return inspect.type_info(record_type)


class _Walk:
    """A value and its type, walked side by side."""

    def __init__(self, strict: bool) -> None:
        self._strict = strict

    def of(self, value: Any, wanted: inspect.Type, key: KeyPath) -> Iterator[Mistake]:
        """Mistakes of `value`, found at `key`."""
        match wanted:
            case inspect.Metadata():
                yield from self._told(value, wanted, key)
            case inspect.UnionType():
                yield from self._union(value, wanted.types, key)
            case inspect.StructType() | inspect.DataclassType():
                yield from self._table(value, wanted, key)
            case inspect.ListType() | inspect.VarTupleType():
                count = len(value) if isinstance(value, (list, tuple)) else 0
                yield from self._items(value, [wanted.item_type] * count, wanted.min_length, key)
            case inspect.TupleType():
                yield from self._items(value, wanted.item_types, len(wanted.item_types), key)
            case inspect.DictType():
                yield from self._dictionary(value, wanted, key)
            case _:
                if said := self._scalar(value, wanted):
                    yield Mistake(key, said)

    def _told(self, value: Any, wanted: inspect.Metadata, key: KeyPath) -> Iterator[Mistake]:
        """In the type's own words: its title says what it is, its description what a text must be."""
        said = wanted.extra_json_schema or {}
        for found in self.of(value, wanted.type, key):
            if found.key == key and "title" in said:
                yield Mistake(key, f"must be {said['title']}, not {shortened(value)}")
            elif found.key == key and "description" in said and found.message.startswith(_FORM):
                yield Mistake(key, f"{shortened(value)} is not {said['description']}")
            else:
                yield found

    def _union(self, value: Any, types: Iterable[inspect.Type], key: KeyPath) -> Iterator[Mistake]:
        """One of several types: the mistakes of the one that has the value's form, else what all want."""
        tried = [(one, list(self.of(value, one, key))) for one in types]
        if any(not found for _, found in tried):
            return
        formed = [found for one, found in tried if found[0].key != key or _is_bound(value, one)]
        if formed:
            yield from formed[0]
            return
        wanted = dict.fromkeys(_in_words(one)[1] for one in types if _in_words(one)[1] != _NOTHING)
        yield Mistake(key, f"must be {' or '.join(wanted)}, not {shortened(value)}")

    def _table(
        self, value: Any, wanted: inspect.StructType | inspect.DataclassType, key: KeyPath
    ) -> Iterator[Mistake]:
        if not isinstance(value, dict):
            yield Mistake(key, f"must be a table, not {shortened(value)}")
            return
        # What people write; records are written by programs, newer ones among them.
        strict = getattr(wanted, "forbid_unknown_fields", False)
        fields = {field.encode_name: field for field in wanted.fields}
        for name, field in fields.items():
            if name in value:
                yield from self.of(value[name], field.type, (*key, name))
            elif field.required:
                yield Mistake((*key, name), "is missing: add it" if strict else "is missing")
        if strict:
            for name in [name for name in value if name not in fields]:
                said = f"unknown key{did_you_mean(str(name), fields)}: the keys are {', '.join(fields)}"
                yield Mistake((*key, name), said)

    def _items(
        self, value: Any, types: Sequence[inspect.Type], least: int | None, key: KeyPath
    ) -> Iterator[Mistake]:
        if not isinstance(value, (list, tuple)):
            yield Mistake(key, f"must be an array, not {shortened(value)}")
        elif not value and least:
            yield Mistake(key, "is empty: fill it in or remove it")
        elif len(value) != len(types):
            yield Mistake(key, f"must hold {len(types)} values, not {len(value)}")
        else:
            for index, (item, wanted) in enumerate(zip(value, types, strict=True)):
                yield from self.of(item, wanted, (*key, index))

    def _dictionary(self, value: Any, wanted: inspect.DictType, key: KeyPath) -> Iterator[Mistake]:
        if not isinstance(value, dict):
            yield Mistake(key, f"must be a table, not {shortened(value)}")
            return
        for name, inner in value.items():
            yield from self.of(name, wanted.key_type, (*key, name))
            yield from self.of(inner, wanted.value_type, (*key, name))

    def _scalar(self, value: Any, wanted: inspect.Type) -> str:
        """What is wrong with a value that holds no others; empty where nothing is."""
        if isinstance(wanted, inspect.AnyType):
            return ""
        plain, words = _in_words(wanted)
        written = value
        if plain is not None:
            try:
                value = msgspec.convert(value, plain, strict=self._strict, dec_hook=from_text)
            except (msgspec.ValidationError, ValueError):
                return f"must be {words}, not {shortened(written)}"
        if isinstance(value, float) and not math.isfinite(value) and getattr(wanted, "le", None) is not None:
            return f"must be a finite number, not {value}"
        if said := _beyond(value, wanted):
            return said if said.startswith("is ") else f"must be {said}, not {shortened(written)}"
        pattern = getattr(wanted, "pattern", None)
        if pattern and not re.search(pattern, value):
            return f"{_FORM}{pattern}, not {shortened(value)}"
        return ""


_NOTHING = "nothing"
_FORM = "must be of the form "


_PLAIN: Mapping[type[inspect.Type], tuple[Any, str]] = {
    inspect.IntType: (int, "a whole number"),
    inspect.FloatType: (float, "a number"),
    inspect.StrType: (str, "text in quotes"),
    inspect.BoolType: (bool, "true or false"),
    inspect.NoneType: (type(None), _NOTHING),
}
"""Types that hold no others: Python's, and a user's words for it."""

_ARRAYS = (inspect.ListType, inspect.VarTupleType, inspect.TupleType)


def _in_words(wanted: inspect.Type) -> tuple[Any, str]:
    """A type without its bounds, and in a user's words; None for one that holds others."""
    match wanted:
        case inspect.Metadata():
            return _in_words(wanted.type)
        case inspect.LiteralType():
            return Literal[wanted.values], _listed(wanted.values)
        case inspect.EnumType():
            return wanted.cls, _listed([member.value for member in wanted.cls])
        case inspect.CustomType():
            return wanted.cls, "a path"
        case _:
            return _PLAIN.get(type(wanted), (None, "an array" if isinstance(wanted, _ARRAYS) else "a table"))


def _listed(values: Iterable[Any]) -> str:
    *most, last = map(repr, values)
    return f"{', '.join(most)} or {last}" if most else last


def _is_bound(value: Any, wanted: inspect.Type) -> bool:
    """Whether the value is of the type but for its bounds."""
    while isinstance(wanted, inspect.Metadata):
        wanted = wanted.type
    if isinstance(wanted, _ARRAYS):
        return isinstance(value, (list, tuple))
    plain, _ = _in_words(wanted)
    forms: tuple[type, ...] = (int, float) if plain is float else (plain,) if plain in (int, str) else ()
    return isinstance(value, forms) and not isinstance(value, bool)


_BOUNDS = (
    *(("ge", "at least", operator.ge), ("gt", "above", operator.gt)),
    *(("le", "at most", operator.le), ("lt", "below", operator.lt)),
)


def _beyond(value: Any, wanted: inspect.Type) -> str:
    """What bound of its type a value breaks, as what it must be."""
    for name, words, fits in _BOUNDS:
        bound = getattr(wanted, name, None)
        if bound is not None and not fits(value, bound):
            return f"{words} {bound}"
    if (least := getattr(wanted, "min_length", None)) and len(value) < least:
        return "is empty: fill it in or remove it"
    if (most := getattr(wanted, "max_length", None)) and len(value) > most:
        return f"is of {len(value)} characters: use at most {most}"
    return ""


def dotted(key: KeyPath) -> str:
    """A key path as people write it: `sweep[0].inputs[1].shape`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in key)
    return text.removeprefix(".")


def shortened(value: Any) -> str:
    """A value as messages show it."""
    text = repr(value)
    return text if len(text) <= SHOWN_LIMIT else f"{text[: SHOWN_LIMIT - 3]}..."
