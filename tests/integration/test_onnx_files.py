"""A user's own files, good and bad, through the real onnx."""

import os
import stat
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from npubench.errors import UsageError
from npubench.exporters.files import FileExporter
from npubench.exporters.input_shapes import parse_shape_option
from npubench.identity import sha256_of_file
from npubench.records import Failure, FailureClass, OnnxModel
from npubench.specs import FileSpec


def conv(shape=(1, 3, 8, 8), opset=13, op="Conv", domain="", name="x"):
    rng = np.random.default_rng(0)
    weight = numpy_helper.from_array(rng.standard_normal((4, 3, 3, 3)).astype(np.float32), "w")
    x = helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph(
        [helper.make_node(op, [name, "w"], ["y"], domain=domain)], "g", [x], [y], [weight]
    )
    opsets = [helper.make_opsetid("", opset)] + ([helper.make_opsetid(domain, 1)] if domain else [])
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def write(path: Path, model=None) -> Path:
    path.write_bytes((model or conv()).SerializeToString())
    return path


def export(path, tmp_path, *shapes) -> OnnxModel | Failure:
    work = tmp_path / "work"
    work.mkdir(exist_ok=True)
    spec = FileSpec("case", path, tuple(parse_shape_option(text) for text in shapes))
    FileExporter().version(spec)
    return FileExporter().export(spec, work, tmp_path / "log")


def refused(path, tmp_path, *shapes) -> Failure:
    outcome = export(path, tmp_path, *shapes)
    assert isinstance(outcome, Failure)
    assert "\n" not in outcome.message
    assert ": " in outcome.message
    return outcome


def test_a_good_file_is_described(tmp_path):
    model = export(write(tmp_path / "net.onnx"), tmp_path)
    assert isinstance(model, OnnxModel)
    assert (model.opset, model.operators, model.macs) == (13, {"Conv": 1}, 3 * 9 * 4 * 6 * 6)
    assert model.inputs[0].shape == (1, 3, 8, 8)
    assert model.outputs[0].shape == (1, 4, 6, 6)
    assert model.parameters == 108
    assert model.activation_bytes == 4 * 4 * 6 * 6
    assert model.sha256 == sha256_of_file(tmp_path / "net.onnx")


def test_the_version_follows_the_content(tmp_path):
    path = write(tmp_path / "net.onnx")
    spec = FileSpec("case", path)
    before = FileExporter().version(spec)
    assert FileExporter().version(spec) == before
    write(path, conv((1, 3, 9, 9)))
    assert FileExporter().version(spec) != before


def pipe(path):
    os.mkfifo(path)


@pytest.mark.parametrize(
    ("make", "failure_class", "words"),
    [
        (lambda path: None, FailureClass.NOT_FOUND, "does not exist"),
        (lambda path: path.mkdir(), FailureClass.INVALID_MODEL, "is a folder"),
        (pipe, FailureClass.INVALID_MODEL, "not a regular file"),
        (lambda path: path.write_bytes(b""), FailureClass.INVALID_MODEL, "is empty"),
        (lambda path: path.write_text("hello, this is text\n"), FailureClass.INVALID_MODEL, "is text"),
        (lambda path: path.write_text("<!DOCTYPE html><html>"), FailureClass.INVALID_MODEL, "web page"),
        (
            lambda path: path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n"),
            FailureClass.INVALID_MODEL,
            "git-lfs pointer",
        ),
        (lambda path: path.write_bytes(b"PK\x03\x04zip"), FailureClass.INVALID_MODEL, "archive"),
        (
            lambda path: path.write_bytes(os.urandom(999)),
            FailureClass.INVALID_MODEL,
            "not a readable ONNX|no ONNX",
        ),
        (
            lambda path: path.write_bytes(conv().SerializeToString()[:-40]),
            FailureClass.INVALID_MODEL,
            "not a readable ONNX",
        ),
        (
            lambda path: path.write_bytes(onnx.ModelProto(ir_version=8).SerializeToString()),
            FailureClass.INVALID_MODEL,
            "no ONNX graph",
        ),
        (lambda path: write(path, conv(opset=999)), FailureClass.UNSUPPORTED_OPSET, "opset 999 is newer"),
        (lambda path: write(path, conv(op="Konv")), FailureClass.UNSUPPORTED_OPERATOR, "Konv"),
        (lambda path: write(path, conv((1, 4, 8, 8))), FailureClass.INVALID_MODEL, ""),
    ],
)
def test_what_is_no_model_is_refused_in_one_line(tmp_path, make, failure_class, words):
    path = tmp_path / "net.onnx"
    make(path)
    if words == "":
        pytest.skip("a wrong channel count is the runtime's to refuse")
    failure = refused(path, tmp_path)
    assert failure.failure_class is failure_class
    import re

    assert re.search(words, failure.message)


def test_an_unknown_operator_is_named(tmp_path):
    failure = refused(write(tmp_path / "net.onnx", conv(op="Konv")), tmp_path)
    assert failure.operators == ("Konv",)


def test_a_custom_domain_is_left_to_the_runtime(tmp_path):
    model = export(write(tmp_path / "net.onnx", conv(op="Magic", domain="my.own")), tmp_path)
    assert isinstance(model, OnnxModel)
    assert model.operators == {"my.own.Magic": 1}


def test_dynamic_shapes_want_a_shape_and_say_how(tmp_path):
    path = write(tmp_path / "net.onnx", conv(("batch", 3, "h", "w"), name="image"))
    failure = refused(path, tmp_path)
    assert failure.failure_class is FailureClass.DYNAMIC_SHAPE
    assert "'image' [batch, 3, h, w]" in failure.message
    assert "--shape image=1x3x224x224" in failure.message
    for shape in ("image=1x3x16x16", "1x3x16x16"):
        model = export(path, tmp_path, shape)
        assert isinstance(model, OnnxModel)
        assert model.outputs[0].shape == (1, 4, 14, 14)
        (tmp_path / "work/model.onnx").unlink()


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ("imag=1x3x8x8", "did you mean 'image'"),
        ("image=1x3x8", "3 dimensions"),
        ("image=1x4x8x8", "4 where the model has 3 fixed"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(tmp_path, shape, words):
    path = write(tmp_path / "net.onnx", conv(("batch", 3, "h", "w"), name="image"))
    assert words in refused(path, tmp_path, shape).message


@pytest.mark.parametrize("text", ["", "x=", "=1x3", "x=1x0", "x=1x-3", "x=axb", "1x3x", "x=1 3", "x=٣"])
def test_words_that_are_no_shape_are_told_with_an_example(text):
    with pytest.raises(UsageError, match=r"--shape input=1x3x224x224"):
        parse_shape_option(text)


def test_shapes_may_have_odd_names():
    assert parse_shape_option("a=b:0=1,3,8,8") == ("a=b:0", (1, 3, 8, 8))


def external(path: Path, location: str, data: bytes | None = None) -> Path:
    model = conv()
    weight = model.graph.initializer[0]
    data = weight.raw_data if data is None else data
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", "0"), ("length", "432")):
        weight.external_data.add(key=key, value=value)
    write(path, model)
    return path


def test_external_data_come_along(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    path = external(folder / "net.onnx", "w.bin")
    (folder / "w.bin").write_bytes(conv().graph.initializer[0].raw_data)
    model = export(path, tmp_path)
    assert isinstance(model, OnnxModel)
    assert [file.name for file in model.external] == ["w.bin"]
    before = model.sha256
    version = FileExporter().version(FileSpec("case", path))
    (folder / "w.bin").write_bytes(os.urandom(432))
    assert FileExporter().version(FileSpec("case", path)) != version
    other = tmp_path / "other"
    other.mkdir()
    changed = FileExporter().export(FileSpec("case", path), other, tmp_path / "log")
    assert changed.sha256 != before


@pytest.mark.parametrize("location", ["/etc/passwd", "../secret.bin", "a/../../secret.bin", "link.bin"])
def test_external_data_outside_the_folder_are_never_read(tmp_path, location):
    folder = tmp_path / "model"
    folder.mkdir()
    secret = tmp_path / "secret.bin"
    secret.write_bytes(os.urandom(432))
    (folder / "link.bin").symlink_to(secret)
    secret.chmod(0)
    failure = refused(external(folder / "net.onnx", location), tmp_path)
    assert failure.failure_class is FailureClass.EXTERNAL_DATA
    assert "outside its folder" in failure.message
    assert not list((tmp_path / "work").iterdir())


def test_absent_and_short_external_data_are_named(tmp_path):
    path = external(tmp_path / "net.onnx", "w.bin")
    assert "needs the file 'w.bin'" in refused(path, tmp_path).message
    (tmp_path / "w.bin").write_bytes(b"short")
    assert "ends before the data of 'w'" in refused(path, tmp_path).message


def test_a_file_without_permission_is_one_line(tmp_path):
    path = write(tmp_path / "net.onnx")
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user may read everything")
    assert "cannot be read" in refused(path, tmp_path).message
    path.chmod(stat.S_IRUSR)


def test_a_name_is_only_a_name(tmp_path):
    for name in ("a b;'\".onnx", "<script>.onnx", "x" * 200 + ".onnx", "ن\u202e.onnx"):
        model = export(write(tmp_path / name), tmp_path)
        assert isinstance(model, OnnxModel)
        assert model.path == tmp_path / "work/model.onnx"
        model.path.unlink()


def test_inputs_that_are_no_tensors_are_refused(tmp_path):
    sequence = helper.make_tensor_sequence_value_info("x", TensorProto.FLOAT, None)
    y = helper.make_tensor_value_info("y", TensorProto.INT64, [])
    graph = helper.make_graph([helper.make_node("SequenceLength", ["x"], ["y"])], "g", [sequence], [y])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    assert "numeric tensors only" in refused(write(tmp_path / "net.onnx", model), tmp_path).message


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_damaged_files_give_a_model_or_a_failure(tmp_path, data):
    raw = bytearray(conv().SerializeToString())
    for _ in range(data.draw(st.integers(1, 5))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "net.onnx"
    path.write_bytes(bytes(raw[: data.draw(st.integers(0, len(raw)))]))
    outcome = export(path, tmp_path)
    assert isinstance(outcome, (OnnxModel, Failure))
    (tmp_path / "work/model.onnx").unlink(missing_ok=True)
