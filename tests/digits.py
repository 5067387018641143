"""A small classifier trained on scikit-learn's digits (1797 real 8x8 images), written by onnx.helper."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

TRAINED_ON = 1000


@dataclass(frozen=True)
class Digits:
    """The model's file, the images that it was not trained on (N x 1 x 8 x 8) and their digits."""

    model: Path
    images: np.ndarray
    labels: np.ndarray


def trained(folder: Path) -> Digits:
    """Train one hidden layer on the first 1000 images; the rest is for evaluation."""
    from sklearn.datasets import load_digits
    from sklearn.neural_network import MLPClassifier

    data = load_digits()
    pixels = (data.images / 16.0).astype(np.float32)
    network = MLPClassifier((32,), random_state=0, max_iter=60)
    with np.errstate(all="ignore"):
        import warnings

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            network.fit(pixels[:TRAINED_ON].reshape(TRAINED_ON, -1), data.target[:TRAINED_ON])
    model = folder / "digits.onnx"
    write(model, network.coefs_, network.intercepts_)
    return Digits(model, pixels[TRAINED_ON:, None], data.target[TRAINED_ON:])


def write(path: Path, weights, biases) -> None:
    """1x1x8x8 to 1x10 scores: Flatten, Gemm, Relu, Gemm."""
    initializers = [
        numpy_helper.from_array(np.asarray(array, np.float32), name)
        for pair, names in zip(zip(weights, biases, strict=True), (("w1", "b1"), ("w2", "b2")), strict=True)
        for array, name in zip(pair, names, strict=True)
    ]
    nodes = [
        helper.make_node("Flatten", ["image"], ["flat"], name="flatten"),
        helper.make_node("Gemm", ["flat", "w1", "b1"], ["hidden"], name="first"),
        helper.make_node("Relu", ["hidden"], ["active"], name="relu"),
        helper.make_node("Gemm", ["active", "w2", "b2"], ["scores"], name="last"),
    ]
    graph = helper.make_graph(
        nodes,
        "digits",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, (1, 1, 8, 8))],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, (1, 10))],
        initializers,
    )
    # What opset 13 came with: older tools load no newer files.
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
