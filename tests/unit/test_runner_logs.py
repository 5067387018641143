"""Kept output of bmrt_test and benchmark_app: read through the same seam as AXera's logs, and cut anywhere."""

import json
from pathlib import Path

import pytest

from npubench.domain.protocols import LogReading
from npubench.domain.records import Failure, FailureClass
from npubench.domain.specs import BoardSpec, Precision
from npubench.engine import plugins
from npubench.tools.logs import read_file, read_folder, rows, tidy

DATA = Path(__file__).parents[1] / "data"
BENCH = (DATA / "board-tools" / "benchmark_app.txt").read_text()
BMRT = (DATA / "board-tools" / "bmrt_test.txt").read_text()
OLDER = (DATA / "board-tools" / "bmrt_test.older.txt").read_text()
RKNN = (DATA / "board-tools" / "rknn_benchmark.txt").read_text()
RUN_JOINT = (DATA / "axera" / "run_joint.txt").read_text()
READERS = {
    name: backend
    for name in plugins.names(plugins.BACKENDS)
    if isinstance(backend := plugins.backend(name), LogReading)
}
LOGS = {"openvino": BENCH, "tpu-mlir": BMRT, "rknn": RKNN, "pulsar": RUN_JOINT}


def one(backend, text):
    (case,) = READERS[backend].read_log(text)
    return case


@pytest.mark.parametrize("backend", READERS)
@pytest.mark.parametrize("log", LOGS)
def test_each_log_is_that_of_one_backend(backend, log):
    assert bool(READERS[backend].read_log(LOGS[log])) == (backend == log)


def test_benchmark_app_as_it_prints():
    figures = one("openvino", BENCH).figures
    assert figures.latency_us.n == 50
    assert (figures.latency_us.mean, figures.latency_us.min, figures.latency_us.max) == (71.36, 8.72, 3080.95)
    assert figures.latency_us.rounds_p50 == (8.96,)
    assert figures.throughput_fps == 12597.88
    assert figures.load_us == pytest.approx(406_610)
    assert figures.details["execution_devices"] == ["CPU"]


def test_units_are_those_of_each_line():
    text = BENCH.replace("8.96 us", "1.25 ms").replace("71.36 us", "2.5 ms").replace("3080.95 us", "1.5 s")
    latency = one("openvino", text).figures.latency_us
    assert (latency.rounds_p50, latency.mean, latency.max) == ((1250.0,), 2500.0, 1_500_000.0)


def test_requests_at_once_are_said():
    text = BENCH.replace(
        "Start inference synchronously,", "Start inference asynchronously, 4 inference requests,"
    )
    case = one("openvino", text)
    assert case.figures.details["requests"] == 4
    assert "4 requests ran at once" in case.warnings[0]


def test_an_error_of_benchmark_app_is_its_failure():
    cut = BENCH[: BENCH.index("[Step 7/11]")] + "[ ERROR ] Exception from plugin.cpp: no device NPU\n"
    failure = one("openvino", cut).failure
    assert (failure.failure_class, failure.message) == (
        FailureClass.TOOL_ERROR,
        "benchmark_app: Exception from plugin.cpp: no device NPU",
    )


def test_its_report_as_json_is_read_too():
    results = {
        **{"total number of iterations": "50", "latency (ms)": "0.5", "avg latency": "0.6"},
        **{"min latency": "0.4", "max latency": "0.9", "compile model time (ms)": "4"},
        **{"first inference time (ms)": "2", "throughput": "1600"},
    }
    assert one("openvino", json.dumps({"execution_results": results})).figures.latency_us.mean == 600
    assert one("openvino", json.dumps({"execution_results": {}})).failure is not None


def test_bmrt_test_by_its_closing_times_and_by_its_command():
    case = one("tpu-mlir", BMRT)
    assert (case.name, case.figures.latency_us.n) == ("resnet50-v2", 3)
    assert case.figures.samples_us == ((6996.0, 6990.0, 7003.0),)
    assert one("tpu-mlir", OLDER).figures.latency_us.mean == 6996
    command = "$ bmrt_test --bmodel /data/net_int8.bmodel --loopnum {}\n"
    assert one("tpu-mlir", command.format(3) + BMRT).name == "net_int8"
    assert one("tpu-mlir", command.format(5) + BMRT).failure.failure_class is FailureClass.UNPARSED_OUTPUT


def told(case):
    found = {}
    if case.figures is not None:
        latency = case.figures.latency_us
        found = {"n": latency.n, "mean": latency.mean, "max": latency.max, "fps": case.figures.throughput_fps}
    return found


@pytest.mark.parametrize("backend", LOGS)
def test_a_log_cut_at_any_character_gives_the_same_figures_or_none(backend):
    text = LOGS[backend]
    whole = told(one(backend, text))
    for at in range(len(text)):
        for case in READERS[backend].read_log(text[:at]):
            assert isinstance(case.failure, Failure) or case.figures is not None
            assert told(case) in ({}, whole)


@pytest.mark.parametrize("backend", LOGS)
@pytest.mark.parametrize("end", ["\r\n", "  \n", "\x1b[0m\n", "\r\r\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le"])
def test_line_ends_colours_and_encodings_change_nothing(backend, end, encoding, tmp_path):
    file = tmp_path / "net.log"
    file.write_bytes(LOGS[backend].replace("\n", end).encode(encoding))
    (case,) = read_file(file, backend, READERS[backend])
    assert told(case.told) == told(one(backend, LOGS[backend]))


def test_a_log_of_another_backend_is_named(tmp_path):
    (tmp_path / "good").write_text(RKNN)
    (tmp_path / "stray").write_text(RUN_JOINT)
    board = BoardSpec("rk", "RK", "RK3588", "ssh", "rknn", (Precision.FP32, Precision.INT8))
    cases, problems = read_folder(tmp_path, "rknn", READERS["rknn"], lambda: READERS)
    (row,) = rows(cases, board, "import-1")
    assert problems == [f"{tmp_path / 'stray'} is no log of rknn but of pulsar: give --board one of that"]
    assert (row.backend, row.case, row.precision) == ("rknn", "good", Precision.FP32)
    assert any("tells no precision" in str(warning) for warning in row.warnings)


def test_tidy_text_keeps_a_cut_last_line():
    assert tidy("a \t\r\nb\x1b[0m\n c \r\n\nd ") == "a\nb\n c\n\nd"
