"""Notes: a code with its numbers in rows, words where they are shown, and sentences of earlier rows read back."""

import re

import pytest

from npubench.domain.notes import Note, NoteCode, note_of
from npubench.domain.records import DataSource, DataUse
from npubench.reporting.data.rows import row_of
from npubench.reporting.data.translate import recorded, use_language
from npubench.storage.details import upgraded
from npubench.storage.json import decode, encode
from tests.sample_results import result

VALUES = {
    **dict.fromkeys(("spread", "share"), 0.107),
    **dict.fromkeys(("count", "cores", "all"), 12),
    **{
        "rise_c": 14.0,
        "before": "ondemand",
        "after": "powersave",
        "name": "powersave",
        "kind": "measured",
        "fastest": 2,
        "counted": 7,
    },
    "cases": "a, b",
    **dict.fromkeys(("text", "case", "output", "tool", "what"), "net"),
}
SPREAD = {"spread": 0.107}
FIELD = re.compile(r"\{(\w+)")


def note(code):
    return Note(code, {name: VALUES[name] for name in FIELD.findall(code.text)})


def test_every_code_has_its_words():
    assert all(code.text for code in NoteCode)
    assert len({code.text for code in NoteCode}) == len(NoteCode)


@pytest.mark.parametrize("code", NoteCode)
def test_a_row_keeps_the_code_and_prints_the_words(code):
    told = note(code)
    row = result(warnings=(told, "what a tool said"))
    assert upgraded(decode(type(row), encode(row))).warnings == (told, "what a tool said")
    assert row_of(row)["warnings"] == [str(told), "what a tool said"]
    assert note_of(str(told)).code is code
    assert str(note_of(str(told))) == str(told)


@pytest.mark.parametrize(
    ("sentence", "read"),
    [
        (
            "every round was slower than the one before: warm up longer: round medians lie 10.7% apart",
            Note(NoteCode.SLOWER, SPREAD),
        ),
        (
            "rounds differ: close other programs, fix the clock: round medians lie 10.7% apart",
            Note(NoteCode.ROUNDS_DIFFER, SPREAD),
        ),
        (
            "repeats lie 10.7% apart: close other programs, fix the clock",
            Note(NoteCode.REPEATS_DIFFER, SPREAD),
        ),
        (
            "8 other tasks were running on 2 cores before: close other programs",
            Note(NoteCode.BUSY, {"count": 8, "cores": 2}),
        ),
        (
            "clocks changed by -30% while measuring: fix the clock",
            Note(NoteCode.CLOCKS_CHANGED, {"share": -0.3}),
        ),
        (
            "pulsar " + "simulates nothing" + ": run it on a board, without --simulate",
            Note(NoteCode.NO_SIMULATOR, {"name": "pulsar"}),
        ),
        ("4 requests ran at once: the latency is under that load", None),
        ("", None),
    ],
)
def test_sentences_of_earlier_rows_are_notes(sentence, read):
    found = upgraded(result(warnings=(sentence,))).warnings[0]
    if read is None:
        assert found == sentence
    else:
        assert (found.code, set(found.values)) == (read.code, set(read.values))
        assert all(
            found.values[name] == (value if isinstance(value, str) else pytest.approx(value))
            for name, value in read.values.items()
        )


def test_they_are_worded_in_the_language_of_now():
    with use_language("zh"):
        assert recorded(note(NoteCode.SLOWER)) == "每轮都比前一轮慢：请延长预热；各轮中位数相差 10.7%"
        assert recorded("repeats lie 3.1% apart: close other programs, fix the clock").startswith(
            "重复测量相差 3.1%"
        )
        assert "实测" in recorded(note(NoteCode.EQUAL_FIGURES))


def test_a_note_on_the_data_is_a_text_for_programs():
    told = DataUse(DataSource.FILES, 8, 8, False, note=Note(NoteCode.NOTHING_HELD_OUT))
    assert row_of(result(data=told))["data"]["note"].startswith("too few samples")
