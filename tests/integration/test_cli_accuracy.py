"""`npubench accuracy` on a classifier trained on real images, in real ONNX Runtime."""

import json

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from onnx import numpy_helper

from npubench.cli import main, npubench
from tests import digits


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    return digits.trained(tmp_path_factory.mktemp("digits"))


@pytest.fixture(scope="module")
def data(trained, tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    np.save(folder / "inputs.npy", trained.images)
    np.save(folder / "labels.npy", trained.labels)
    return folder


def accuracy(*words, code=0):
    done = CliRunner().invoke(npubench, ["accuracy", *map(str, words)], standalone_mode=False)
    assert done.exception is None, done.output
    assert done.return_value == code, done.output
    return done.output


def scores_of(folder):
    return json.loads((folder / "accuracy.json").read_text())


def own_top1(model, images, labels):
    """Top-1 of the same weights by numpy alone."""
    arrays = {one.name: numpy_helper.to_array(one) for one in onnx.load(model).graph.initializer}
    hidden = np.maximum(images.reshape(len(images), -1) @ arrays["w1"] + arrays["b1"], 0)
    return float(np.mean((hidden @ arrays["w2"] + arrays["b2"]).argmax(axis=1) == labels))


def test_fp32_and_int8_of_a_trained_classifier(trained, data, tmp_path):
    text = accuracy(trained.model, "--dataset", data, "--calibration-samples", 97, "--out", tmp_path)
    reference, int8 = scores_of(tmp_path)
    assert (reference["board"], reference["samples"], reference["drop_top1"]) == ("fp32 reference", 700, None)
    assert reference["top1"]["value"] > 0.85
    assert reference["top5"]["value"] >= reference["top1"]["value"]
    assert (int8["board"], int8["precision"], int8["kind"]) == ("local", "int8", "measured")
    assert int8["drop_top1"]["value"] == pytest.approx(reference["top1"]["value"] - int8["top1"]["value"])
    assert int8["drop_top1"]["low"] < int8["drop_top1"]["value"] + 1e-9 < int8["drop_top1"]["high"]
    assert {loss["op"] for loss in int8["losses"]} >= {"Gemm"}
    assert all(0.99 < loss["cosine"] <= 1 for loss in int8["losses"])
    assert "Agresti and Min" in text


def test_fp32_is_what_the_weights_give(trained, data, tmp_path):
    accuracy(
        trained.model, "--dataset", data, "--calibration-samples", 1, "--precision", "fp32", "--out", tmp_path
    )
    reference, again = scores_of(tmp_path)
    kept = np.sort(np.random.default_rng(0).permutation(len(trained.labels))[1:])
    expected = own_top1(trained.model, trained.images[kept], trained.labels[kept])
    assert reference["top1"]["value"] == pytest.approx(expected)
    assert again["drop_top1"]["value"] == 0


def test_weights_that_are_spoilt_are_seen(trained, data, tmp_path):
    """A graph whose last weights are turned round is right about little."""
    model = onnx.load(trained.model)
    for one in model.graph.initializer:
        if one.name == "w2":
            one.CopyFrom(numpy_helper.from_array(-numpy_helper.to_array(one), "w2"))
    onnx.save(model, tmp_path / "spoilt.onnx")
    accuracy(tmp_path / "spoilt.onnx", "--dataset", data, "--out", tmp_path / "out")
    assert scores_of(tmp_path / "out")[0]["top1"]["value"] < 0.2


def test_class_folders_and_json(trained, tmp_path):
    for number, (image, digit) in enumerate(zip(trained.images[:200], trained.labels[:200], strict=True)):
        folder = tmp_path / "data" / str(digit)
        folder.mkdir(parents=True, exist_ok=True)
        np.save(folder / f"{number:03}.npy", image)
    text = accuracy(
        trained.model,
        "--dataset",
        tmp_path / "data",
        "--calibration-samples",
        20,
        "--out",
        tmp_path / "out",
        "--json",
    )
    reference, int8 = json.loads(text)
    assert reference["samples"] == int8["samples"] == 180
    assert reference["top1"]["value"] > 0.8


def test_images_in_class_folders(trained, tmp_path):
    from PIL import Image

    for number, (image, digit) in enumerate(zip(trained.images[:60], trained.labels[:60], strict=True)):
        folder = tmp_path / "data" / str(digit)
        folder.mkdir(parents=True, exist_ok=True)
        pixels = np.round(image[0] * 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:03}.png")
    accuracy(
        trained.model, "--dataset", tmp_path / "data", "--calibration-samples", 10, "--out", tmp_path / "out"
    )
    assert scores_of(tmp_path / "out")[0]["top1"]["value"] > 0.8


def test_a_model_that_is_no_classifier_is_a_row_with_its_reason(data, tmp_path):
    from tests.integration.test_onnx_files import conv, write

    model = write(tmp_path / "conv.onnx", conv())
    shape = [d.dim_value for d in onnx.load(model).graph.input[0].type.tensor_type.shape.dim]
    np.savez(tmp_path / "own.npz", inputs=np.zeros((9, *shape[1:]), np.float32), labels=np.zeros(9, int))
    text = accuracy(
        model,
        "--dataset",
        tmp_path / "own.npz",
        "--calibration-samples",
        1,
        "--out",
        tmp_path / "out",
        code=3,
    )
    assert "output_mismatch" in text
    assert "a classifier gives samples x classes" in text


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--dataset", "nowhere"], "no folder and no .npz"),
        (["--calibration-samples", "797"], "797 are for calibration"),
        ([], "--dataset"),
    ],
)
def test_mistakes_are_one_line(trained, data, tmp_path, capsys, words, told):
    given = words if not words or "--dataset" in words else [*words, "--dataset", str(data)]
    assert main(["accuracy", str(trained.model), *given, "--out", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert told in error
    assert len(error.splitlines()) == 1
