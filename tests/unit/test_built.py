"""Networks that npubench builds itself: the very networks that publishers measure, and fit to be quantised."""

from dataclasses import replace

import numpy as np
import onnx
import pytest

from npubench.catalog import find_cases, load
from npubench.domain.records import Failure, FailureClass, OnnxModel
from npubench.domain.specs import BUILT, ModelSpec, TensorSpec
from npubench.engine import plugins
from npubench.exporters.built.builder import Builder, Value
from npubench.exporters.built.exporter import WEIGHTS, build
from npubench.exporters.built.networks import NETWORKS
from npubench.measure.onnx_session import open_session
from npubench.published.graphs import graphs
from npubench.published.networks import BUILT_PREFIX, Confidence, join

SHARED_BIASES = {"shufflenetv2-x1.0": 6636}
"""Its graph was counted with biases of zeros, of which torch's exporter keeps one a length: of 8090 numbers (24 +
stages of 778, 3016 and 3248 + 1024) 24 + 58 + 116 + 232 + 1024."""


@pytest.fixture(scope="module")
def catalog():
    return load(())


def specs(catalog):
    return {name: model for name, model in catalog.models.items() if model.codebase == BUILT}


def exported(spec, folder):
    folder.mkdir(exist_ok=True)
    return plugins.exporter(spec).export(spec, folder, folder / "log")


def test_each_network_is_named_for_the_one_that_it_is(catalog):
    assert {model.config for model in specs(catalog).values()} == set(NETWORKS)
    for name, model in specs(catalog).items():
        assert name == f"{BUILT_PREFIX}{model.config}"
        assert name.startswith("built-")
        found = join("", name, "[1, 3, 224, 224]")
        assert (found.network.key, found.confidence) == (f"{model.config}@224x224", Confidence.HIGH)
        assert found.graph == f"{model.config}@224x224"


def test_names_mean_nothing_else(catalog):
    """OpenMMLab's short names stay its own; a name that begins alike joins to nothing."""
    (spec,) = find_cases(catalog, ["resnet18"], ()).cases
    assert spec.codebase == "mmpretrain"
    assert [case.name for case in find_cases(catalog, ["built-mobilenetv2"], ()).cases] == [
        "built-mobilenetv2-1.0"
    ]
    for name in ("built-resnet", "built-", "built-my-net", "built-resnet-18"):
        assert join("", name, "[1, 3, 224, 224]").network is None, name
    assert join("", "built-resnet18", "").network is None
    assert (
        join("somebody/own-table", "built-resnet18", "224x224").reason != "built by npubench as that network"
    )


@pytest.mark.parametrize("network", NETWORKS)
def test_counts_are_those_of_the_published_graph(catalog, tmp_path, network):
    model = exported(specs(catalog)[f"built-{network}"], tmp_path)
    published = graphs()[f"{network}@224x224"]
    assert isinstance(model, OnnxModel), model
    assert model.macs == published.macs
    assert model.parameters - SHARED_BIASES.get(network, 0) == published.parameters
    assert model.operators["Conv"] == published.operators["Conv"]
    assert model.outputs == (TensorSpec("logits", (1, 1000)),)
    assert model.exported == {"weights": WEIGHTS}
    assert (model.task, model.seed, model.opset) == ("classification", 0, 13)
    assert model.preprocessing.mean == (123.675, 116.28, 103.53)


SMALL = ("mobilenetv2-1.0", "squeezenet-1.1", "shufflenetv2-x1.0")


@pytest.mark.parametrize("network", SMALL)
def test_a_seed_gives_the_same_bytes_and_another_one_others(catalog, network):
    spec = specs(catalog)[f"built-{network}"]
    first, again, other = (
        build(one).SerializeToString(deterministic=True) for one in (spec, spec, replace(spec, seed=1))
    )
    assert first == again
    assert first != other


@pytest.mark.parametrize("network", SMALL)
def test_activations_neither_die_nor_grow_and_outputs_follow_the_input(catalog, tmp_path, network):
    """Deviations stay within what 8 bits hold side by side; two pictures do not give one output."""
    model = build(specs(catalog)[f"built-{network}"])
    names = [node.output[0] for node in model.graph.node if node.op_type == "Conv"]
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    onnx.save(model, tmp_path / "open.onnx")
    session = open_session(tmp_path / "open.onnx")
    random = np.random.default_rng(7)
    pictures = random.standard_normal((2, 1, 3, 224, 224), dtype=np.float32)
    (one, *inner), (other, *_) = (session.run(None, {"input": picture}) for picture in pictures)
    deviations = [float(values.std()) for values in inner]
    assert 0.15 < min(deviations) < max(deviations) < 3
    silent = [float((values.std(axis=(2, 3)) < 1e-3).mean()) for values in inner if values.shape[2] > 1]
    assert max(silent) < 0.05
    assert np.dot(one[0], other[0]) / np.linalg.norm(one) / np.linalg.norm(other) < 0.995


def test_a_convolution_brings_its_outputs_to_the_mean_and_deviation_that_it_says():
    graph = Builder(3)
    made = graph.conv(Value("x", 64, 8, 8, mean=2.0, variance=9.0), 512, 3, "conv", gain=0.5, mean=1.0)
    weight, bias = (onnx.numpy_helper.to_array(one).astype(np.float64) for one in graph.weights)
    assert (made.mean, made.variance) == (1.0, 0.25)
    # Inputs of variance 9 around 2: each output is sum(w) * 2 + bias around 1, its variance 9 * sum(w ** 2).
    assert np.allclose(weight.sum(axis=(1, 2, 3)), 0, atol=1e-6)
    assert np.mean(weight.sum(axis=(1, 2, 3)) * 2 + bias) == pytest.approx(1.0, abs=0.01)
    assert np.mean(9 * (weight**2).sum(axis=(1, 2, 3))) == pytest.approx(0.25, rel=0.03)
    # Of normal numbers with mean 0 a ReLU leaves 1 / sqrt(2 pi) and (1 - 1 / pi) / 2.
    cut = graph.relu(Value("y", 1, 1, 1))
    assert (cut.mean, cut.variance) == (pytest.approx(0.39894, abs=1e-5), pytest.approx(0.34085, abs=1e-5))


@pytest.mark.parametrize(
    ("change", "failure_class", "words"),
    [
        ({"config": "resnet8"}, FailureClass.NOT_FOUND, "did you mean 'resnet18'"),
        ({"weights": "auto"}, FailureClass.EXPORT_FAILED, "takes no checkpoint"),
        ({"opset": 11}, FailureClass.UNSUPPORTED_OPSET, "use 13 to"),
        ({"inputs": (TensorSpec("x", (1, 1, 224, 224)),)}, FailureClass.EXPORT_FAILED, "not 1x1x224x224"),
        ({"inputs": (TensorSpec("x", (1, 3, 8, 224)),)}, FailureClass.EXPORT_FAILED, "at least 32 pixels"),
        ({"inputs": ()}, FailureClass.EXPORT_FAILED, "correct its input_shape"),
    ],
)
def test_what_cannot_be_built_says_why(catalog, tmp_path, change, failure_class, words):
    failure = exported(replace(specs(catalog)["built-resnet18"], **change), tmp_path)
    assert isinstance(failure, Failure)
    assert failure.failure_class is failure_class
    assert words in failure.message


@pytest.mark.parametrize("network", NETWORKS)
def test_another_input_size_and_a_newer_opset_can_be_had(catalog, tmp_path, network):
    spec = specs(catalog)[f"built-{network}"]
    assert isinstance(spec, ModelSpec)
    smaller = replace(spec, inputs=(TensorSpec("image", (1, 3, 64, 96)),), opset=18)
    model = build(smaller)
    onnx.checker.check_model(onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True))
    assert model.opset_import[0].version == 18
