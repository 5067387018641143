"""The ONNX project's node tests: all of them a row, none ends the run."""

import json
from pathlib import Path

import numpy as np
import onnx.backend.test.loader as loader
import pytest
from click.testing import CliRunner
from onnx import TensorProto, helper

from npubench.backends.onnxruntime import node_tests, node_worker
from npubench.backends.onnxruntime import node_worker as node_values
from npubench.cli import npubench
from npubench.domain.records import FailureClass, Status
from npubench.storage.store import Store
from tests import node_subset

ROOT = Path(__file__).parents[2]


@pytest.fixture
def subset(monkeypatch):
    """The suite is a few of its tests, in this process and in the one that runs them."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setattr(node_tests, "WORKER", "tests.node_subset")
    monkeypatch.setattr(loader, "load_model_tests", node_subset.load_model_tests)


def run_twice(out):
    """Rows of a run by their cases; the next run finds nothing to do."""
    words = ["run", "--suite", "onnx-node", "--out", str(out)]
    first = CliRunner().invoke(npubench, words, standalone_mode=False)
    assert first.exception is None
    assert first.return_value == 0
    store = Store.read(out / "results.db")
    rows = {row.case: row for row in store.latest()}
    revision = store.revision()
    store.close()
    assert set(rows) == {test.name for test in loader.load_model_tests(kind="node")}
    assert all(row.failure or row.status is Status.OK for row in rows.values())
    assert rows["test_abs"].figures.accuracy.max_abs == 0
    assert "random numbers" in rows["test_training_dropout"].failure.message
    planned = CliRunner().invoke(npubench, [*words, "--dry-run"], standalone_mode=False)
    assert planned.output == f"{len(rows)} node tests planned, {len(rows)} done, 0 to run\n"
    again = CliRunner().invoke(npubench, words, standalone_mode=False)
    assert f"({len(rows)} done before)" in again.output
    store = Store.read(out / "results.db")
    assert store.revision() == revision
    store.close()
    return rows


def test_every_test_has_a_row_and_the_next_run_does_nothing(tmp_path, subset):
    rows = run_twice(tmp_path)
    passed = {name for name, row in rows.items() if row.status is Status.OK}
    assert {"test_abs", "test_add_bcast", "test_loop13_seq", "test_string_concat"} <= passed
    assert any("bernoulli" in name for name in set(rows) - passed)


@pytest.mark.slow
def test_every_test_of_the_whole_suite_has_a_row(tmp_path):
    rows = run_twice(tmp_path)
    assert sum(row.status is Status.OK for row in rows.values()) > 1000
    for name in ("test_cast_FLOAT_to_BFLOAT16", "test_cast_INT4_to_FLOAT", "test_cast_FLOAT_to_FLOAT8E4M3FN"):
        assert rows[name].status is Status.OK, rows[name].failure
    said = {row.failure.failure_class for row in rows.values() if row.failure}
    assert said <= {
        FailureClass.UNSUPPORTED_OPERATOR,
        FailureClass.UNSUPPORTED_OPSET,
        FailureClass.OUTPUT_MISMATCH,
        FailureClass.TOOL_ERROR,
    }


def test_a_crash_is_the_row_of_its_test_and_the_others_go_on(tmp_path, monkeypatch, subset):
    monkeypatch.setenv("NODE_SUBSET_CRASHES", "test_add")
    found = {name: failure for name, _, failure in node_tests.run((), tmp_path / "log")}
    assert set(found) == {test.name for test in loader.load_model_tests(kind="node")}
    assert found["test_add"].failure_class is FailureClass.CRASH
    assert found["test_abs"] is found["test_ceil"] is None


def test_a_worker_that_does_not_start_is_one_failure(tmp_path, monkeypatch):
    monkeypatch.setattr(node_tests, "WORKER", "no_such_module")
    ((name, _, failure),) = node_tests.run((), tmp_path / "log")
    assert name == "onnx-node"
    assert failure.failure_class is FailureClass.CRASH


@pytest.mark.parametrize(
    ("have", "want", "says"),
    [
        (np.float32([1]), np.float32([1]), ""),
        (np.float32([np.nan]), np.float32([np.nan]), ""),
        (np.float32([1]), np.float32([2]), "other numbers"),
        (np.float32([1]), np.float64([1]), "the type float32"),
        (np.float32([1]), np.float32([[1]]), "the shape (1,)"),
        ([np.float32([1])], [np.float32([1]), np.float32([1])], "a sequence of another length"),
        (np.array(["a"], object), np.array(["b"], object), "other texts"),
    ],
)
def test_outputs_are_compared_by_value_type_and_shape(have, want, says):
    assert node_worker.compare(have, want, 1e-3, 1e-7)[0].startswith(says)
    assert bool(node_worker.compare(have, want, 1e-3, 1e-7)[0]) == bool(says)


def test_what_onnx_runtime_does_not_take_is_unsupported_and_a_wrong_output_is_not():
    class Test:
        name, rtol, atol = "t", 1e-3, 1e-7
        model = helper.make_model(
            helper.make_graph(
                [helper.make_node("Abs", ["x"], ["y"])],
                "g",
                [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])],
                [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])],
            ),
            opset_imports=[helper.make_opsetid("", 13)],
            ir_version=8,
        )
        data_sets = ((([np.float32([-1])]), ([np.float32([-1])])),)

    answer = {**node_worker.about(Test), **node_worker.run(Test)}
    assert node_tests.failure_of(answer).failure_class is FailureClass.OUTPUT_MISMATCH
    error = {
        "type": "NotImplemented",
        "text": "NOT_IMPLEMENTED : Could not find an implementation for Abs(13) node",
        "traceback": "",
    }
    failure = node_tests.failure_of({**node_worker.about(Test), "error": error})
    assert failure.failure_class is FailureClass.UNSUPPORTED_OPERATOR
    assert failure.operators == ("Abs",)


def test_it_goes_alone(tmp_path):
    words = ["run", "--suite", "onnx-node", "resnet18", "--out", str(tmp_path)]
    done = CliRunner().invoke(npubench, words, standalone_mode=False)
    assert "goes alone" in done.exception.message


@pytest.mark.parametrize("name", ["bfloat16", "float8_e5m2", "int4", "uint2"])
def test_a_type_that_numpy_lacks_goes_through_onnx_runtime_and_back_unchanged(name):
    import ml_dtypes
    import onnxruntime

    array = np.arange(-3, 4).astype(getattr(ml_dtypes, name)).reshape(7, 1)
    kind = helper.np_dtype_to_tensor_dtype(array.dtype)
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["x"], ["float"], to=TensorProto.FLOAT),
            helper.make_node("Cast", ["float"], ["y"], to=kind),
        ],
        "g",
        [helper.make_tensor_value_info("x", kind, [7, 1])],
        [helper.make_tensor_value_info("y", kind, [7, 1])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 25)], ir_version=11)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (back,) = node_values.run_by_value(session, {"x": array}, [array])
    assert back.dtype == array.dtype
    assert (back == array).all()


def test_an_error_that_merely_mentions_a_type_is_no_refusal():
    error = {"type": "RuntimeException", "text": "unsupported? no: something broke", "traceback": ""}
    failure = node_tests.failure_of({"operators": ["Abs"], "error": error})
    assert failure.failure_class is FailureClass.TOOL_ERROR


def test_json_is_one_line_a_row(tmp_path, subset):
    words = ["run", "--suite", "onnx-node", "--json", "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(npubench, words, standalone_mode=False)
    rows = [json.loads(line)["row"] for line in done.stdout.splitlines()]
    assert [row["case"] for row in rows] == [test.name for test in loader.load_model_tests(kind="node")]


def test_a_suite_of_nearly_that_name_is_told_the_right_one(tmp_path):
    words = ["run", "--suite", "onnx-nodes", "--out", str(tmp_path)]
    done = CliRunner().invoke(npubench, words, standalone_mode=False)
    assert "did you mean 'onnx-node'" in str(done.exception)
