"""Where keys stand in a TOML text: key path -> line, for messages.

tomllib gives values without places. This reads text that tomllib has accepted already, so it only
follows the structure of TOML 1.0 (headers, arrays of tables, strings, inline tables) and checks nothing.
"""

import re
import tomllib
from collections.abc import Mapping

Part = str | int
KeyPath = tuple[Part, ...]

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")
_STRING = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}'
    r"|'''.*?'{3,5}"
    r'|"(?:\\.|[^"\\])*"'
    r"|'[^']*'",
    re.DOTALL,
)
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_SCALAR = re.compile(r"[^,\]}\n#]*")


def key_lines(text: str) -> Mapping[KeyPath, int]:
    """First line (from 1) of every key, header and array element of valid TOML.

    Keys below an array of tables have the element's index in their path, as in
    ("sweep", 0, "inputs", 1, "shape").
    """
    return _Scanner(text.replace("\r\n", "\n")).scan()


def last_statement_line(text: str) -> int:
    """The line on which the last statement (a pair or a header) of valid TOML begins."""
    scanner = _Scanner(text.replace("\r\n", "\n"))
    scanner.scan()
    return scanner.statement_line


class _Scanner:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._lines: dict[KeyPath, int] = {}
        self._counts: dict[KeyPath, int] = {}
        self._counted = (0, 1)
        self.statement_line = 1

    def scan(self) -> Mapping[KeyPath, int]:
        table: KeyPath = ()
        while self._skip(_BLANK) < len(self._text):
            self.statement_line = self._line()
            if self._text.startswith("[", self._at):
                table = self._header()
            else:
                self._pair(table)
        return self._lines

    def _header(self) -> KeyPath:
        line = self._line()
        is_element = self._text.startswith("[[", self._at)
        self._at += 2 if is_element else 1
        parts = self._key()
        self._skip(_SPACE)
        self._at += 2 if is_element else 1
        *parents, last = parts
        path: KeyPath = ()
        for part in parents:
            path = self._into((*path, part))
        path = (*path, last)
        if is_element:
            self._counts[path] = self._counts.get(path, -1) + 1
            self._lines.setdefault(path, line)
            path = (*path, self._counts[path])
        self._lines.setdefault(path, line)
        return path

    def _into(self, path: KeyPath) -> KeyPath:
        """A parent named in a header means the last element where it is an array of tables."""
        return (*path, self._counts[path]) if path in self._counts else path

    def _pair(self, table: KeyPath) -> None:
        line = self._line()
        path = table
        for part in self._key():
            path = (*path, part)
            self._lines.setdefault(path, line)
        self._skip(_SPACE)
        self._at += 1
        self._skip(_SPACE)
        self._value(path)

    def _key(self) -> tuple[str, ...]:
        parts = []
        while True:
            self._skip(_SPACE)
            if quoted := _STRING.match(self._text, self._at):
                self._at = quoted.end()
                parts.append(str(tomllib.loads(f"x={quoted[0]}")["x"]))
            else:
                begin = self._at
                self._skip(_BARE)
                parts.append(self._text[begin : self._at])
            self._skip(_SPACE)
            if not self._text.startswith(".", self._at):
                return tuple(parts)
            self._at += 1

    def _value(self, path: KeyPath) -> None:
        if self._text.startswith("[", self._at):
            self._array(path)
        elif self._text.startswith("{", self._at):
            self._inline_table(path)
        elif string := _STRING.match(self._text, self._at):
            self._at = string.end()
        else:
            self._skip(_SCALAR)

    def _array(self, path: KeyPath) -> None:
        self._at += 1
        index = 0
        while not self._closes("]"):
            element = (*path, index)
            self._lines.setdefault(element, self._line())
            self._value(element)
            index += 1

    def _inline_table(self, path: KeyPath) -> None:
        self._at += 1
        while not self._closes("}"):
            self._pair(path)

    def _closes(self, bracket: str) -> bool:
        """Step over blanks and a comma; whether the bracket came, which is stepped over, too."""
        self._skip(_BLANK)
        if self._text.startswith(",", self._at):
            self._at += 1
            self._skip(_BLANK)
        if self._text.startswith(bracket, self._at):
            self._at += 1
            return True
        # Text that tomllib accepts never ends inside brackets; stop rather than loop if it does.
        return self._at >= len(self._text)

    def _skip(self, pattern: re.Pattern[str]) -> int:
        if found := pattern.match(self._text, self._at):
            self._at = found.end()
        return self._at

    def _line(self) -> int:
        """Line of the present place; counted onwards from the last time, as places only grow."""
        at, line = self._counted
        line += self._text.count("\n", at, self._at)
        self._counted = (self._at, line)
        return line
