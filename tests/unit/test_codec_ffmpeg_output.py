"""What ffmpeg prints: golden output of a real one, and anything else."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npubench.benchmarks.codec.engine import EndedError, Pass, failure_of, rounds
from npubench.benchmarks.codec.ffmpeg import FfmpegOutput, parse_ffmpeg
from npubench.benchmarks.codec.settings import Settings
from npubench.domain.records import Completed, FailureClass

DATA = Path(__file__).parents[1] / "data" / "codec"
SHA256 = "c86de242a6cb5d25b938481342a3961cf0e66a80ee9fed72c0a55a84cc99a1ce"


def completed(text: str, code: int = 1) -> Completed:
    return Completed(("ffmpeg",), code, text, 1.0)


def test_a_checked_pass_tells_frames_hash_and_version():
    found = parse_ffmpeg((DATA / "ffmpeg-decode-checked.txt").read_text())
    assert found == FfmpegOutput(50, 3.758, pytest.approx(0.673), SHA256, "5.1.9-0+deb12u1")


def test_a_timed_pass_tells_the_time_of_the_transcoding_loop():
    found = parse_ffmpeg((DATA / "ffmpeg-decode-timed.txt").read_text())
    assert found.frames == 100
    assert found.sha256 is None
    assert found.seconds
    assert found.cpu_s
    assert found.cpu_s <= found.seconds


def test_fps_zero_at_the_end_of_a_short_run_is_not_believed():
    text = "frame=0\nfps=0.00\nprogress=continue\nframe=50\nfps=0.00\nprogress=end\nbench: utime=0.1s stime=0.0s rtime=0.2s\n"
    assert (parse_ffmpeg(text).frames, parse_ffmpeg(text).seconds) == (50, 0.2)


def test_frames_of_a_run_that_did_not_end_do_not_count():
    assert parse_ffmpeg("frame=10\nprogress=continue\nframe=20\n").frames is None


def test_of_two_runs_in_one_text_the_last_counts():
    one = "frame=8\nprogress=end\n"
    assert parse_ffmpeg(one + one.replace("8", "7")).frames == 7


@given(st.text())
def test_no_text_is_too_odd(text):
    parse_ffmpeg(text)


@given(
    st.integers(0, 10**9),
    st.integers(0, 10**6),
    st.integers(0, 10**6),
    st.integers(0, 10**6),
    st.text("0123456789abcdef", min_size=64, max_size=64),
)
def test_what_was_printed_is_what_is_read(frames, user, system, real, sha256):
    text = (
        f"noise\rframe= {frames}\nfps=1.0\nprogress=end\nSHA256={sha256}\n"
        f"bench: utime={user / 1000:.3f}s stime={system / 1000:.3f}s rtime={real / 1000:.3f}s\n"
    )
    found = parse_ffmpeg(text)
    assert (found.frames, found.sha256) == (frames, sha256)
    assert found.seconds == pytest.approx(real / 1000)
    assert found.cpu_s == pytest.approx((user + system) / 1000)


def test_a_round_without_time_makes_no_figure():
    settings = Settings("ffmpeg")
    found = rounds(settings, "ffmpeg", lambda n: Pass(50 * n, 0.1 * n, 0.09 * n), 50)
    assert (found.fps, found.cpu_cores) == (pytest.approx(500), pytest.approx(0.9))
    assert sum(found.seconds) == pytest.approx(2 * settings.least_s)
    assert found.frames_expected == sum(found.frames)
    for lame in (Pass(50, None), Pass(None, 1.0), Pass(0, 1.0)):
        with pytest.raises(EndedError, match="neither frames nor time"):
            rounds(settings, "ffmpeg", lambda n, lame=lame: lame, 50)


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("ffmpeg-no-decoder", "h264_rkmpp"),
        ("ffmpeg-no-device", "valid device"),
        ("ffmpeg-no-encoder-device", "valid device"),
        ("gstreamer-no-element", "mppvideodec"),
    ],
)
def test_a_codec_that_is_not_there_has_a_class_of_its_own(name, word):
    failure = failure_of("ffmpeg", completed((DATA / f"{name}.txt").read_text()))
    assert failure is not None
    assert failure.failure_class is FailureClass.UNSUPPORTED_CODEC
    assert word in failure.message
    assert "\n" not in failure.message


def test_other_ends_keep_their_own_classes():
    assert failure_of("ffmpeg", completed("", 0)) is None
    for text, code, wanted in (
        ("env: 'ffmpeg': No such file or directory\n", 127, FailureClass.TOOL_MISSING),
        ("av_malloc: Cannot allocate memory\n", 1, FailureClass.OUT_OF_MEMORY),
        ("Killed\n", 137, FailureClass.KILLED),
        ("", -11, FailureClass.CRASH),
        ("Invalid data found when processing input\n", 1, FailureClass.TOOL_ERROR),
    ):
        failure = failure_of("ffmpeg", completed(text, code))
        assert failure is not None
        assert failure.failure_class is wanted, text
    hung = Completed(("ffmpeg",), -9, "Unknown decoder 'x'", 60.0, timed_out=True)
    failure = failure_of("ffmpeg", hung)
    assert failure is not None
    assert failure.failure_class is FailureClass.HANG
