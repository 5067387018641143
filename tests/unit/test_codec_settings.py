"""Options of a board for the stage `codec`, and the cases that come of them."""

import json
from dataclasses import replace

import pytest

from npubench.benchmarks.codec.benchmark import CodecBenchmark
from npubench.benchmarks.codec.cases import CASES
from npubench.catalog import find_board, load
from npubench.domain.errors import UsageError
from npubench.domain.records import Failure, FailureClass, Skip, Stage
from tests.fakes import FakeSession, board


def on(table, **changes):
    return board(benchmark_options={"codec": table}, **changes)


@pytest.mark.parametrize(
    ("table", "word"),
    [
        ({"engin": "ffmpeg"}, "engin"),
        ({"engine": "vlc"}, "vlc"),
        ({"engine": 3}, "engine"),
        ({"threads": 0}, "threads"),
        ({"threads": True}, "threads"),
        ({"least_s": 0}, "least_s"),
        ({"least_s": 9.0}, "most_s"),
        ({"lacks": {"decode-av1": "no"}}, "decode-av1"),
        ({"lacks": {"decode-h265-*": 1}}, "lacks"),
        ({"command": {"decode-h264-4k": {"argv": ["x"]}}}, "frames"),
        ({"model": "/no/such.onnx"}, "such.onnx"),
    ],
)
def test_what_is_wrong_is_told_in_one_line_with_board_and_key(table, word):
    with pytest.raises(UsageError) as told:
        CodecBenchmark().cases(on(table), {})
    assert word in str(told.value)
    assert "board desk: benchmark_options.codec" in str(told.value)
    assert len(str(told.value).splitlines()) == 1


def test_every_mistake_is_told_at_once():
    with pytest.raises(UsageError, match=r"codec\.threads: must be at least 1.*codec\.engin: unknown key"):
        CodecBenchmark().cases(on({"engin": "ffmpeg", "threads": 0}), {})


def test_numbers_stay_as_they_are_written_and_with_them_the_keys_of_rows():
    spec = CodecBenchmark().cases(on({"least_s": 2}), {})[0]
    assert '"least_s": 2,' in json.dumps(spec.options)


def test_pyav_is_for_this_machine_alone():
    with pytest.raises(UsageError, match="runs on this machine only"):
        CodecBenchmark().cases(board(), {"engine": "pyav"})
    specs = CodecBenchmark().cases(board(shares_host=True), {"engine": "pyav"})
    assert {spec.tool for spec in specs} == {"pyav"}


def test_the_command_line_wins_and_a_board_behind_ssh_has_ffmpeg():
    assert {spec.tool for spec in CodecBenchmark().cases(board(), {"engine": None})} == {"ffmpeg"}
    specs = CodecBenchmark().cases(on({"engine": "gstreamer"}), {"engine": "ffmpeg"})
    assert {spec.tool for spec in specs} == {"ffmpeg"}


def test_every_board_has_the_same_cases_and_their_options_are_json():
    for name in ("local", "axera-pi", "axera-pi-pro"):
        specs = CodecBenchmark().cases(find_board(load(()), name), {})
        assert [spec.name for spec in specs] == [case.name for case in CASES]
        json.dumps([spec.options for spec in specs])


def test_a_codec_that_the_board_lacks_is_a_failure_before_anything_is_made(tmp_path):
    target = find_board(load(()), "axera-pi")
    specs = {spec.name: spec for spec in CodecBenchmark().cases(target, {})}
    log = tmp_path / "log"
    failure = CodecBenchmark().prepare(specs["decode-h265-1080p"], target, 60, log, pytest.fail)
    assert isinstance(failure, Failure)
    assert (failure.stage, failure.failure_class) == (Stage.MEASURE, FailureClass.UNSUPPORTED_CODEC)
    assert "deploee-benchmark" in failure.message


def test_another_commands_declaration_does_not_make_a_case_new():
    one = {"engine": "command", "command": {"letterbox-640": {"argv": ["a"], "frames": "(1)"}}}
    two = {"engine": "command", "command": {"letterbox-640": {"argv": ["b"], "frames": "(1)"}}}
    first, second = (
        {
            spec.name: spec
            for spec in CodecBenchmark().cases(replace(board(), benchmark_options={"codec": table}), {})
        }
        for table in (one, two)
    )
    assert first["letterbox-640"] != second["letterbox-640"]
    assert first["crop-roi-224"] == second["crop-roi-224"]


def test_nothing_is_made_for_a_case_without_a_command(tmp_path):
    target = on({"engine": "command"})
    spec = CodecBenchmark().cases(target, {})[0]
    files = CodecBenchmark().prepare(spec, target, 60, tmp_path / "log", pytest.fail)
    assert files == {}
    skip = CodecBenchmark().measure(spec, files, FakeSession(), 60, tmp_path / "log")
    assert isinstance(skip, Skip)
    assert "no command is declared for decode-h264-1080p" in str(skip.reason)


def test_another_content_of_the_users_model_makes_its_case_new(tmp_path):
    model = tmp_path / "my.onnx"
    model.write_bytes(b"one")
    specs = {spec.name: spec for spec in CodecBenchmark().cases(on({"model": str(model)}), {})}
    first = {name: CodecBenchmark().tools(spec) for name, spec in specs.items()}
    model.write_bytes(b"two")
    second = {name: CodecBenchmark().tools(spec) for name, spec in specs.items()}
    assert [name for name in specs if first[name] != second[name]] == ["decode-to-model-1080p"]
