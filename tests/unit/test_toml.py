import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npubench.domain.errors import UsageError
from npubench.storage.json import Table, Text
from npubench.storage.toml import checked, key_lines, last_statement_line

TEXT = '''# a comment with [brackets] and a = "string"
codebase = "x"

[defaults]
mean = [
    1.0, # one
    2.0,
]
"quoted.key" = 1
a.b.c = 'literal # no comment'

[[model]]
name = """
three
lines"""
table = { x = 1, y = [ { z = 2 } ] }

[[model]]
name = \'\'\'two " '
lines\'\'\'

[model.deep]
k = 2021-01-01T00:00:00

[[model.inner]]
x = 1
[[model.inner]]
y = """"quoted""\\""""" # end
z = -1e3
'''


def test_every_key_has_its_line():
    lines = key_lines(TEXT)
    assert {path: line for path, line in lines.items() if len(path) > 1 or path == ("codebase",)} == {
        ("codebase",): 2,
        ("defaults", "mean"): 5,
        ("defaults", "mean", 0): 6,
        ("defaults", "mean", 1): 7,
        ("defaults", "quoted.key"): 9,
        ("defaults", "a"): 10,
        ("defaults", "a", "b"): 10,
        ("defaults", "a", "b", "c"): 10,
        ("model", 0): 12,
        ("model", 0, "name"): 13,
        ("model", 0, "table"): 16,
        ("model", 0, "table", "x"): 16,
        ("model", 0, "table", "y"): 16,
        ("model", 0, "table", "y", 0): 16,
        ("model", 0, "table", "y", 0, "z"): 16,
        ("model", 1): 18,
        ("model", 1, "name"): 19,
        ("model", 1, "deep"): 22,
        ("model", 1, "deep", "k"): 23,
        ("model", 1, "inner"): 25,
        ("model", 1, "inner", 0): 25,
        ("model", 1, "inner", 0, "x"): 26,
        ("model", 1, "inner", 1): 27,
        ("model", 1, "inner", 1, "y"): 28,
        ("model", 1, "inner", 1, "z"): 29,
    }
    assert lines["defaults",] == 4
    assert lines["model",] == 12
    assert _paths(tomllib.loads(TEXT)) == set(lines)


def test_windows_line_ends_count_once():
    assert key_lines(TEXT.replace("\n", "\r\n")) == key_lines(TEXT)


@pytest.mark.parametrize(("text", "line"), [("a = 1\n\nb = [\n1\n]", 3), ("a = 1\n[b]\n# c", 2), ("", 1)])
def test_last_statement(text, line):
    assert last_statement_line(text) == line


KEYS = st.text(alphabet="abcXYZ019_-", min_size=1, max_size=6) | st.text(max_size=6)
VALUES = st.recursive(
    st.integers(-(2**62), 2**62) | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=12,
)


@given(
    st.dictionaries(KEYS, VALUES, max_size=4), st.lists(st.dictionaries(KEYS, VALUES, max_size=3), max_size=3)
)
def test_agrees_with_tomllib_on_what_is_there_and_with_the_writer_on_where(top, elements):
    rows, expected = [], {}
    top.pop("elements", None)
    for key, value in top.items():
        rows += ["# x = [", f"{_key(key)} = {_toml(value)}"]
        expected[(key,)] = len(rows)
    for index, element in enumerate(elements):
        rows += ["", "[[elements]]"]
        expected["elements", index] = len(rows)
        for key, value in element.items():
            rows.append(f"  {_key(key)}={_toml(value)}")
            expected["elements", index, key] = len(rows)
    text = "\n".join(rows)
    lines = key_lines(text)
    assert set(lines) == _paths(tomllib.loads(text))
    assert {path: lines[path] for path in expected} == expected


def _paths(value, path=()):
    found = {path} if path else set()
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        found |= _paths(inner, (*path, key))
    return found


def _key(key):
    return key if key and all(c in "abcXYZ019_-" for c in key) else _quoted(key)


def _quoted(text):
    plain = "".join(c if c.isprintable() and c not in '"\\' else f"\\U{ord(c):08x}" for c in text)
    return f'"{plain}"'


def _toml(value):
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_key(k)} = {_toml(v)}" for k, v in value.items()) + "}"
    return repr(value)


class Named(Table, frozen=True):
    name: Text
    sizes: tuple[int, ...] = ()


def test_a_file_that_is_one_table_is_told_as_a_whole_in_one_line():
    assert checked(Path("a.toml"), b'name = "x"\nsizes = [1]', Named) == Named("x", (1,))
    with pytest.raises(UsageError) as raised:
        checked(Path("a.toml"), b'nam = "\\u001b"\n\nsizes = [\n  1,\n  "2",\n]\n', Named)
    assert str(raised.value) == (
        "a.toml:1: key 'name': is missing: add it; line 1: key 'nam': unknown key (did you mean 'name'?): the keys "
        "are name, sizes; line 5: key 'sizes[1]': must be a whole number, not '2'"
    )
    with pytest.raises(UsageError, match=r"a\.toml:2: is not TOML"):
        checked(Path("a.toml"), b"a = 1\nb", Named)
