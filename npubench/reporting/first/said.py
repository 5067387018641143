"""Sentences of the first screen: a key of the translations, with names that somebody else wrote."""

from collections.abc import Mapping
from dataclasses import dataclass

from markupsafe import Markup

from npubench.domain.text import visible
from npubench.reporting.data.translate import translate
from npubench.reporting.first.sentences import Sentence


@dataclass(frozen=True, slots=True)
class Said:
    """An English text, what its {names} stand for, and the part of the page that tells more."""

    text: Sentence  # the key of the translation
    values: Mapping[str, str]  # what its names stand for, as recorded
    target: str = ""  # id of a part of the page; empty where there is none
    level: str = ""  # good, warn or bad; empty of a plain statement

    def __str__(self) -> str:
        return translate(self.text, **self.values) if self.values else translate(self.text)

    @property
    def html(self) -> Markup:
        """The same for a page: what is filled in is escaped, and keeps its direction to itself."""
        filled = {name: Markup("<bdi>{}</bdi>").format(visible(text)) for name, text in self.values.items()}
        # The template is npubench's own, what is filled in is escaped above.
        return Markup(translate(self.text, **filled) if filled else translate(self.text))


def said(
    text: Sentence, values: Mapping[str, object] | None = None, target: str = "", level: str = ""
) -> Said:
    """One of them; numbers are filled in as they are."""
    return Said(text, {name: str(value) for name, value in (values or {}).items()}, target, level)
