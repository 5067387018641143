"""What is asked: friendly words for resolutions, codecs and models, and every mistake told at once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npubench.domain.errors import UsageError
from npubench.reporting.select.cameras import USUAL_FPS, Cameras, asked_by
from npubench.reporting.select.chip_facts import FactSheet, decode_told, memory_told
from npubench.reporting.select.requirements import frame_of, read_requirements

JOB = """\
title = "gate"
[[stream]]
count = 4
resolution = "1080p"
fps = 25
codec = "HEVC"
model = "yolov8s"
"""


def read(tmp_path, text):
    file = tmp_path / "job.toml"
    file.write_text(text)
    return read_requirements(file)


@pytest.mark.parametrize(
    ("text", "frame"),
    [
        ("1920x1080", (1920, 1080)),
        ("1920×1080", (1920, 1080)),
        ("1920 X 1080", (1920, 1080)),
        ("1080p", (1920, 1080)),
        ("1080P", (1920, 1080)),
        ("720p", (1280, 720)),
        ("4K", (3840, 2160)),
        ("8k", (7680, 4320)),
        ("vga", (640, 480)),
        ("640", (640, 640)),
    ],
)
def test_a_resolution_has_many_names(text, frame):
    assert frame_of(text) == frame


@given(st.integers(1, 99_999), st.integers(1, 99_999), st.sampled_from("xX×*"), st.sampled_from(["", " "]))
def test_width_and_height_are_read_back(wide, high, times, blank):
    assert frame_of(f"{wide}{blank}{times}{blank}{high}") == (wide, high)


@given(st.text(max_size=20))
def test_any_text_is_a_frame_or_a_key_error(text):
    try:
        wide, high = frame_of(text)
    except KeyError:
        return
    assert wide >= 0
    assert high >= 0


def test_a_job_without_a_title_is_called_as_its_file(tmp_path):
    assert read(tmp_path, JOB.replace('title = "gate"', "")).title == "job"
    assert read(tmp_path, JOB).title == "gate"


def test_a_job_in_six_lines(tmp_path):
    (stream,) = read(tmp_path, JOB).streams
    assert (stream.width, stream.height, stream.codec, stream.name) == (1920, 1080, "h265", "camera")
    (model,) = stream.models
    assert (model.names, model.rate, model.file, model.precision) == (("yolov8s",), 25, "", "")


def test_several_models_of_a_stream_by_name_and_by_table(tmp_path):
    names = (
        'model = ["yolov8s", { name = ["resnet18", "resnet-18"], rate = 2, input = 224, precision = "int8" }]'
    )
    (stream,) = read(tmp_path, JOB.replace('model = "yolov8s"', names)).streams
    first, second = stream.models
    assert (first.names, first.rate) == (("yolov8s",), 25)
    assert (second.names, second.rate, second.input_size) == (("resnet18", "resnet-18"), 2, (224, 224))
    assert second.precision == "int8"


def test_a_file_is_found_beside_the_requirements(tmp_path):
    (tmp_path / "my.onnx").touch()
    (stream,) = read(tmp_path, JOB.replace('"yolov8s"', '"my.onnx"')).streams
    assert stream.models[0].file == str(tmp_path / "my.onnx")
    (stream,) = read(tmp_path, JOB.replace('"yolov8s"', '"other.onnx"')).streams
    assert stream.models[0].file == str(tmp_path / "other.onnx")


def test_all_problems_are_told_at_once_with_the_nearest_key(tmp_path):
    broken = (
        JOB.replace("fps = 25", "fps = -5")
        .replace('"1080p"', '"big"')
        .replace('"HEVC"', '"h263"')
        .replace("count", "cuont")
        + '[limits]\npowr_w = 5\n[[chip]]\nsource = "s"\ndecode = "fast"\nmemory = "some"\n'
    )
    with pytest.raises(UsageError) as told:
        read(tmp_path, broken)
    for said in (
        "key 'stream[0].fps': must be above 0, not -5",
        "'big' is not a resolution: write it as 1920x1080, 720p, 1080p or 4K",
        "'h263' is not a codec: write h264 (or AVC)",
        "unknown key (did you mean 'count'?)",
        "unknown key (did you mean 'power_w'",
        "key 'chip[0]': names nothing: add 'board' or 'chip'",
        "key 'chip[0].decode': 'fast' is no decoder",
        "key 'chip[0].memory': 'some' is no memory",
    ):
        assert said in str(told.value)
    assert "\n" not in str(told.value)


def test_what_the_asker_knows_is_read_like_any_fact(tmp_path):
    text = '[[chip]]\nchip = "RK3576"\nsource = "a quote"\nprice_usd = 40\nprice_of = "board"\n'
    (known,) = read(tmp_path, JOB + text + 'decode = "H.264 4K60"\nmemory = "4 GB"\n').known
    assert (known.board, known.price_usd, known.price_of) == ("RK3576", 40, "board")
    sheet = FactSheet("RK3576", known.facts)
    assert decode_told(sheet, "h264").first.value == 3840 * 2160 * 60
    assert memory_told(sheet).first.value == 4 * 2**30
    assert "a quote" in memory_told(sheet).first.said


def test_words_of_a_command_line_are_requirements(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my.onnx").touch()
    words = Cameras(4, ("yolov8s", "resnet18@224", "my.onnx"), budget_usd=60, power_w=5, latency_ms=100)
    asked = asked_by(words)
    (stream,) = asked.streams
    assert (stream.count, stream.width, stream.fps, stream.codec) == (4, 1920, USUAL_FPS, "h264")
    assert [one.names for one in stream.models] == [("yolov8s",), ("resnet18",), ("my.onnx",)]
    assert [one.input_size for one in stream.models] == [None, (224, 224), None]
    assert [one.file for one in stream.models] == ["", "", "my.onnx"]
    assert {one.rate for one in stream.models} == {USUAL_FPS}
    assert (asked.limits.price_usd, asked.limits.power_w, asked.limits.latency_ms) == (60, 5, 100)
    assert [name for name, _ in asked.weights] == ["headroom", "price", "power"]
    assert asked.title == (
        "4 cameras (1920x1080, 25 frames/s, h264), each frame through yolov8s, resnet18@224, my.onnx"
    )


def test_all_that_is_wrong_with_the_words_is_told_at_once():
    with pytest.raises(UsageError) as told:
        asked_by(
            Cameras(
                0, ("yolov8s@big", "yolov5n@", " "), budget_usd=-1, fps=-5, resolution="1081p", codec="hevcc"
            )
        )
    for said in (
        "cameras must be above 0, not 0",
        "fps must be above 0, not -5",
        "budget must be above 0, not -1",
        "'yolov8s@big' is no model",
        "'yolov5n@' is no model",
        "'1081p' is not a resolution (did you mean '1080p'",
        "'hevcc' is not a codec (did you mean 'hevc'",
    ):
        assert said in str(told.value)
    with pytest.raises(UsageError, match=r"'1080' is not a resolution \(did you mean '1080p'"):
        asked_by(Cameras(1, ("yolov8s",), resolution="1080"))
    with pytest.raises(UsageError, match="cameras must be at most 10000, not 10001"):
        asked_by(Cameras(10_001, ("yolov8s",)))
    with pytest.raises(UsageError, match="name the models"):
        asked_by(Cameras(1, ()))
