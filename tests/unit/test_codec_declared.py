"""Declared commands: patterns over sample output, and everything that can be wrong with a declaration."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npubench.benchmarks.codec.settings import command_line, problem_of, rates, said, settings, spread
from npubench.catalog import find_board, load

DATA = Path(__file__).parents[1] / "data" / "codec" / "axera"
TABLE = {"argv": ["/opt/x", "{input}"], "frames": r"decoded=([0-9]+)", "fps": r"fps=([0-9.]+)"}


@pytest.fixture(scope="module")
def axera():
    return settings(find_board(load(()), "axera-pi"), {}, "ffmpeg")


def test_vdec_counts_each_second_and_the_edges_do_not_count(axera):
    found = said(axera.command_for("decode-h264-1080p"), (DATA / "vdec.txt").read_text())
    assert (found.frames, found.fps) == (800, 62.0)
    assert found.rates == (62.0, 63.0, 62.0, 62.0, 62.0, 62.0)
    assert spread(found.rates) == {
        "rate_mean": pytest.approx(62.17, abs=0.01),
        "rate_p5": 62.0,
        "rate_min": 62.0,
    }


def test_a_payload_that_vdec_does_not_take_is_told(axera):
    found = said(axera.command_for("decode-h264-1080p"), (DATA / "vdec-h265.txt").read_text())
    assert found.unsupported == "not support payload type 265"


@pytest.mark.parametrize(
    ("case", "sample", "fps"), [("encode-h264-1080p", "venc", 30.1), ("letterbox-640", "ivps", 118.4)]
)
def test_venc_and_ivps(axera, case, sample, fps):
    found = said(axera.command_for(case), (DATA / f"{sample}.txt").read_text())
    assert (found.frames, found.fps, found.unsupported) == (8, fps, None)


def test_what_the_ax620a_lacks_says_where_that_is_from(axera):
    assert "H.264 alone" in axera.why_lacking("decode-h265-1080p")
    assert "1080p60" in axera.why_lacking("decode-h264-4k")
    assert axera.why_lacking("decode-h264-1080p") is None


@given(st.text())
def test_no_output_is_too_odd(text):
    found = said(
        {**TABLE, "counter": r"n=([0-9]+)", "unsupported": "no .*", "sha256": "([0-9a-f]{64})"}, text
    )
    assert found.frames is None or found.frames >= 0


@given(st.lists(st.integers(0, 10**6), max_size=30))
def test_the_last_number_counts(numbers):
    text = "".join(f"[x] decoded={number} fps={number}.5\n" for number in numbers)
    found = said(TABLE, text)
    assert found.frames == (numbers[-1] if numbers else None)
    assert found.fps == (numbers[-1] + 0.5 if numbers else None)


@given(st.lists(st.integers(0, 1000), min_size=8, max_size=40), st.sampled_from([0.5, 1.0, 2.0]))
def test_rates_are_steps_over_the_interval(steps, interval_s):
    counters = [float(sum(steps[:i])) for i in range(len(steps) + 1)]
    assert rates(counters, interval_s) == tuple(step / interval_s for step in steps[3:-3])


@given(st.text(), st.lists(st.text(), min_size=1, max_size=4))
def test_what_is_filled_in_is_never_filled_in_again_nor_split(value, words):
    values = dict.fromkeys(("input", "width", "height", "frames", "codec", "threads"), value)
    line = command_line({"argv": ["{input}", *words]}, values)
    assert line[0] == value
    assert len(line) == 1 + len(words)
    assert command_line({"argv": ["{other}"]}, values) == ["{other}"]


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"argv": []}, "argv"),
        ({"argv": "sample_vdec -i x"}, "argv"),
        ({"frames": "("}, "regular expression"),
        ({"frames": "decoded"}, "groups"),
        ({"fps": 3}, "text"),
        ({"loops": 0}, "loops"),
        ({"loops": True}, "loops"),
        ({"counter_s": -1}, "counter_s"),
        ({"parallel": "yes"}, "parallel"),
        ({"fsp": "x"}, "fsp"),
        ({"input": 3}, "input"),
    ],
)
def test_a_wrong_declaration_names_its_key(change, word):
    assert problem_of(TABLE) is None
    problem = problem_of({**TABLE, **change})
    assert problem is not None
    assert word in problem


def test_a_declaration_without_frames_cannot_be_checked():
    assert "frames" in (problem_of({"argv": ["x"]}) or "")
