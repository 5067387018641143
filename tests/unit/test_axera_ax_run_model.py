import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npubench.backends.axera.ax_run_model import AxRunModel, parse_ax_run_model
from npubench.records import Failure, FailureClass

GOLDEN = (Path(__file__).parents[1] / "data" / "axera" / "ax_run_model.txt").read_text()
LINES = GOLDEN.splitlines(keepends=True)


def never_wrong(text):
    call = parse_ax_run_model(text)
    if isinstance(call, Failure):
        assert call.failure_class is FailureClass.UNPARSED_OUTPUT
        assert call.detail == text
        return
    assert (call.min_us, call.mean_us, call.max_us) == (719.0, 721.0, 726.0)
    assert call.repeat in (1, 10)
    assert call.warmup in (None, 3)
    assert call.cmm_bytes in (None, 4428624)


def test_everything_that_is_printed_is_read():
    call = parse_ax_run_model(GOLDEN)
    assert isinstance(call, AxRunModel)
    assert (call.min_us, call.mean_us, call.max_us) == (719.0, 721.0, 726.0)
    assert (call.repeat, call.warmup, call.cmm_bytes) == (10, 3, 4428624)
    assert call.texts["type"] == "NPU1"
    assert call.texts["pulsar2_version"] == "1.2-patch2 7e6b2b5f"


def test_head_lines_may_come_in_any_order_and_indent():
    lines = [line.strip() + "\n" for line in LINES]
    lines[5], lines[6] = lines[6], lines[5]
    assert parse_ax_run_model("".join(lines)) == parse_ax_run_model(GOLDEN)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("avg =   0.721 ms", "avg =   0.921 ms"),
        ("min =   0.719 ms", "min =   0.000 ms"),
        ("avg =   0.721 ms", "avg =   0.7"),
        ("repeat: 10\n", "repeat: 1\n0\n"),
        ("repeat: 10\n", "repeat: x10\n"),
        ("min =", "mn ="),
    ],
)
def test_doubtful_output_is_no_measurement(old, new):
    assert old in GOLDEN
    assert isinstance(parse_ax_run_model(GOLDEN.replace(old, new)), Failure)


@given(st.integers(0, len(GOLDEN)))
def test_any_cut(end):
    never_wrong(GOLDEN[:end])


@given(st.integers(0, 2**32))
def test_any_order_of_lines(seed):
    shuffled = LINES.copy()
    random.Random(seed).shuffle(shuffled)
    never_wrong("".join(shuffled))


@given(st.lists(st.sampled_from(LINES), max_size=40))
def test_any_repetition_and_omission_of_lines(lines):
    never_wrong("".join(lines))


@given(st.integers(0, len(GOLDEN) - 1), st.text(st.characters(exclude_categories=["Nd"]), max_size=5))
def test_any_garbage_in_place_of_a_character(at, garbage):
    never_wrong(GOLDEN[:at] + garbage + GOLDEN[at + 1 :] if garbage else GOLDEN[:at])


@given(st.text())
def test_any_text_is_a_failure(text):
    assert isinstance(parse_ax_run_model(text), Failure)
