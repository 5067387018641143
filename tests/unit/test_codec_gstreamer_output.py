"""What gst-launch-1.0 and our scripts on the board print."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npubench.benchmarks.codec.cases import CASES, Operation
from npubench.benchmarks.codec.engine import elapsed
from npubench.benchmarks.codec.gstreamer import (
    DECODERS,
    ENCODERS,
    frame_bytes,
    launch,
    parse_hashed,
    parse_run,
    parse_version,
)

DATA = Path(__file__).parents[1] / "data" / "codec"


def test_frames_at_the_sink_are_counted_and_the_preroll_is_not():
    found = parse_run((DATA / "gstreamer-decode.txt").read_text())
    assert (found.frames, found.seconds) == (5, 0.952069793)


def test_a_pipeline_that_did_not_run_has_no_time():
    found = parse_run((DATA / "gstreamer-no-element.txt").read_text())
    assert (found.frames, found.seconds) == (0, None)


@given(st.integers(0, 9), st.integers(0, 59), st.integers(0, 59), st.integers(0, 999_999_999))
def test_hours_and_minutes_count(hours, minutes, seconds, ns):
    text = f"Execution ended after {hours}:{minutes:02d}:{seconds:02d}.{ns:09d}\n"
    assert parse_run(text).seconds == pytest.approx(3600 * hours + 60 * minutes + seconds + ns / 1e9)


@given(st.text())
def test_no_text_is_too_odd(text):
    parse_run(text)
    parse_hashed(text)
    parse_version(text)
    elapsed(text)


def test_the_version_and_the_hash_are_lines_of_their_own():
    assert parse_version("gst-launch-1.0 version 1.22.0\nGStreamer 1.22.0\nhttps://x\n") == "1.22.0"
    assert parse_hashed(f"warn\nnpubench-frames 300 {'ab' * 32}\n") == (300, "ab" * 32)
    assert parse_hashed("npubench-frames 300 \n") is None


@pytest.mark.parametrize(
    "times",
    ["0m0.00s 0m0.01s\n1m2.50s 0m0.25s\n", "0m0.000000s 0m0.010000s\n1m2.500000s 0m0.250000s\n"],
    ids=["busybox", "dash"],
)
def test_the_boards_clock_and_its_childrens_processor_time_are_read(times):
    found = elapsed(f"noise\n{times}npubench-clock 100.25 170.75 2\n")
    assert found is not None
    assert (found.seconds, found.cpu_s, found.failed) == (70.5, 62.75, 2)


def test_a_script_that_was_cut_tells_nothing():
    assert elapsed("0m0.00s 0m0.01s\n1m2.50s 0m0.25s\n") is None
    assert elapsed("npubench-clock 10.0 9.0 0\n") is None
    alone = elapsed("npubench-clock 10.0 11.0 0\n")
    assert alone is not None
    assert alone.cpu_s is None


def test_every_family_has_an_element_for_every_codec_and_frames_have_a_size():
    for family in (*DECODERS.values(), *ENCODERS.values()):
        assert set(family) == {"h264", "h265", "jpeg"}
    for case in CASES:
        if case.operation is not Operation.PIPELINE:
            assert frame_bytes(case) > 0
            assert launch(case, "rkmpp", 1, "/x y;z", 3, exact=False)[2:4] == [
                "multifilesrc",
                "location=/x y;z",
            ]
