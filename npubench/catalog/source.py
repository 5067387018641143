"""One catalogue file: its text, and messages that name file, line and key."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_args

from npubench.catalog.lines import KeyPath, key_lines, last_statement_line
from npubench.domain.nearest import did_you_mean

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic_core import ErrorDetails

    Table = TypeVar("Table", bound=BaseModel)

_WHERE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
_AFTER_VALUE = ("Cannot overwrite", "Cannot mutate", "Cannot redefine")
"""tomllib finds these behind the value, which may be lines below the key."""
_IN_TOML = {
    "a valid list": "an array",
    "a valid dictionary": "a table",
    "a valid string": "text in quotes",
    "a valid integer": "a whole number",
    "a valid number": "a number",
    "a valid boolean": "true or false",
}
_HUGE_NUMBER = re.compile(r"[0-9_]{4000}")


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong at one place of one file; `line` counts from 1, `key` may be empty."""

    file: Path
    line: int
    key: str
    message: str

    def __str__(self) -> str:
        key = f" key '{self.key}':" if self.key else ""
        return one_line(f"{self.file}:{self.line}:{key} {self.message}")


@dataclass(frozen=True, slots=True)
class Source:
    """A readable file: path and text."""

    path: Path
    text: str

    def line(self, key: KeyPath) -> int:
        """The line of a key, or of the nearest thing around it that the file holds."""
        known = self._known(key)
        return key_lines_of(self.text)[known] if known else 1

    def problem(self, key: KeyPath, message: str) -> Problem:
        """A problem at `key`."""
        return Problem(self.path, self.line(key), dotted(key), message)

    def _known(self, key: KeyPath) -> KeyPath:
        lines = key_lines_of(self.text)
        while key and key not in lines:
            key = key[:-1]
        return key

    def validated(
        self, schema: "type[Table]", value: Any, at: KeyPath, problems: list[Problem]
    ) -> "Table | None":
        """`value`, found at the key `at`, as a checked table; None when `problems` got what is wrong."""
        from pydantic import ValidationError

        try:
            return schema.model_validate(value)
        except ValidationError as error:
            found: dict[KeyPath, Problem] = {}
            for detail in error.errors(include_url=False):
                key, message = self._explained(schema, detail, at)
                # A value that fits none of several types is one mistake, told once.
                found.setdefault(key, self.problem(key, message))
            problems.extend(found.values())
            return None

    def _explained(
        self, schema: "type[BaseModel]", detail: "ErrorDetails", at: KeyPath
    ) -> tuple[KeyPath, str]:
        key = (*at, *detail["loc"])
        match detail["type"]:
            case "missing":
                return key, "is missing: add it"
            case "extra_forbidden":
                fields = _fields_at(schema, detail["loc"])
                return (
                    key,
                    f"unknown key{did_you_mean(str(key[-1]), fields)}: the keys are {', '.join(fields)}",
                )
            case "too_short" | "string_too_short":
                return self._known(key), "is empty: fill it in or remove it"
            case "value_error":
                return self._known(key), detail["msg"].removeprefix("Value error, ")
            case _:
                wanted = detail["msg"].removeprefix("Input should be ")
                return self._known(
                    key
                ), f"must be {_IN_TOML.get(wanted, wanted)}, not {shortened(detail['input'])}"


def read(path: Path) -> tuple[Source, dict[str, Any]] | Problem:
    """Text and tables of a TOML file, or why it cannot be read."""
    if not path.is_file():
        return Problem(path, 1, "", "cannot be read: it is not a regular file: remove or replace it")
    try:
        data = path.read_bytes()
    except OSError as error:
        return Problem(path, 1, "", f"cannot be read: {error.strerror}: check its permissions")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        return Problem(path, line, "", f"byte 0x{data[error.start]:02x} is not UTF-8: save the file as UTF-8")
    try:
        return Source(path, text), tomllib.loads(text)
    except ValueError as error:
        return _syntax_problem(path, text, str(error))
    except RecursionError:
        return Problem(path, _line_of_depth(text), "", "brackets are nested too deeply: flatten them")


def _syntax_problem(path: Path, text: str, message: str) -> Problem:
    text = text.replace("\r\n", "\n")
    place = _WHERE.search(message)
    if place is None:
        # The one ValueError of tomllib without a place: a number longer than Python converts.
        huge = _HUGE_NUMBER.search(text)
        line = text.count("\n", 0, huge.start() if huge else 0) + 1
        return Problem(path, line, "", "a number is too long: shorten it")
    what = message[: place.start()]
    if place[1] is None:
        line = text.rstrip().count("\n") + 1
        return Problem(path, line, "", f"is not TOML: {what} at the end of the file: correct the syntax")
    line, column = int(place[1]), int(place[2])
    if what.startswith(_AFTER_VALUE):
        lines = text.split("\n")[:line]
        lines[-1] = lines[-1][: column - 1]
        line = last_statement_line("\n".join(lines))
        return Problem(path, line, "", f"is not TOML: {what}: remove or rename the key")
    return Problem(path, line, "", f"is not TOML: {what} at column {column}: correct the syntax")


def _line_of_depth(text: str, limit: int = 100) -> int:
    """The line on which brackets are open `limit` deep."""
    depth = 0
    for bracket in re.finditer(r"[\[\]{}]", text):
        depth += 1 if bracket[0] in "[{" else -1
        if depth == limit:
            return text.count("\n", 0, bracket.start()) + 1
    return 1


@lru_cache(maxsize=256)
def key_lines_of(text: str) -> Mapping[KeyPath, int]:
    """`key_lines`, once per text."""
    return key_lines(text)


def dotted(key: KeyPath) -> str:
    """A key path as people write it: `sweep[0].inputs[1].shape`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in key)
    return text.removeprefix(".")


def one_line(text: str) -> str:
    """`text` with line breaks and control characters as escapes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def shortened(value: Any) -> str:
    """A value as messages show it."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _fields_at(schema: "type[BaseModel]", loc: tuple[str | int, ...]) -> tuple[str, ...]:
    """The keys of the table that the last part of `loc` is in."""
    for part in loc[:-1]:
        if isinstance(part, str) and part in schema.model_fields:
            schema = _table_in(schema.model_fields[part].annotation) or schema
    return tuple(schema.model_fields)


def _table_in(annotation: Any) -> "type[BaseModel] | None":
    if hasattr(annotation, "model_fields"):
        return annotation  # type: ignore[no-any-return]
    return next((table for arg in get_args(annotation) if (table := _table_in(arg))), None)
