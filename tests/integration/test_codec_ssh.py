"""The stage `codec` on a board behind a real OpenSSH server: ffmpeg, gst-launch-1.0 and a vendor's sample."""

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from npubench.boards.ssh.transport import SshTransport
from npubench.domain.records import Failure, FailureClass, Figures, Skip
from tests.integration.codec_cases import measured

VDEC = str(Path(__file__).parents[1] / "emulators" / "sample_vdec")
needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="no ffmpeg: apt-get install ffmpeg")


def has_elements(*names: str) -> bool:
    inspect = shutil.which("gst-inspect-1.0")
    return inspect is not None and all(
        subprocess.run([inspect, "--exists", name], check=False).returncode == 0 for name in names
    )


needs_gstreamer = pytest.mark.skipif(
    not has_elements("h264parse", "avdec_h264", "videoscale", "videocrop", "rawvideoparse"),
    reason="no GStreamer: apt-get install gstreamer1.0-tools gstreamer1.0-plugins-bad gstreamer1.0-libav",
)


@pytest.fixture(scope="session")
def streams(tmp_path_factory):
    return tmp_path_factory.mktemp("codec")


@pytest.fixture
def board(loopback_sshd, streams, monkeypatch):
    monkeypatch.setenv("NPUBENCH_CACHE", str(streams))
    return loopback_sshd.board()


@pytest.fixture
def session(board):
    session = SshTransport().connect(board)
    yield session
    session.close()


@needs_ffmpeg
@pytest.mark.parametrize("name", ["decode-h264-1080p", "encode-jpeg-1080p", "crop-roi-224"])
def test_ffmpeg(board, session, tmp_path, name):
    found = measured(name, board, session, tmp_path)
    assert isinstance(found, Figures), found
    assert found.throughput_fps > 0
    assert found.tools["ffmpeg"]
    assert found.codec.frames_sha256_expected in (None, found.codec.frames_sha256)


@needs_gstreamer
@pytest.mark.parametrize("name", ["decode-h264-1080p", "crop-roi-224"])
def test_gstreamer(board, session, tmp_path, name):
    found = measured(name, board, session, tmp_path, engine="gstreamer")
    assert isinstance(found, Figures), found
    assert found.throughput_fps > 0
    assert found.tools["gstreamer"]
    assert found.codec.cpu_cores > 0
    if name.startswith("decode"):
        assert found.codec.frames_sha256 == found.codec.frames_sha256_expected
        assert found.codec.streams is not None


@needs_gstreamer
def test_an_element_that_is_not_there_is_a_codec_that_the_board_lacks(board, session, tmp_path):
    lacking = replace(board, benchmark_options={"codec": {"hardware": "rkmpp"}})
    failure = measured("decode-h264-1080p", lacking, session, tmp_path, engine="gstreamer")
    assert isinstance(failure, Failure)
    assert failure.failure_class is FailureClass.UNSUPPORTED_CODEC
    assert "mppvideodec" in failure.message


def declared(board, **tables):
    return replace(board, benchmark_options={"codec": {"engine": "command", "command": tables}})


VDEC_TABLE = {
    "argv": [VDEC, "-i", "{input}"],
    "loops": 16,
    "counter": r"\bdecoded=([0-9]+)",
    "fps": r"\bfps=([0-9.]+)",
    "unsupported": "not support payload .*",
}


def test_a_declared_command_gives_the_frames_and_the_rate_that_it_tells(board, session, tmp_path):
    target = declared(board, **{"decode-h264-1080p": VDEC_TABLE})
    found = measured("decode-h264-1080p", target, session, tmp_path)
    assert isinstance(found, Figures), found
    assert found.throughput_fps == pytest.approx(62.0)
    assert found.codec.frames == 800
    assert found.details["rate_min"] == 62.0
    assert found.codec.program == "sample_vdec"
    assert found.latency_us is None


def test_several_at_once_are_searched_for_where_a_command_can_be_copied(board, session, tmp_path):
    target = declared(board, **{"decode-h264-1080p": {**VDEC_TABLE, "parallel": True}})
    found = measured("decode-h264-1080p", target, session, tmp_path)
    assert isinstance(found, Figures), found
    assert found.codec.streams >= 1


def test_a_codec_that_the_program_refuses_is_a_row_with_its_class(board, session, tmp_path):
    target = declared(board, **{"decode-h265-*": {**VDEC_TABLE, "loops": 1}})
    failure = measured("decode-h265-1080p", target, session, tmp_path)
    assert isinstance(failure, Failure)
    assert failure.failure_class is FailureClass.UNSUPPORTED_CODEC
    assert "payload type 265" in failure.message


def test_frames_that_are_missing_are_a_mismatch(board, session, tmp_path):
    target = declared(board, **{"decode-h264-1080p": {**VDEC_TABLE, "loops": 17}})
    failure = measured("decode-h264-1080p", target, session, tmp_path)
    assert isinstance(failure, Failure)
    assert failure.failure_class is FailureClass.OUTPUT_MISMATCH
    assert "800 of 850" in failure.message


def test_output_that_the_pattern_does_not_know_is_told(board, session, tmp_path):
    target = declared(board, **{"decode-h264-1080p": {"argv": ["echo", "hello"], "frames": "n=([0-9]+)"}})
    failure = measured("decode-h264-1080p", target, session, tmp_path)
    assert isinstance(failure, Failure)
    assert failure.failure_class is FailureClass.UNPARSED_OUTPUT


def test_a_program_that_is_not_there_and_a_case_without_one(board, session, tmp_path):
    target = declared(board, **{"decode-h264-1080p": {"argv": ["/no/vdec"], "frames": "n=([0-9]+)"}})
    failure = measured("decode-h264-1080p", target, session, tmp_path)
    assert isinstance(failure, Failure)
    assert failure.failure_class is FailureClass.TOOL_MISSING
    assert isinstance(measured("crop-roi-224", target, session, tmp_path), Skip)


def test_hostile_names_reach_no_shell(board, session, tmp_path):
    witness = tmp_path / "witness"
    word = f"$(touch {witness}); `touch {witness}`; touch {witness}"
    target = declared(board, **{"decode-h264-1080p": {"argv": ["echo", word], "frames": "n=([0-9]+)"}})
    measured("decode-h264-1080p", target, session, tmp_path)
    assert not witness.exists()
