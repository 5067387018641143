"""A TOML file that people write: its text and tables, and messages that name file, line and key."""

import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from npubench.domain.errors import UsageError
from npubench.domain.text import printable
from npubench.storage.json import InvalidError, KeyPath, convert, dotted

Table = TypeVar("Table")
Tell = Callable[[KeyPath, str], None]
"""Notes a problem at a key of the file that is being read."""

_WHERE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
_AFTER_VALUE = ("Cannot overwrite", "Cannot mutate", "Cannot redefine")
"""tomllib finds these behind the value, which may be lines below the key."""
_HUGE_NUMBER = re.compile(r"[0-9_]{4000}")
_BLANK = re.compile(r"[ \t\r]*(?:#.*)?")


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong at one place of one file; `line` counts from 1, 0: of all of it; `key` may be empty."""

    file: Path
    line: int
    key: str
    message: str

    def __str__(self) -> str:
        key = f" key '{self.key}':" if self.key else ""
        line = f":{self.line}" if self.line else ""
        return printable(f"{self.file}{line}:{key} {self.message}")


@dataclass(frozen=True, slots=True)
class Source:
    """A readable file: path and text."""

    path: Path
    text: str

    def line(self, key: KeyPath) -> int:
        """The line of a key, or of the nearest thing around it that the file holds."""
        lines = key_lines(self.text)
        while key and key not in lines:
            key = key[:-1]
        return lines[key] if key else 1

    def problem(self, key: KeyPath, message: str) -> Problem:
        """A problem at `key`."""
        return Problem(self.path, self.line(key), dotted(key), message)

    def validated(
        self, schema: type[Table], value: Any, at: KeyPath, problems: list[Problem]
    ) -> Table | None:
        """`value`, found at the key `at`, as a checked table; None when `problems` got what is wrong."""
        try:
            return convert(value, schema)
        except InvalidError as error:
            problems.extend(self.problem((*at, *one.key), one.message) for one in error.mistakes)
            return None


def read(path: Path) -> tuple[Source, dict[str, Any]] | Problem:
    """Text and tables of a TOML file, or why it cannot be read."""
    if not path.is_file():
        return Problem(path, 0, "", "cannot be read: it is not a regular file: remove or replace it")
    try:
        data = path.read_bytes()
    except OSError as error:
        return Problem(path, 0, "", f"cannot be read: {error.strerror}: check its permissions")
    return _parsed(path, data)


Further = Callable[[Mapping[str, Any]], Iterable[tuple[KeyPath, str]]]
"""What is wrong with a file's tables beside their types: places and messages."""


def checked(path: Path, data: bytes, schema: type[Table], further: Further | None = None) -> Table:
    """The file as one checked table. Raises UsageError with all that is wrong with it, in a line."""
    parsed = _parsed(path, data)
    if isinstance(parsed, Problem):
        raise UsageError(str(parsed))
    problems: list[Problem] = []
    source, tables = parsed
    table = source.validated(schema, tables, (), problems)
    problems += [source.problem(key, message) for key, message in (further(tables) if further else ())]
    if table is None or problems:
        first, *others = sorted(problems, key=lambda one: one.line)
        more = [f"; line {one.line}: key '{one.key}': {one.message}" for one in others]
        raise UsageError(f"{first}{printable(''.join(more))}")
    return table


def _parsed(path: Path, data: bytes) -> tuple[Source, dict[str, Any]] | Problem:
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
def key_lines(text: str) -> Mapping[KeyPath, int]:
    """First line (from 1) of every key and header of valid TOML, and of elements on lines of their own.

    tomllib gives values without places, so it is asked statement by statement. Keys below an array of
    tables have the element's index in their path, as in ("sweep", 0, "inputs", 1, "shape").
    """
    lines: dict[KeyPath, int] = {}
    counts: dict[KeyPath, int] = {}
    table: KeyPath = ()
    for number, tables, is_header in _pieces(text):
        if not is_header:
            for path in _paths(tables):
                lines.setdefault((*table, *path), number)
            continue
        table = ()
        while tables:
            ((name, tables),) = tables.items()
            table = (*table, name)
            if isinstance(tables, list):
                # Its own header begins an element; a parent's name means the last one.
                (tables,) = tables
                counts[table] = counts.get(table, -1) + 1
            if table in counts:
                lines.setdefault(table, number)
                table = (*table, counts[table])
        lines.setdefault(table, number)
    return lines


def last_statement_line(text: str) -> int:
    """The line on which the last statement (a pair or a header) of valid TOML begins."""
    starts = [1]
    for _ in _pieces(text, starts):
        pass
    return starts[-1]


def _pieces(text: str, starts: list[int] | None = None) -> Iterator[tuple[int, dict[str, Any], bool]]:
    """Statements as (line, what tomllib makes of it, whether it is a header); an array of several lines
    comes as often as it has lines, each time with the line that brought something. Lines on which a
    statement begins go to `starts`."""
    statement, begun = "", 0
    for number, line in enumerate(text.split("\n"), 1):
        if not statement:
            if _BLANK.fullmatch(line):
                continue
            begun = number
            if starts is not None:
                starts.append(number)
        statement += f"{line}\n"
        for closing in ("", "]"):
            try:
                tables = tomllib.loads(statement + closing)
            except ValueError:
                continue
            yield begun, tables, statement.lstrip().startswith("[")
            begun = number + 1
            if not closing:
                statement = ""
            break


def _paths(value: Any) -> Iterator[KeyPath]:
    items: Any = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in items:
        yield (key,)
        if isinstance(inner, (dict, list)):
            yield from ((key, *path) for path in _paths(inner))
