"""Whole commands on data that users have: images, calibration sets, other types; the right value of each."""

import json

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from npubench.cli import main, npubench
from npubench.storage.store import Store

QUICK = ("--min-duration", "0", "--rounds", "1", "--warmup", "0", "--repeat", "1", "--precision", "int8")


def write(path, inputs, nodes, outputs, opset=13, **weights):
    def values(described):
        return [helper.make_tensor_value_info(name, kind, shape) for name, (kind, shape) in described.items()]

    stored = [numpy_helper.from_array(np.asarray(array), name) for name, array in weights.items()]
    graph = helper.make_graph(
        [helper.make_node(op, i.split(), o.split(), **a) for op, i, o, a in nodes],
        "g", values(inputs), values(outputs), stored,
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    model.ir_version = 8
    onnx.save(model, path)
    return path


def colour_model(path, batch=1, flat=True, whole=False, channels=3):
    """The greatest channel of the mean colour is the class; `whole` takes uint8 in NHWC, scaled inside."""
    shape = [batch, 16, 16, 3] if whole else [batch, channels, 16, 16]
    head = [
        ("Cast", "x", "c", {"to": TensorProto.FLOAT}),
        ("Mul", "c", "m", {}),
        ("Transpose", "m", "n", {"perm": [0, 3, 1, 2]}),
    ]
    head[1] = ("Mul", "c k", "m", {})
    nodes = [
        *(head if whole else ()),
        ("Conv", "n w" if whole else "x w", "f", {}),
        ("GlobalAveragePool", "f", "p" if flat else "y", {}),
        *([("Flatten", "p", "y", {})] if flat else ()),
    ]
    weights = {"w": np.eye(3, channels, dtype=np.float32).reshape(3, channels, 1, 1)}
    kind = TensorProto.UINT8 if whole else TensorProto.FLOAT
    out = [batch, 3] if flat else [batch, 3, 1, 1]
    return write(
        path, {"x": (kind, shape)}, nodes, {"y": (TensorProto.FLOAT, out)},
        **weights, **({"k": np.float32(1 / 255)} if whole else {}),
    )  # fmt: skip


@pytest.fixture(scope="module")
def colours(tmp_path_factory):
    """Ten noisy images a class: red, green, blue."""
    folder, rng = tmp_path_factory.mktemp("rgb"), np.random.default_rng(0)
    for number, name in enumerate(("blue", "green", "red")):
        (folder / name).mkdir()
        for index in range(10):
            pixels = rng.integers(0, 90, (20, 18, 3), dtype=np.uint8)
            pixels[..., 2 - number] += 120
            Image.fromarray(pixels).save(folder / name / f"{index}.png")
    # The classes of the model are red, green, blue.
    (folder / "classes.txt").write_text("red\ngreen\nblue\n")
    return folder


def scores(tmp_path, *words):
    done = CliRunner().invoke(
        npubench, ["accuracy", *map(str, words), "--out", str(tmp_path / "out")], standalone_mode=False
    )
    assert done.exception is None, done.output
    assert done.return_value == 0, done.output
    return done.output, json.loads((tmp_path / "out" / "accuracy.json").read_text())


@pytest.mark.parametrize(
    "how", [{}, {"whole": True}, {"flat": False}, {"batch": 4}, {"batch": 4, "whole": True, "flat": False}]
)
def test_every_form_of_a_colour_model_is_right(tmp_path, colours, how):
    model = colour_model(tmp_path / "m.onnx", **how)
    _, (reference, int8) = scores(tmp_path, model, "--dataset", colours, "--calibration-samples", 9)
    assert (reference["top1"]["value"], int8["top1"]["value"]) == (1, 1)
    assert (int8["data"]["calibrated"], int8["data"]["evaluated"], int8["samples"]) == (9, 21, 21)


def test_classes_and_what_was_left_out_are_told(tmp_path, colours):
    data = tmp_path / "data"
    for name, link in (("red", "a_red"), ("green", "b_green"), ("blue", "c_blue")):
        data.mkdir(exist_ok=True)
        (data / link).symlink_to(colours / name)
    (data / ".ipynb_checkpoints").mkdir()
    (data / "__MACOSX").mkdir()
    text, found = scores(
        tmp_path, colour_model(tmp_path / "m.onnx"), "--dataset", data, "--calibration-samples", 9
    )
    assert [one["top1"]["value"] for one in found] == [1, 1]
    assert "classes (samples): 0 a_red (10), 1 b_green (10), 2 c_blue (10)" in text
    assert "left out, hidden: 2 (.ipynb_checkpoints, __MACOSX)" in text
    assert found[0]["data"]["classes"][1] == {"number": 1, "name": "b_green", "samples": 10}
    assert found[0]["data"]["left_out"][0]["names"] == [".ipynb_checkpoints", "__MACOSX"]


def test_a_reference_of_wrong_labels_says_what_to_check(tmp_path, colours):
    data = tmp_path / "data"
    for name, link in (("red", "2"), ("green", "0"), ("blue", "1")):
        data.mkdir(exist_ok=True)
        (data / link).symlink_to(colours / name)
    text, found = scores(
        tmp_path, colour_model(tmp_path / "m.onnx"), "--dataset", data, "--calibration-samples", 9
    )
    assert found[0]["top1"]["value"] == 0
    assert "check labels, preprocessing, range" in found[0]["notes"][0]
    assert "check labels, preprocessing, range" in text


def test_own_calibration_is_never_evaluated_on(tmp_path, colours):
    _, found = scores(
        tmp_path, colour_model(tmp_path / "m.onnx"), "--dataset", colours, "--calibration", colours / "red",
        "--calibration-samples", 6,
    )  # fmt: skip
    assert (found[1]["data"]["calibrated"], found[1]["samples"]) == (6, 24)


def refusals(colours, path):
    floats = np.random.default_rng(0).random((9, 16, 16, 3), np.float32)
    broken = floats.transpose(0, 3, 1, 2).copy()
    broken[4, 0, 0, 0] = np.inf
    labels = np.arange(9) % 3
    np.savez(path / "floats.npz", inputs=floats, labels=labels)
    np.savez(path / "wide.npz", inputs=np.full((9, 16, 16, 3), 7, np.uint16), labels=labels)
    np.savez(path / "nan.npz", inputs=broken, labels=labels)
    (path / "alpha" / "0").mkdir(parents=True)
    Image.new("RGBA", (9, 9), (9, 9, 9, 9)).save(path / "alpha" / "0" / "a.png")
    return [
        ({"whole": True}, path / "floats.npz", "is float32, the model wants uint8"),
        ({"whole": True}, path / "wide.npz", "is uint16, the model wants uint8"),
        ({}, path / "nan.npz", "sample 5 of 'x' holds infinity"),
        ({}, path / "alpha", "transparent pixels"),
        ({"channels": 4}, colours, "no alpha, the model wants 4 channels"),
    ]


def test_what_does_not_fit_is_one_line_and_exit_code_2(tmp_path, colours, capsys):
    for number, (how, data, told) in enumerate(refusals(colours, tmp_path)):
        model = colour_model(tmp_path / f"{number}.onnx", **how)
        words = ["accuracy", str(model), "--dataset", str(data), "--calibration-samples", "1"]
        assert main([*words, "--out", str(tmp_path / f"out{number}")]) == 2
        error = capsys.readouterr().err
        assert told in error
        assert len(error.splitlines()) == 1


def rows(tmp_path, model, *words, code=0):
    out = tmp_path / "out"
    assert main(["run", str(model), *QUICK, *map(str, words), "--quiet", "--out", str(out)]) == code
    return list(Store.read(out / "results.db").latest())


def test_own_samples_are_held_out_and_counted_on_the_row(tmp_path, colours):
    model = colour_model(tmp_path / "m.onnx", batch=2)
    data = np.random.default_rng(0).random((8, 3, 16, 16), np.float32)
    np.save(tmp_path / "cal.npy", data)
    (row,) = rows(tmp_path, model, "--calibration", tmp_path / "cal.npy")
    assert (row.data.calibrated, row.data.evaluated, row.data.held_out) == (6, 2, True)
    assert row.figures.accuracy.cosine > 0.99
    np.save(tmp_path / "cal.npy", data[:1])
    row = rows(tmp_path, model, "--calibration", tmp_path / "cal.npy")[-1]
    assert not row.data.held_out
    assert any("too few samples to hold any out" in str(one) for one in row.warnings)


def test_images_calibrate_a_run(tmp_path, colours):
    model = colour_model(tmp_path / "m.onnx", whole=True)
    (row,) = rows(tmp_path, model, "--calibration", colours)
    assert (row.data.calibrated, row.data.evaluated) == (8, 8)
    assert "uint8 from files, images scaled to 0..255" in row.data.inputs["x"]


def test_nan_in_calibration_is_a_failure_that_names_it(tmp_path):
    data = np.zeros((8, 3, 16, 16), np.float32)
    data[3, 1] = np.nan
    np.save(tmp_path / "cal.npy", data)
    (row,) = rows(tmp_path, colour_model(tmp_path / "m.onnx"), "--calibration", tmp_path / "cal.npy", code=2)
    assert row.failure.failure_class == "invalid_calibration"
    assert "sample 4 of 'x' holds NaN" in row.failure.message


def test_token_ids_and_masks_run_and_are_told(tmp_path):
    rng = np.random.default_rng(0)
    model = write(
        tmp_path / "m.onnx",
        {"input_ids": (TensorProto.INT64, [1, 16]), "attention_mask": (TensorProto.INT64, [1, 16])},
        [
            ("Gather", "table input_ids", "e", {}),
            ("Cast", "attention_mask", "m", {"to": TensorProto.FLOAT}),
            ("Unsqueeze", "m last", "u", {}),
            ("Mul", "e u", "k", {}),
            ("MatMul", "k w", "y", {}),
        ],
        {"y": (TensorProto.FLOAT, [1, 16, 4])},
        table=rng.normal(size=(1000, 8)).astype(np.float32), w=rng.normal(size=(8, 4)).astype(np.float32),
        last=np.array([2]),
    )  # fmt: skip
    (row,) = rows(tmp_path, model)
    assert row.data.inputs["input_ids"] == "int64 0..999 (indices of 1000 in 'table')"
    assert row.data.inputs["attention_mask"].startswith("int64 0..1 (a mask")
    assert row.figures.accuracy.cosine > 0.99
