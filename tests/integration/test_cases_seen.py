"""Inputs that gave a wrong number or said nothing, each by its own command, with the right value.

The models are in tests/data/seen; images and samples are made anew, of the same kind. `test_data_cases` tries
more of what users' data look like.
"""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from npubench.cli import main
from npubench.domain.records import FailureClass, NoAccuracy, SamplesFrom, Status
from npubench.storage.store import Store

SEEN = Path(__file__).parent.parent / "data" / "seen"
QUICK = ("--min-duration", "0", "--rounds", "1", "--warmup", "0", "--repeat", "1")
INT8 = ("--board", "local", "--precision", "int8")


@pytest.fixture
def ran(tmp_path, capsys):
    """`npubench run` of a model seen: its rows, its exit code and its last line."""

    def run(name, *words):
        code = main(["run", str(SEEN / name), *QUICK, *map(str, words), "--out", str(tmp_path / "out")])
        captured = capsys.readouterr()
        told = captured.out.splitlines() or captured.err.splitlines()
        return list(Store.read(tmp_path / "out" / "results.db").latest()), code, told[-1]

    return run


@pytest.fixture
def scored(tmp_path, capsys):
    """`npubench accuracy` of a model seen: the top-1 of FP32 and INT8 in per cent, and all that was told."""

    def run(name, data, samples=15):
        words = ("--dataset", str(data), "--calibration-samples", str(samples))
        assert main(["accuracy", str(SEEN / name), *words, "--out", str(tmp_path / "out")]) == 0
        found = json.loads((tmp_path / "out" / "accuracy.json").read_text())
        return [100 * one["top1"]["value"] for one in found], capsys.readouterr().out

    return run


def saved(folder, names, image, count=20):
    """`count` images a class, by the class's number."""
    for number, name in enumerate(names):
        (folder / name).mkdir(parents=True)
        for index in range(count):
            image(number).save(folder / name / f"{index:02}.png")
    return folder


def colour(number):
    pixels = np.random.default_rng(number).integers(0, 120, (16, 16, 3), dtype=np.uint8)
    pixels[..., number] += 100
    return Image.fromarray(pixels)


@pytest.fixture(scope="module")
def rgb(tmp_path_factory):
    return saved(tmp_path_factory.mktemp("rgb"), "012", colour)


def test_boxes_scores_tells_the_dead_scores(ran):
    (row,), code, last = ran("boxes_scores.onnx", *INT8)
    accuracy = row.figures.accuracy
    assert (code, row.status) == (0, Status.OK)
    assert accuracy.cosine > 0.9999
    assert (accuracy.worst_slice.axis, accuracy.worst_slice.cosine, accuracy.dead_slices) == (1, 0, 10)
    assert last.endswith("low accuracy: boxes_scores [int8] on local worst slice 0.00000")


@pytest.mark.toolchains
@pytest.mark.parametrize(
    "board", [("rk3588", "--simulate"), ("ethos-u65-512", "--simulate"), ("openvino-cpu",)]
)
def test_boxes_scores_elsewhere_tells_its_worst_slice(ran, board):
    (row,), code, last = ran("boxes_scores.onnx", "--board", *board, "--precision", "int8")
    accuracy = (row.figures or row.estimate).accuracy
    assert (code, row.status) == (0, Status.OK)
    # What a version of a tool makes of the scores may change; that it is told may not.
    assert accuracy.worst_slice is not None
    assert ("low accuracy" in last) is (accuracy.worst_slice.cosine < 0.9)
    assert (accuracy.dead_slices > 0) <= (accuracy.worst_slice.cosine < 0.9)


def test_inf_mask_of_zeros_alone_is_the_lowest_accuracy(ran):
    (row,), _, last = ran("inf_mask.onnx", *INT8)
    assert (row.figures.no_accuracy, row.figures.accuracy.cosine) == (NoAccuracy.ALL_ZEROS, None)
    assert last.endswith("low accuracy: inf_mask [int8] on local all zeros")


def test_uint8_nhwc_gets_all_of_an_image_s_range(ran):
    (row,), _, _ = ran("uint8_nhwc.onnx", *INT8)
    assert row.data.inputs["img"] == "uint8 0..255 (all that uint8 holds)"
    assert row.figures.accuracy.cosine > 0.999


@pytest.mark.parametrize("name", ["color_u8.onnx", "color_4d.onnx", "color_b2.onnx"])
def test_colours_are_right_whatever_the_model_s_form(scored, rgb, name):
    found, told = scored(name, rgb)
    assert found == [100, 100]
    assert "15 samples calibrate, 45 are evaluated on" in told


def test_hidden_folders_are_no_classes(scored, tmp_path):
    folder = saved(tmp_path / "data", ("red", "s_green"), colour)
    saved(folder, (".ipynb_checkpoints",), colour, count=1)
    found, told = scored("color.onnx", folder)
    assert found == [100, 100]
    assert "classes (samples): 0 red (20), 1 s_green (20)" in told
    assert "left out, hidden: 1 (.ipynb_checkpoints)" in told


def test_grey_of_16_bits_is_scaled_by_16_bits(scored, tmp_path):
    def grey(number):
        level = (6500, 33000, 59400)[number]
        noise = np.random.default_rng(number).integers(-6000, 6000, (16, 16))
        return Image.fromarray((level + noise).astype(np.uint16))

    assert scored("bright.onnx", saved(tmp_path / "gray16", "012", grey))[0] == [100, 100]


def test_four_channels_of_images_with_three_are_one_line(rgb, tmp_path, capsys):
    words = ["accuracy", str(SEEN / "color_rgba.onnx"), "--dataset", str(rgb), "--out", str(tmp_path / "out")]
    assert main([*words, "--calibration-samples", "15"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "has colours and no alpha, the model wants 4 channels" in line


def test_single_samples_are_grouped_into_a_fixed_batch(ran, tmp_path):
    np.save(tmp_path / "cal.npy", np.random.default_rng(0).standard_normal((8, 3, 16, 16), np.float32))
    (row,), code, _ = ran("batch2.onnx", *INT8, "--calibration", tmp_path / "cal.npy")
    assert (code, row.data.calibrated, row.data.evaluated) == (0, 6, 2)
    assert row.figures.accuracy.cosine > 0.99


def test_nan_in_a_data_set_is_refused(tmp_path, capsys):
    inputs = np.random.default_rng(0).random((40, 3, 16, 16), np.float32)
    inputs[25, 1, 2, 3] = np.nan
    np.savez(tmp_path / "nan.npz", inputs=inputs, labels=np.arange(40) % 3)
    words = ["accuracy", str(SEEN / "color.onnx"), "--dataset", str(tmp_path / "nan.npz")]
    assert main([*words, "--calibration-samples", "10", "--out", str(tmp_path / "out")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "sample 26 of 'x' holds NaN" in line


def test_nan_in_calibration_is_refused(ran, tmp_path):
    data = np.random.default_rng(0).standard_normal((8, 3, 16, 16), np.float32)
    data[3] = np.nan
    np.save(tmp_path / "cal.npy", data)
    (row,), code, _ = ran("img3.onnx", *INT8, "--calibration", tmp_path / "cal.npy")
    assert (code, row.failure.failure_class) == (2, FailureClass.INVALID_CALIBRATION)
    assert "sample 4 of 'x' holds NaN" in row.failure.message


def test_what_calibrates_is_not_what_evaluates(ran, tmp_path):
    np.save(tmp_path / "cal.npy", np.random.default_rng(0).standard_normal((8, 3, 16, 16), np.float32) / 50)
    (row,), _, _ = ran("img3.onnx", *INT8, "--calibration", tmp_path / "cal.npy")
    assert (row.data.calibrated, row.data.evaluated, row.data.held_out) == (6, 2, True)
    assert row.figures.accuracy.samples == 2


@pytest.mark.toolchains
def test_a_constant_output_that_rknn_drops_is_named(ran):
    (row,), code, _ = ran("const_out.onnx", "--simulate", "--board", "rk3588")
    assert (code, row.failure.failure_class) == (3, FailureClass.OUTPUT_MISMATCH)
    assert "the output a (float32 10x4) is missing" in row.failure.message


@pytest.mark.toolchains
def test_an_output_that_onnx2tf_fuses_away_is_named(tmp_path):
    weight = numpy_helper.from_array(np.random.default_rng(0).standard_normal((8, 3, 3, 3), np.float32), "w")
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 16, 16])
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 8, 14, 14]) for name in "cy"]
    nodes = [helper.make_node("Conv", ["x", "w"], ["c"]), helper.make_node("Relu", ["c"], ["y"])]
    graph = helper.make_graph(nodes, "g", [x], outputs, [weight])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, tmp_path / "both.onnx")
    words = ["run", str(tmp_path / "both.onnx"), "--simulate", "--board", "ethos-u65-512", *QUICK]
    assert main([*words, "--precision", "int8", "--out", str(tmp_path / "out")]) == 3
    (row,) = Store.read(tmp_path / "out" / "results.db").latest()
    assert row.failure.failure_class is FailureClass.OUTPUT_MISMATCH
    assert "the output c (float32 1x8x14x14) is missing" in row.failure.message


def test_a_convolution_in_bfloat16_fails_by_onnx_runtime_s_own_words(ran):
    rows, code, _ = ran("bf16.onnx", "--board", "local")
    assert (code, len(rows)) == (2, 2)
    for row in rows:
        assert row.failure.failure_class is FailureClass.UNSUPPORTED_OPERATOR
        assert row.failure.message.startswith("Could not find an implementation for Conv")


def test_duplicate_node_names_run(ran):
    rows, code, _ = ran("same_names.onnx", "--board", "local")
    assert (code, [row.status for row in rows]) == (0, [Status.OK, Status.OK])
    assert [row.figures.accuracy.cosine > 0.999 for row in rows if row.figures.accuracy] == [True]


def test_a_sequence_with_time_first_is_one_sample_a_call(ran):
    (row,), _, _ = ran("time_major.onnx", "--board", "local", "--precision", "fp32")
    sampling, figures = row.figures.sampling, row.figures
    assert (sampling.samples_per_call, sampling.source) == (1, SamplesFrom.ONE_A_CALL)
    assert figures.throughput_fps == pytest.approx(1e6 / figures.latency_us.mean)
