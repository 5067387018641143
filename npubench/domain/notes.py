"""Notes of a row: what makes its figures less sure, or why there are none. A code with its numbers, worded
where it is shown."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache, lru_cache


class NoteCode(StrEnum):
    """What a note says; `TEXTS` has the words."""

    CLOCK_FELL = "clock_fell"
    SLOWER = "slower"
    FASTER = "faster"
    ROUNDS_DIFFER = "rounds_differ"
    REPEATS_DIFFER = "repeats_differ"
    RESTARTED = "restarted"
    GOVERNOR_CHANGED = "governor_changed"
    GOVERNOR = "governor"
    CLOCKS_CHANGED = "clocks_changed"
    HOTTER = "hotter"
    BUSY = "busy"
    LOW_MEMORY = "low_memory"
    LOWER_BOUND = "lower_bound"
    LOWER_BOUND_OF_LAYERS = "lower_bound_of_layers"
    NOTHING_HELD_OUT = "nothing_held_out"
    EQUAL_SAMPLES = "equal_samples"
    EQUAL_FIGURES = "equal_figures"
    NO_DATE = "no_date"
    NO_SIMULATOR = "no_simulator"
    NO_PROFILE_SECTION = "no_profile_section"
    NO_TIME_IN_TABLE = "no_time_in_table"
    NO_COMMAND = "no_command"
    IS_REFERENCE = "is_reference"
    NOT_PUBLISHED = "not_published"
    NOT_SAID = "not_said"
    NOTHING_COMPARED = "nothing_compared"
    ONLY_DIFFERENCE = "only_difference"
    SOME_SCORES = "some_scores"
    SOME_ALL_ZEROS = "some_all_zeros"
    ALL_ZEROS = "all_zeros"
    CONSTANT = "constant"
    ZEROS_IN_FP32 = "zeros_in_fp32"
    NO_OUTPUTS_WITHOUT_BOARD = "no_outputs_without_board"
    NO_OUTPUTS = "no_outputs"
    SIMULATED_EXECUTION = "simulated_execution"
    NO_REFERENCE = "no_reference"


_SPREAD = "round medians differ by {spread:.1%}"
TEXTS: Mapping[NoteCode, str] = {
    NoteCode.CLOCK_FELL: f"the clock fell and every round was slower: cool the board: {_SPREAD}",
    NoteCode.SLOWER: f"every round was slower than the one before: warm up longer: {_SPREAD}",
    NoteCode.FASTER: f"every round was faster than the one before: warm up longer: {_SPREAD}",
    NoteCode.ROUNDS_DIFFER: f"rounds differ: close other programs, fix the clock: {_SPREAD}",
    NoteCode.REPEATS_DIFFER: "repeats differ by {spread:.1%}: close other programs, fix the clock",
    NoteCode.RESTARTED: "the board restarted while it measured: measure again",
    NoteCode.GOVERNOR_CHANGED: "the governor changed from {before} to {after}: fix it",
    NoteCode.GOVERNOR: "the governor is {name}: set it to performance for steady clocks",
    NoteCode.CLOCKS_CHANGED: "clocks changed by {share:+.0%} while measuring: fix the clock",
    NoteCode.HOTTER: "the board got {rise_c:.0f} C hotter: let it cool, or use a fan",
    NoteCode.BUSY: "{count:d} other tasks were running on {cores:d} cores before: close other programs",
    NoteCode.LOW_MEMORY: "only {share:.0%} of the memory was free: close other programs",
    NoteCode.LOWER_BOUND: "the time is a lower bound: layers are not counted",
    NoteCode.LOWER_BOUND_OF_LAYERS: "the time is a lower bound: {count:d} of {all:d} layers are not counted",
    NoteCode.NOTHING_HELD_OUT: (
        "too few samples to hold any out: outputs were compared on what calibrated: give more"
    ),
    NoteCode.EQUAL_SAMPLES: "{count:d} samples equal to one that calibrates left out",
    NoteCode.EQUAL_FIGURES: (
        "its {kind} figures equal those of {cases} to the last digit: look at the original logs"
    ),
    NoteCode.NO_DATE: "the log tells no date: started_at is the file's",
    NoteCode.NO_SIMULATOR: "{name} has no simulator: run it on a board, without --simulate",
    NoteCode.NO_PROFILE_SECTION: "the log has no profile section",
    NoteCode.NO_TIME_IN_TABLE: "the table gives no time: {text}",
    NoteCode.NO_COMMAND: "no command is declared for {case}: see docs/codec.md",
    NoteCode.IS_REFERENCE: "FP32 is what the others are compared with",
    NoteCode.NOT_PUBLISHED: "no accuracy was published with it",
    NoteCode.NOT_SAID: "the row does not say why there is no accuracy",
    NoteCode.NOTHING_COMPARED: "nothing was compared",
    NoteCode.ONLY_DIFFERENCE: "only the greatest difference is known",
    NoteCode.SOME_SCORES: "there are scores of some outputs only",
    NoteCode.SOME_ALL_ZEROS: "an output is all zeros where FP32's is not",
    NoteCode.ALL_ZEROS: "{output} is all zeros where FP32's is not",
    NoteCode.CONSTANT: "{output} is constant where FP32's is not",
    NoteCode.ZEROS_IN_FP32: "{output} is all zeros in FP32",
    NoteCode.NO_OUTPUTS_WITHOUT_BOARD: "the tool gives no outputs without a board",
    NoteCode.NO_OUTPUTS: "{tool} gives no outputs",
    NoteCode.SIMULATED_EXECUTION: "the simulated execution was {what}",
    NoteCode.NO_REFERENCE: "ONNX Runtime gives no reference: {text}",
}
"""The words, and the keys of their translations; {names} stand for the values, shares in 0..1."""

_EARLIER = {
    "round medians differ by": "round medians lie",
    "repeats differ by": "repeats lie",
    "has no simulator": "simulates nothing",
}
"""Phrases of today to those that rows of earlier versions have."""

_FIELD = re.compile(r"\\\{(\w+)(?::([^}]*))?\\\}")


@dataclass(frozen=True, slots=True)
class Note:
    """A note; its text is English."""

    code: NoteCode  # what it says
    values: Mapping[str, str | int | float] = field(default_factory=dict)  # what its words fill in

    def __hash__(self) -> int:
        return hash((self.code, str(self)))

    def __str__(self) -> str:
        return TEXTS[self.code].format(**self.values)


@lru_cache(4096)
def note_of(text: str) -> Note | str:
    """The note that rows of earlier versions had as this sentence; what else was said stays a text."""
    for code, pattern, formats in _patterns():
        if found := pattern.fullmatch(text):
            return Note(code, {name: _value(one, formats[name]) for name, one in found.groupdict().items()})
    return text


def _value(text: str, form: str) -> str | int | float:
    if form.endswith("%"):
        return float(text.rstrip("%")) / 100
    return int(text) if form == "d" else float(text) if form.endswith("f") else text


@cache
def _patterns() -> tuple[tuple[NoteCode, re.Pattern[str], Mapping[str, str]], ...]:
    return tuple(
        (code, re.compile(_pattern(form), re.DOTALL), _formats(form))
        for code, template in TEXTS.items()
        for form in (template, _earlier(template))
    )


def _earlier(template: str) -> str:
    for now, then in _EARLIER.items():
        if now in template:
            return template.replace(now, then).replace("{spread:.1%}", "{spread:.1%} apart")
    return template


def _formats(template: str) -> Mapping[str, str]:
    return {name: form.replace("\\", "") for name, form in _FIELD.findall(re.escape(template))}


def _pattern(template: str) -> str:
    numbers = {"%": r"[+-]?[0-9.]+%", "d": "[0-9]+", "f": "-?[0-9.]+"}
    escaped = re.escape(template)
    return _FIELD.sub(lambda one: f"(?P<{one[1]}>{numbers.get((one[2] or ' ')[-1], '.+?')})", escaped)
