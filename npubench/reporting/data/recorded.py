"""Sentences that npubench itself wrote into rows, in the language of the page; what tools said stays."""

import re
from functools import cache

from npubench.domain.notes import TEXTS, Note, note_of
from npubench.reporting.data.translate import language, say

TEMPLATES = (
    "the log has no profile section",
    "{name} has no simulator: run it on a board, without --simulate",
    "{name} has no simulator: run it on a board, without --simulate",
    "the table gives no time: {text}",
    "no command is declared for {case}: see docs/codec.md",
    "FP32 is what the others are compared with",
    "no accuracy was published with it",
    "the row does not say why there is no accuracy",
    "nothing was compared",
    "only the greatest difference is known",
    "there are scores of some outputs only",
    "an output is all zeros where FP32's is not",
    "{output} is all zeros where FP32's is not",
    "{output} is constant where FP32's is not",
    "{output} is all zeros in FP32",
    "the tool gives no outputs without a board",
    "{tool} gives no outputs",
    "the simulated execution was {what}",
    "ONNX Runtime gives no reference: {text}",
)
"""As the engine, backends and importers write reasons; {names} stand for what they fill in."""


def recorded(text: Note | str) -> str:
    """A note, or `text` that npubench wrote, in the language of now; what others said as it is."""
    if isinstance(text, str) and (note := note_of(text)):
        text = note
    if language() == "en":
        return str(text)
    if isinstance(text, Note):
        # Of what a note fills in a kind alone is a word.
        values = {name: say(str(one)) if name == "kind" else one for name, one in text.values.items()}
        return say(TEXTS[text.code], **values)
    for template, pattern in _patterns():
        if found := pattern.fullmatch(text):
            return say(template, **found.groupdict())
    return say(text)


@cache
def _patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    return tuple((template, re.compile(_pattern(template), re.DOTALL)) for template in TEMPLATES)


def _pattern(template: str) -> str:
    return re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>.+?)", re.escape(template))
