import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from npubench.catalog import find_cases, load
from npubench.domain.records import Failure, FailureClass, OnnxModel
from npubench.domain.specs import NodeSpec, OperatorSpec, TensorSpec, WeightSpec
from npubench.exporters.operators import OperatorExporter, weight_values

PUBLISHED = Path(__file__).parents[1] / "data" / "ax620a_operators.csv"
X = TensorSpec("x", (1, 3, 4, 4))


@pytest.fixture(scope="module")
def catalog():
    return load([])


@pytest.fixture(scope="module")
def exported(catalog, tmp_path_factory) -> dict[str, OnnxModel]:
    """Every operator of the catalogue, exported."""
    folder = tmp_path_factory.mktemp("operators")
    models = {}
    for name, spec in catalog.operators.items():
        (folder / name).mkdir()
        model = OperatorExporter().export(spec, folder / name, folder / "log")
        assert isinstance(model, OnnxModel), model
        models[name] = model
    return models


def export(tmp_path: Path, *nodes: NodeSpec, opset: int = 13, weights: tuple[WeightSpec, ...] = ()):
    spec = OperatorSpec("case", "case", opset, (X,), weights, nodes, ("y",))
    return OperatorExporter().export(spec, tmp_path, tmp_path / "log")


def run(path: Path) -> dict[str, np.ndarray]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    random = np.random.default_rng(0)
    feed = {
        value.name: random.standard_normal(value.shape, dtype=np.float32) for value in session.get_inputs()
    }
    outputs = session.run(None, feed)
    return feed | {value.name: array for value, array in zip(session.get_outputs(), outputs, strict=True)}


def text(shape) -> str:
    return "x".join(map(str, shape))


def test_every_published_row_has_its_shapes(exported):
    with PUBLISHED.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    names = [row["name"] for row in rows]
    assert len(rows) == 167
    for row in rows:
        name = row["name"] if names.count(row["name"]) == 1 else f"{row['name']}_{row['in_shape']}"
        graph = onnx.load(exported[name].path).graph
        inputs = [[d.dim_value for d in value.type.tensor_type.shape.dim] for value in graph.input]
        outputs = [[d.dim_value for d in value.type.tensor_type.shape.dim] for value in graph.output]
        assert {text(shape) for shape in inputs} == {row["in_shape"]}, name
        assert [text(shape) for shape in outputs] == [row["out_shape"]], name
        assert exported[name].opset == 13


def test_models_say_what_they_are(exported):
    model = exported["conv3s1p1d1ic3oc64g1"]
    assert model.operators == {"Conv": 1}
    assert model.macs == 224 * 224 * 64 * 3 * 9
    assert model.parameters == 64 * 3 * 9 + 64
    assert model.seed == 0
    assert set(model.tools) == {"onnx", "numpy"}
    assert exported["conv3s1p0d1ic3oc1g1.argmin"].operators == {"Conv": 1, "ArgMin": 1}


SAMPLE = (
    "conv7s2p2d2ic3oc64g1",
    "conv1s2p2d2ic3oc1g1",
    "conv3s1p0d1ic3oc1g1.argmin",
    "add_1x3x1080x1920",
    "gemm_1x3x112x112",
    "concat_1x3x384x256",
    "sigmoid_1x3x112x112",
    "softmax_1x3x112x112",
    "flatten_1x3x384x256",
    "transpose_1x3x384x256",
)


def test_they_run_with_the_shapes_they_declare(exported, catalog):
    ours = [name for name in catalog.operators if name not in catalog.suites["ax620a-operators"].cases]
    assert len(ours) > 16
    for name in (*SAMPLE, *ours):
        tensors = run(exported[name].path)
        for tensor in (*exported[name].inputs, *exported[name].outputs):
            assert tensors[tensor.name].shape == tensor.shape, name
            assert np.isfinite(tensors[tensor.name]).all(), name
            assert str(tensors[tensor.name].dtype) == tensor.dtype, name


def test_they_compute_what_they_are_named_for(exported):
    def outcome(name):
        tensors = run(exported[name].path)
        return tensors.get("input"), tensors.pop("output"), tensors

    x, y, _ = outcome("transpose_1x3x112x112")
    assert np.array_equal(y, x.swapaxes(2, 3))
    x, y, _ = outcome("flatten_1x3x112x112")
    assert np.array_equal(y, x.ravel())
    _, y, tensors = outcome("concat_1x3x112x112")
    assert np.array_equal(y, np.concatenate([tensors["a"], tensors["b"]], axis=3))
    x, y, _ = outcome("softmax_1x3x112x112")
    assert np.allclose(y.sum(axis=-1), 1, atol=1e-5)
    x, y, _ = outcome("hardswish_16x112x112")
    assert np.allclose(y, x * np.clip(x / 6 + 0.5, 0, 1), atol=1e-5)
    x, y, _ = outcome("channel_shuffle_116x28x28")
    assert np.array_equal(y[0, :4], x[0, [0, 58, 1, 59]])
    x, y, _ = outcome("layernorm_1x197x192")
    weights = {
        w.name: onnx.numpy_helper.to_array(w)
        for w in onnx.load(exported["layernorm_1x197x192"].path).graph.initializer
    }
    normal = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-6)
    assert np.allclose(y, normal + weights["shift"], atol=1e-4)


def test_the_same_spec_gives_the_same_bytes_and_another_seed_others(tmp_path, catalog):
    (spec,) = find_cases(catalog, ["conv7s2p2d2ic3oc64g1"], []).cases
    hashes = []
    for index, changed in enumerate((spec, spec, replace(spec, seed=1), replace(spec, seed=-1))):
        (tmp_path / str(index)).mkdir()
        model = OperatorExporter().export(changed, tmp_path / str(index), tmp_path / "log")
        hashes.append(model.sha256)
    assert hashes[0] == hashes[1]
    assert len(set(hashes)) == 3


def test_seeded_weights_are_scaled_by_their_fan_in():
    for shape, fan_in in (((512, 256), 512), ((512, 3, 7, 7), 147), ((4096,), 1)):
        values = weight_values(WeightSpec(TensorSpec("weight", shape)), seed=0)
        assert values.dtype == np.float32
        assert values.shape == shape
        assert abs(values.std() * np.sqrt(fan_in) - 1) < 0.05
    given = weight_values(WeightSpec(TensorSpec("axes", (2, 1), "int64"), (1, -1)), seed=0)
    assert given.dtype == np.int64
    assert given.tolist() == [[1], [-1]]


def test_files_load_in_the_oldest_supported_runtime(exported):
    # ONNX Runtime 1.20 reads IR versions up to 10.
    assert max(onnx.load(model.path).ir_version for model in exported.values()) <= 10


def test_attributes_may_be_called_like_parameters_of_the_library(tmp_path):
    failure = export(tmp_path, NodeSpec("Relu", ("x",), ("y",), {"name": 1}))
    assert isinstance(failure, Failure)
    assert "name" in failure.message


@pytest.mark.parametrize(
    ("node", "failure_class", "says"),
    [
        (NodeSpec("Foo", ("x",), ("y",)), FailureClass.UNSUPPORTED_OPERATOR, "opset 13 has no operator Foo"),
        (NodeSpec("Upsample", ("x", "x"), ("y",)), FailureClass.UNSUPPORTED_OPERATOR, "no operator Upsample"),
        (NodeSpec("Relu", ("x", "x"), ("y",)), FailureClass.INVALID_MODEL, "input size 2"),
        (NodeSpec("Relu", ("x",), ("y",), {"alpha": 1.0}), FailureClass.INVALID_MODEL, "attribute: alpha"),
        (NodeSpec("Elu", ("x",), ("y",), {"alpha": 1}), FailureClass.INVALID_MODEL, "alpha"),
        (NodeSpec("Elu", ("x",), ("y",), {"alpha": 2**70}), FailureClass.INVALID_MODEL, "out of range"),
        (NodeSpec("Elu", ("x",), ("y",), {"alpha": ()}), FailureClass.INVALID_MODEL, "alpha"),
        (NodeSpec("MatMul", ("x", "w"), ("y",)), FailureClass.INVALID_MODEL, "ONNX refuses the graph"),
        (NodeSpec("NonZero", ("x",), ("y",)), FailureClass.DYNAMIC_SHAPE, "output 'y'"),
        (NodeSpec("Own", ("x",), ("y",), {}, "org.example"), FailureClass.DYNAMIC_SHAPE, "output 'y'"),
    ],
)
def test_what_onnx_does_not_accept_is_a_failure(tmp_path, node, failure_class, says):
    failure = export(tmp_path, node, weights=(WeightSpec(TensorSpec("w", (5, 5))),))
    assert isinstance(failure, Failure)
    assert (failure.stage, failure.failure_class) == ("export", failure_class)
    assert says in failure.message
    assert "\n" not in failure.message
    if failure_class is FailureClass.UNSUPPORTED_OPERATOR:
        assert failure.operators == (node.op,)


def test_an_opset_of_the_future_is_a_failure(tmp_path):
    failure = export(tmp_path, NodeSpec("Relu", ("x",), ("y",)), opset=99)
    assert isinstance(failure, Failure)
    assert failure.failure_class is FailureClass.UNSUPPORTED_OPSET


def test_weights_over_the_format_s_limit_are_a_failure_not_a_crash(tmp_path):
    huge = WeightSpec(TensorSpec("w", (4, 2**28)))
    failure = export(tmp_path, NodeSpec("MatMul", ("x", "w"), ("y",)), weights=(huge,))
    assert isinstance(failure, Failure)
    assert "4294967296 bytes" in failure.message
