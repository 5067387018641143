"""Sentences that npubench itself wrote into rows, in the language of the page; what tools said stays."""

import re
from functools import cache

from npubench.reporting.data.translate import language, say

TEMPLATES = (
    "{reason}: round medians lie {share} apart",
    "the clock fell and every round was slower: cool the board",
    "every round was slower than the one before: warm up longer",
    "every round was faster than the one before: warm up longer",
    "rounds differ: close other programs, fix the clock",
    "repeats lie {share} apart: close other programs, fix the clock",
    "the board restarted while it measured: measure again",
    "the governor changed from {before} to {after}: fix it",
    "the governor is {name}: set it to performance for steady clocks",
    "clocks changed by {share} while measuring: fix the clock",
    "the board got {rise} C hotter: let it cool, or use a fan",
    "{count} other tasks were running on {cores} cores before: close other programs",
    "only {share} of the memory was free: close other programs",
    "too few samples to hold any out: outputs were compared on what calibrated: give more",
    "{count} samples equal to one that calibrates left out",
    "its {kind} figures equal those of {cases} to the last digit: look at the original logs",
    "the time is a lower bound: layers are not counted",
    "the time is a lower bound: {count} of {all} layers are not counted",
    "the log tells no date: started_at is the file's",
    "the log has no profile section",
    "{name} has no simulator: run it on a board, without --simulate",
    "{name} simulates nothing: run it on a board, without --simulate",
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
"""As `verdict`, the engine, backends and importers write them; {names} stand for what they fill in."""

_SAID = frozenset({"reason", "kind"})
"""Names that stand for words in turn, not for data."""


def recorded(text: str) -> str:
    """`text` in the language of now where npubench wrote it, otherwise as it is."""
    if language() == "en":
        return text
    for template, pattern in _patterns():
        if found := pattern.fullmatch(text):
            values = {
                name: recorded(value) if name in _SAID else value for name, value in found.groupdict().items()
            }
            return say(template, **values)
    return say(text)


@cache
def _patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    return tuple((template, re.compile(_pattern(template), re.DOTALL)) for template in TEMPLATES)


def _pattern(template: str) -> str:
    return re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>.+?)", re.escape(template))
