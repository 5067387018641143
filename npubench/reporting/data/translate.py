"""The page's words in English and Chinese: the English text is the key of `reports/zh.toml`."""

import contextlib
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from contextvars import ContextVar
from functools import cache
from typing import Any

from npubench.domain.notes import Note, note_of
from npubench.storage.files import data_root

LANGUAGES = ("en", "zh")
_language: ContextVar[str] = ContextVar("language", default="en")


@contextlib.contextmanager
def use_language(language: str) -> Iterator[None]:
    """Everything said inside is said in `language`, one of LANGUAGES."""
    token = _language.set(language)
    try:
        yield
    finally:
        _language.reset(token)


def language() -> str:
    """The language that is spoken now."""
    return _language.get()


def translate(text: str, /, **values: Any) -> str:
    """`text` in the language of now, its {names} filled in. What has no translation stays as it is."""
    spoken = _language.get()
    if spoken == "en" and not values:
        return text
    found = text if spoken == "en" else catalogue(spoken).get(text, text)
    return found.format(**values) if values else found


def listed(names: Iterable[str]) -> str:
    """Names one after another, as the language of now lists them."""
    return translate("{one}, {other}", one="", other="").join(names)


def translate_count(count: int, one: str, many: str) -> str:
    """`one` or `many` with {count} filled in; `many` is the key of the translation."""
    return translate(one if count == 1 and _language.get() == "en" else many, count=count)


@cache
def catalogue(language: str) -> Mapping[str, str]:
    """English to `language`, as the shipped file has it."""
    text = (data_root() / "reports" / f"{language}.toml").read_text(encoding="utf-8")
    return {key: str(value) for key, value in tomllib.loads(text).items()}


def recorded(text: Note | str) -> str:
    """A note, or the sentence of earlier rows for one, in the language of now; else the text as it is."""
    note = note_of(text) if isinstance(text, str) else text
    if language() == "en":
        return str(note)
    if isinstance(note, str):
        return translate(note)
    # Of what a note fills in a kind alone is a word.
    values = {name: translate(str(one)) if name == "kind" else one for name, one in note.values.items()}
    return translate(note.code.text, **values)
