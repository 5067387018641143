from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npubench.backends.isolated.single_times import Call
from npubench.backends.rknn.backend import RknnBackend, other_tensors
from npubench.backends.rknn.rknn_benchmark import bench_tool, core_mask, parse_rknn_benchmark, read_log
from npubench.domain.errors import UsageError
from npubench.domain.records import Failure, FailureClass
from npubench.domain.specs import CalibrationSpec, Precision, Target
from tests.fakes import model

GOLDEN = (Path(__file__).parents[1] / "data/board-tools/rknn_benchmark.txt").read_text()
HEADED = (Path(__file__).parents[1] / "data/board-tools/rknn_benchmark_head.txt").read_text()
LINES = GOLDEN.splitlines(keepends=True)
RUNS_US = (12340, 12330, 12360, 12340, 12320, 12350, 12340, 12330, 12350, 12340)


def never_wrong(text):
    call = parse_rknn_benchmark(text, len(RUNS_US))
    if isinstance(call, Failure):
        assert call.failure_class is FailureClass.UNPARSED_OUTPUT
        assert call.detail == text
        return
    assert call.samples_us == RUNS_US
    assert (call.details["mean_ms"], call.details["fps"]) == (12.34, 81.037)


def test_every_run_is_read_and_the_warm_up_is_not():
    call = parse_rknn_benchmark(GOLDEN, 10)
    assert isinstance(call, Call)
    assert call.samples_us == RUNS_US
    assert call.details == {"own_warmup_runs": 5, "mean_ms": 12.34, "fps": 81.037}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("   3: Elapse Time = 12.34ms, FPS = 81.04\n", ""),
        ("   3: Elapse Time = 12.34ms", "   3: Elapse Time = 12.34"),
        ("   3: Elapse Time = 12.34ms, FPS = 81.04", "   3: Elapse Time = 0.00ms, FPS = inf"),
        ("   3: Elapse Time = 12.34ms", "   3: Elapse Time = 2.34ms"),
        ("Begin perf ...\n", ""),
        ("Avg Time 12.34ms", "Avg Time 22.34ms"),
        ("Avg Time 12.34ms", "Avg Time 0.00ms"),
        ("Avg Time", "Average"),
        ("Avg Time 12.34ms, Avg FPS = 81.037\n", "Avg Time 12.34ms, Avg FPS = 81.037\n" * 2),
    ],
)
def test_doubtful_output_is_no_measurement(old, new):
    assert old in GOLDEN
    found = parse_rknn_benchmark(GOLDEN.replace(old, new), 10)
    assert isinstance(found, Failure)
    assert found.failure_class is FailureClass.UNPARSED_OUTPUT


def test_fewer_runs_than_were_asked_for_are_no_measurement():
    found = parse_rknn_benchmark(GOLDEN, 11)
    assert "11 runs were asked for, and 10 are listed" in found.message


def test_a_run_that_failed_is_a_failure_though_times_are_printed():
    found = parse_rknn_benchmark(GOLDEN + "rknn run error -1\n", 10)
    assert (found.failure_class, found.message) == (
        FailureClass.TOOL_ERROR,
        "rknn_benchmark: rknn run error -1",
    )


@given(st.integers(0, len(GOLDEN)))
def test_any_cut(end):
    never_wrong(GOLDEN[:end])


@given(st.randoms(use_true_random=False))
def test_any_order_of_lines(random):
    shuffled = LINES.copy()
    random.shuffle(shuffled)
    never_wrong("".join(shuffled))


@given(st.lists(st.sampled_from(LINES), max_size=40))
def test_any_repetition_and_omission_of_lines(lines):
    never_wrong("".join(lines))


@given(st.integers(0, len(GOLDEN) - 1), st.text(st.characters(exclude_categories=["Nd"]), max_size=5))
def test_any_garbage_in_place_of_a_character(at, garbage):
    never_wrong(GOLDEN[:at] + garbage + GOLDEN[at + 1 :] if garbage else GOLDEN[:at])


@given(st.text())
def test_any_text_is_a_failure(text):
    assert isinstance(parse_rknn_benchmark(text, 10), Failure)


def test_the_head_tells_memory_versions_and_tensors():
    call = parse_rknn_benchmark(HEADED, 10)
    assert call.samples_us == RUNS_US
    assert call.memory_bytes == 22917120
    assert call.tools == {"rknnrt": "2.1.0 (967d001cc8@2024-08-07T19:28:19)", "rknpu driver": "0.9.6"}
    assert (call.details["weight_bytes"], call.details["internal_bytes"]) == (7315840, 6144000)
    assert [one["name"] for one in call.details["outputs"]] == ["output", "283", "285"]
    assert call.details["outputs"][2]["shape"] == [1, 1001]
    assert call.details["inputs"][0] == {
        "name": "images",
        "shape": [1, 640, 640, 3],
        "kind": "NHWC INT8 AFFINE",
    }


def test_a_driver_version_of_several_words():
    call = parse_rknn_benchmark(HEADED.replace("driver version: 0.9.6", "driver version: 0.9.8 20240828"), 10)
    assert call.tools["rknpu driver"] == "0.9.8 20240828"


def test_memory_where_the_runtime_maps_none():
    none = HEADED.replace("total dma used size: 22917120", "total dma used size: 0")
    assert parse_rknn_benchmark(none, 10).memory_bytes == 7315840 + 6144000
    less = HEADED.replace("total dma used size: 22917120", "total dma used size: 22917")
    assert parse_rknn_benchmark(less, 10).memory_bytes is None
    assert parse_rknn_benchmark(GOLDEN, 10).memory_bytes is None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("total weight size: 7315840", "total weight size: -315840"),
        ("total weight size: 7315840", "total weight size: 73158x40"),
        ("total dma used size: 22917120", "total dma used size: 2291\n7120"),
        ("driver version: 0.9.6", ""),
        ("output num: 3", "output num: 2"),
        ("  index=1, name=283", "  index=2, name=283"),
        ("total dma used size: 22917120\n", "total dma used size: 22917120\ntotal dma used size: 1\n"),
    ],
)
def test_a_doubtful_head_is_no_measurement(old, new):
    assert old in HEADED
    found = parse_rknn_benchmark(HEADED.replace(old, new), 10)
    assert isinstance(found, Failure), found
    assert found.failure_class is FailureClass.UNPARSED_OUTPUT


@given(st.integers(0, len(HEADED)))
def test_a_cut_head_never_has_another_figure(end):
    call = parse_rknn_benchmark(HEADED[:end], 10)
    if not isinstance(call, Failure):
        assert (call.samples_us, call.memory_bytes) == (RUNS_US, 22917120)


@pytest.mark.parametrize(
    ("platform", "mask"), [("rk3588", 7), ("rk3588", 0), ("rk3576", 3), ("rk3562", 0), ("rk3568", None)]
)
def test_a_core_mask_that_the_chip_has(platform, mask):
    given = {} if mask is None else {"core_mask": mask}
    assert core_mask(given, platform) == mask
    last = [] if mask is None else [str(mask)]
    assert bench_tool(mask).argv("m.rknn", 20) == ["m.rknn", "", "20", *last]


@pytest.mark.parametrize(
    ("platform", "mask"), [("rk3588", 5), ("rk3576", 7), ("rk3562", 1), ("rk3588", "7"), ("rk3588", True)]
)
def test_a_core_mask_that_the_chip_has_not(platform, mask):
    with pytest.raises(UsageError, match=f"backend_options.core_mask of {platform} must be one of 0"):
        core_mask({"core_mask": mask}, platform)


def test_a_core_mask_is_checked_before_anything_is_converted(tmp_path):
    (tmp_path / "m.onnx").write_text("model")
    asked = Target("RK3588", Precision.INT8, {}, CalibrationSpec(), 10.0)
    backend = RknnBackend({"core_mask": 7})
    assert backend.job(model(tmp_path / "m.onnx"), asked)["core_mask"] == 7
    with pytest.raises(UsageError, match="core_mask"):
        RknnBackend({"core_mask": 5}).job(model(tmp_path / "m.onnx"), asked)


def test_another_models_tensors_are_told(tmp_path):
    (tmp_path / "m.onnx").write_text("model")
    ours = model(tmp_path / "m.onnx")
    tensors = {"inputs": [{"name": "x"}], "outputs": [{"name": "y-rs"}]}
    assert other_tensors([tensors], ours) is None
    assert other_tensors([{}], ours) is None
    assert "outputs 283, 285, not y" in other_tensors([{"outputs": [{"name": "283"}, {"name": "285"}]}], ours)
    assert "inputs images, not x" in other_tensors([{"inputs": [{"name": "images"}]}], ours)


def test_a_log_of_its_own():
    (case,) = read_log(f'# ./rknn_benchmark models/yolov5s.rknn "" 10 7\n{HEADED}')
    assert (case.name, case.figures.details["core_mask"]) == ("yolov5s", 7)
    assert case.figures.latency_us.n == 10
    assert case.figures.memory_bytes == 22917120
    (by_picture,) = read_log(f"# ./rknn_benchmark models/yolov5s.rknn ./bus.jpg\n{HEADED}")
    assert by_picture.name == "yolov5s"
    (fewer,) = read_log(f'# ./rknn_benchmark models/yolov5s.rknn "" 20\n{HEADED}')
    assert fewer.failure.failure_class is FailureClass.UNPARSED_OUTPUT
    assert read_log("a shopping list\n") == ()


@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=30))
def test_any_times_come_back_as_they_were_printed(hundredths):
    ms = [value / 100 for value in hundredths]
    mean = sum(ms) / len(ms)
    runs = [f"{i:4d}: Elapse Time = {t:.2f}ms, FPS = {1000 / t:.2f}\n" for i, t in enumerate(ms)]
    end = f"Avg Time {mean:.2f}ms, Avg FPS = {1000 / mean:.3f}\n"
    call = parse_rknn_benchmark("Warmup ...\nBegin perf ...\n" + "".join(runs) + end, len(ms))
    assert isinstance(call, Call)
    assert call.samples_us == tuple(value * 10 for value in hundredths)
