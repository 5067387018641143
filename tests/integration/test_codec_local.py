"""The stage `codec` on this machine: PyAV's libraries and Debian's ffmpeg, which must agree to the bit."""

import json
import os
import shutil
from dataclasses import replace

import pytest

from npubench.benchmarks.codec import ffmpeg, pyav
from npubench.benchmarks.codec.benchmark import CodecBenchmark, _media
from npubench.benchmarks.codec.cases import CASES, RECIPES
from npubench.benchmarks.codec.media import MediaFile
from npubench.boards.local import LocalSession
from npubench.catalog import find_board, load
from npubench.domain.records import Failure, FailureClass, Figures, Skip, Stage
from npubench.tools import process
from tests.integration.codec_cases import QUICK, measured
from tests.integration.test_cli_run import npubench, rows

FRAMES = {
    "h264-1080p": "c86de242a6cb5d25b938481342a3961cf0e66a80ee9fed72c0a55a84cc99a1ce",
    "nv12-1080p": "9a3e5de1b65082aabd4e126ce7530d3e5a45346e090b6f3aad03323cb3a3c8bb",
}
"""SHA-256 of the frames, whichever x264 of the last years made the stream (164 and 165 were tried)."""

needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="no ffmpeg: apt-get install ffmpeg")


@pytest.fixture(scope="session")
def streams(tmp_path_factory):
    return tmp_path_factory.mktemp("codec")


@pytest.fixture
def local(streams, monkeypatch):
    monkeypatch.setenv("NPUBENCH_CACHE", str(streams))
    return find_board(load(()), "local")


def test_a_run_makes_its_streams_measures_every_case_and_does_nothing_again(local, tmp_path):
    catalog = tmp_path / "catalog" / "boards"
    catalog.mkdir(parents=True)
    quick = "".join(f"{name} = {value}\n" for name, value in QUICK.items())
    lacks = "".join(f'"{glob}" = "too slow here"\n' for glob in ("decode-h265-*", "*-4k", "encode-h265-*"))
    (catalog / "local.toml").write_text(
        f"[benchmark_options.codec]\n{quick}[benchmark_options.codec.lacks]\n{lacks}"
    )
    out = tmp_path / "out"
    words = ("run", "--board", "local", "--stages", "codec", "--out", out, "--catalog", catalog.parent)
    first = npubench(*words)
    assert first.returncode == 0, first.stderr
    assert "[12/12] " in first.stderr
    found = {row["case"]: row for row in rows(out)}
    assert set(found) == {case.name for case in CASES}
    for row in found.values():
        if "h265" in row["case"] or "4k" in row["case"]:
            assert (row["status"], row["failure"]["class"]) == ("failed", "unsupported_codec")
            assert "too slow here" in row["failure"]["message"]
            continue
        assert (row["status"], row["kind"], row["case_kind"]) == ("ok", "measured", "codec"), row
        assert row["throughput_fps"] > 0
        assert row["details"]["frames_sha256"]
        assert row["board_before"]["kernel"]
    again = npubench(*words)
    assert "12 done before" in again.stderr
    page = (out / "report.html").read_text()
    assert "Codecs" in page
    assert "Streams decoded at once" in page


@pytest.mark.parametrize(
    "name",
    ["h264-1080p", *(pytest.param(name, marks=pytest.mark.slow) for name in ("nv12-1080p", "jpeg-1080p"))],
)
def test_a_recipe_gives_the_same_bytes_again(local, tmp_path, name):
    first = _media(RECIPES[name], 300, tmp_path / "log", lambda text: None)
    assert isinstance(first, MediaFile)
    again = pyav.make(RECIPES[name], tmp_path / "again", 300, tmp_path / "log")
    assert again == first.made
    assert (tmp_path / "again").read_bytes() == first.path.read_bytes()
    assert first.made.frames_sha256 == FRAMES.get(name, first.made.frames_sha256)


@needs_ffmpeg
@pytest.mark.parametrize("name", [pytest.param("h264-1080p", marks=pytest.mark.slow), "nv12-1080p"])
def test_ffmpeg_makes_the_same_pictures_as_pyav(tmp_path, name):
    made = ffmpeg.make(RECIPES[name], tmp_path / "made", 300, tmp_path / "log")
    assert not isinstance(made, Failure)
    assert (made.frames, made.frames_sha256) == (RECIPES[name].frames, FRAMES[name])


@pytest.mark.parametrize("engine", ["pyav", pytest.param("ffmpeg", marks=needs_ffmpeg)])
@pytest.mark.parametrize(
    "name", ["decode-h264-1080p", "decode-jpeg-1080p", "nv12-to-bgr-1080p", "letterbox-640", "crop-roi-224"]
)
def test_both_engines_give_the_frames_that_are_known(local, tmp_path, name, engine):
    found = measured(name, local, LocalSession(), tmp_path, engine=engine)
    assert isinstance(found, Figures), found
    told = found.codec
    assert told.frames_sha256 == told.frames_sha256_expected is not None
    assert told.frames > 0
    assert found.throughput_fps == pytest.approx(told.frames / told.seconds)
    assert 0 < told.cpu_cores < os.cpu_count() + 1
    assert (found.latency_us is not None) == (engine == "pyav")
    assert (told.streams is not None) == (name == "decode-h264-1080p")


@pytest.mark.parametrize("engine", ["pyav", pytest.param("ffmpeg", marks=needs_ffmpeg)])
@pytest.mark.parametrize("codec", ["h264", "jpeg"])
def test_what_was_encoded_is_decoded_and_compared_with_its_source(local, tmp_path, codec, engine):
    found = measured(f"encode-{codec}-1080p", local, LocalSession(), tmp_path, engine=engine)
    assert isinstance(found, Figures), found
    assert found.codec.frames_checked == 8
    assert found.codec.psnr_db > 35


def test_the_pipeline_tells_its_steps(local, tmp_path):
    found = measured("decode-to-model-1080p", local, LocalSession(), tmp_path)
    assert isinstance(found, Figures), found
    details, mean_us = found.details, found.latency_us.mean
    steps = details["decode_us"] + details["preprocess_us"] + details["model_us"]
    assert steps == pytest.approx(mean_us, rel=0.2)
    assert details["model"] == "convnet6"


@needs_ffmpeg
def test_ffmpeg_runs_no_model(local, tmp_path):
    assert isinstance(
        measured("decode-to-model-1080p", local, LocalSession(), tmp_path, engine="ffmpeg"), Skip
    )


def test_a_damaged_stream_is_a_failure_of_its_checksum(local, tmp_path):
    found = _media(RECIPES["h264-1080p"], 300, tmp_path / "log", lambda text: None)
    assert isinstance(found, MediaFile)
    content = bytearray(found.path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    folder = tmp_path / "damaged"
    shutil.copytree(found.path.parent, folder)
    path = folder / found.path.name
    path.write_bytes(content)
    facts = json.loads((folder / "facts.json").read_text())
    from npubench.storage.hashing import sha256_of_file

    (folder / "facts.json").write_text(json.dumps({**facts, "sha256": sha256_of_file(path)}))
    board = replace(local, benchmark_options={"codec": QUICK})
    spec = next(s for s in CodecBenchmark().cases(board, {}) if s.name == "decode-h264-1080p")
    failure = CodecBenchmark().measure(spec, {"input": path}, LocalSession(), 120, tmp_path / "log")
    assert isinstance(failure, Failure)
    assert failure.failure_class is FailureClass.OUTPUT_MISMATCH


@needs_ffmpeg
@pytest.mark.parametrize("hardware", ["v4l2m2m", "rkmpp"])
@pytest.mark.parametrize("name", ["decode-h264-1080p", "encode-h264-1080p"])
def test_a_decoder_that_is_not_there_is_a_failure_with_its_class(local, tmp_path, hardware, name):
    board = replace(local, benchmark_options={"codec": {"hardware": hardware}})
    failure = measured(name, board, LocalSession(), tmp_path, engine="ffmpeg")
    assert isinstance(failure, Failure)
    assert (failure.stage, failure.failure_class) == (Stage.MEASURE, FailureClass.UNSUPPORTED_CODEC)


def test_a_program_that_is_not_there_is_missing(local, tmp_path):
    board = replace(local, benchmark_options={"codec": {"program": "/no/ffmpeg"}})
    failure = measured("decode-h264-1080p", board, LocalSession(), tmp_path, engine="ffmpeg")
    assert isinstance(failure, Failure)
    assert failure.failure_class is FailureClass.TOOL_MISSING


def test_a_case_that_takes_too_long_is_ended(local, tmp_path):
    _media(RECIPES["h264-1080p"], 300, tmp_path / "log", lambda text: None)
    board = replace(local, benchmark_options={"codec": {"least_s": 50.0, "most_s": 60.0}})
    benchmark = CodecBenchmark()
    spec = next(s for s in benchmark.cases(board, {"engine": "pyav"}) if s.name == "decode-h264-1080p")
    files = benchmark.prepare(spec, board, 300, tmp_path / "log", lambda text: None)
    failure = benchmark.measure(spec, files, LocalSession(), 1.5, tmp_path / "log")
    assert isinstance(failure, Failure)
    assert failure.failure_class is FailureClass.HANG


def test_without_pyav_and_ffmpeg_the_row_says_how_to_get_one(local, tmp_path, monkeypatch):
    monkeypatch.setattr("npubench.benchmarks.codec.benchmark._version", lambda package: None)
    monkeypatch.setenv("PATH", "/nowhere")
    failure = measured("decode-h264-1080p", local, LocalSession(), tmp_path)
    assert isinstance(failure, Failure)
    assert failure.failure_class is FailureClass.TOOL_MISSING
    assert "pip install 'npubench[codec]'" in failure.message


@pytest.fixture(autouse=True)
def _processes():
    yield
    process.reset()
