"""Notes of a row: what makes its figures less sure, or why there are none. A code with its numbers, worded
where it is shown."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache, lru_cache
from typing import Self

_SPREAD = "round medians differ by {spread:.1%}"


class NoteCode(StrEnum):
    """What a note says, and its words: the keys of translations; {names} stand for values, shares in 0..1."""

    text: str

    def __new__(cls, value: str, text: str) -> Self:
        """A member by its value alone; the words are an attribute."""
        code = str.__new__(cls, value)
        code._value_ = value
        code.text = text
        return code

    CLOCK_FELL = "clock_fell", f"the clock fell and every round was slower: cool the board: {_SPREAD}"
    SLOWER = "slower", f"every round was slower than the one before: warm up longer: {_SPREAD}"
    FASTER = "faster", f"every round was faster than the one before: warm up longer: {_SPREAD}"
    ROUNDS_DIFFER = "rounds_differ", f"rounds differ: close other programs, fix the clock: {_SPREAD}"
    REPEATS_DIFFER = "repeats_differ", "repeats differ by {spread:.1%}: close other programs, fix the clock"
    RESTARTED = "restarted", "the board restarted while it measured: measure again"
    GOVERNOR_CHANGED = "governor_changed", "the governor changed from {before} to {after}: fix it"
    GOVERNOR = "governor", "the governor is {name}: set it to performance for steady clocks"
    CLOCKS_CHANGED = "clocks_changed", "clocks changed by {share:+.0%} while measuring: fix the clock"
    HOTTER = "hotter", "the board got {rise_c:.0f} C hotter: let it cool, or use a fan"
    BUSY = "busy", "{count:d} other tasks were running on {cores:d} cores before: close other programs"
    INTERRUPTED = (
        "interrupted",
        "other programs interrupted {share:.0%} of the runs, which are not counted: close them",
    )
    CROWDED = (
        "crowded",
        "other programs wanted {share:.0%} of its processors: close them, measure again",
    )
    LOW_MEMORY = "low_memory", "only {share:.0%} of the memory was free: close other programs"
    LOWER_BOUND = "lower_bound", "the time is a lower bound: layers are not counted"
    LOWER_BOUND_OF_LAYERS = (
        "lower_bound_of_layers",
        "the time is a lower bound: {count:d} of {all:d} layers are not counted",
    )
    NOTHING_HELD_OUT = (
        "nothing_held_out",
        "too few samples to hold any out: outputs were compared on what calibrated: give more",
    )
    EQUAL_SAMPLES = "equal_samples", "{count:d} samples equal to one that calibrates left out"
    EQUAL_FIGURES = (
        "equal_figures",
        "its {kind} figures equal those of {cases} to the last digit: look at the original logs",
    )
    NO_DATE = "no_date", "the log tells no date: started_at is the file's"
    NO_SIMULATOR = "no_simulator", "{name} has no simulator: run it on a board, without --simulate"
    NO_PROFILE_SECTION = "no_profile_section", "the log has no profile section"
    NO_TIME_IN_TABLE = "no_time_in_table", "the table gives no time: {text}"
    NO_MODEL_RUN = "no_model_run", "{tool} runs no model: the engines pyav and command have this case"
    NO_MEASUREMENT = "no_measurement", "the log holds no measurement"
    NO_COMMAND = "no_command", "no command is declared for {case}: see docs/codec.md"
    IS_REFERENCE = "is_reference", "FP32 is what the others are compared with"
    NOT_PUBLISHED = "not_published", "no accuracy was published with it"
    NOT_SAID = "not_said", "the row does not say why there is no accuracy"
    NOTHING_COMPARED = "nothing_compared", "nothing was compared"
    ONLY_DIFFERENCE = "only_difference", "only the greatest difference is known"
    SOME_SCORES = "some_scores", "there are scores of some outputs only"
    SOME_ALL_ZEROS = "some_all_zeros", "an output is all zeros where FP32's is not"
    ALL_ZEROS = "all_zeros", "{output} is all zeros where FP32's is not"
    CONSTANT = "constant", "{output} is constant where FP32's is not"
    ZEROS_IN_FP32 = "zeros_in_fp32", "{output} is all zeros in FP32"
    NO_OUTPUTS_WITHOUT_BOARD = "no_outputs_without_board", "the tool gives no outputs without a board"
    NO_OUTPUTS = "no_outputs", "{tool} gives no outputs"
    SIMULATED_EXECUTION = "simulated_execution", "the simulated execution was {what}"
    FASTEST_OF_PROFILER = (
        "fastest_of_profiler",
        "mean of the fastest {fastest:d} of {counted:d} runs of its profiler, for each layer and in all,"
        " apart from the measured ones",
    )
    NO_REFERENCE = "no_reference", "ONNX Runtime gives no reference: {text}"


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
        return self.code.text.format(**self.values)


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
        for code in NoteCode
        for form in (code.text, _earlier(code.text))
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
