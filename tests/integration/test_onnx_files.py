"""A user's own files, good and bad, through the real onnx; what is accepted loads in ONNX Runtime."""

import contextlib
import gzip
import os
import socket
import stat
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from npubench.domain.errors import UsageError
from npubench.domain.records import Failure, FailureClass, OnnxModel
from npubench.domain.specs import FileSpec, SamplesFrom
from npubench.exporters import apart
from npubench.exporters.apart import describe_apart
from npubench.exporters.files import FileExporter, bring
from npubench.exporters.input_shapes import parse_shape_option
from npubench.graph.check import PROTOBUF_LIMIT_BYTES
from npubench.graph.read import describe, external_files
from npubench.measure.statistics import sampling_of
from npubench.storage.hashing import sha256_of_file

NOBODY = 65534


def conv(shape=(1, 3, 8, 8), opset=13, op="Conv", domain="", name="x", out=None):
    rng = np.random.default_rng(0)
    weight = numpy_helper.from_array(rng.standard_normal((4, 3, 3, 3)).astype(np.float32), "w")
    x = helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, out)
    graph = helper.make_graph(
        [helper.make_node(op, [name, "w"], ["y"], domain=domain)], "g", [x], [y], [weight]
    )
    opsets = [helper.make_opsetid("", opset)] + ([helper.make_opsetid(domain, 1)] if domain else [])
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def write(path: Path, model=None) -> Path:
    path.write_bytes((model or conv()).SerializeToString())
    return path


def export(path, tmp_path, *shapes) -> OnnxModel | Failure:
    """In a new private folder, as the engine does it."""
    work = Path(tempfile.mkdtemp(dir=tmp_path, prefix="work-"))
    spec = FileSpec("case", path, tuple(parse_shape_option(text) for text in shapes))
    assert FileExporter().version(spec) == FileExporter().version(spec)
    return FileExporter().export(spec, work, tmp_path / "log")


def refused(path, tmp_path, *shapes) -> Failure:
    outcome = export(path, tmp_path, *shapes)
    assert isinstance(outcome, Failure)
    assert outcome.message.isprintable()
    assert ": " in outcome.message
    return outcome


def runs(model: OnnxModel):
    """The shapes that ONNX Runtime gives for the model's inputs."""
    session = onnxruntime.InferenceSession(str(model.path), providers=["CPUExecutionProvider"])
    return [a.shape for a in session.run(None, {t.name: np.zeros(t.shape, t.dtype) for t in model.inputs})]


def test_a_good_file_is_described_and_copied(tmp_path):
    path = write(tmp_path / "net.onnx")
    model = export(path, tmp_path)
    assert isinstance(model, OnnxModel)
    assert (model.case, model.opset, model.operators, model.macs) == (
        "case",
        13,
        {"Conv": 1},
        3 * 9 * 4 * 6 * 6,
    )
    assert model.sha256 == sha256_of_file(path)
    path.write_bytes(b"exported again, over the file that was there")
    assert runs(model) == [(1, 4, 6, 6)]


def test_a_folder_that_is_not_new_never_leads_to_the_files_of_others(tmp_path):
    first, second, work = tmp_path / "first.onnx", tmp_path / "second.onnx", tmp_path / "work"
    work.mkdir()
    before = write(first).read_bytes()
    assert bring(FileSpec("case", first), work).path == work / "model.onnx"
    write(second, conv(("n", 3, 9, 9)))
    for shapes in ((("x", (1, 3, 9, 9)),), (("x", (2, 3, 9, 9)),)):
        bring(FileSpec("case", second, shapes), work)
    write(second, conv((1, 3, 9, 9)))
    assert bring(FileSpec("case", second), work).path.read_bytes() == second.read_bytes()
    assert first.read_bytes() == before


def test_the_version_follows_the_content(tmp_path):
    path = write(tmp_path / "net.onnx")
    spec = FileSpec("case", path)
    before = FileExporter().version(spec)
    write(path, conv((1, 3, 9, 9)))
    assert FileExporter().version(spec) != before
    path.unlink()
    assert FileExporter().version(spec) != before


def pipe(path):
    os.mkfifo(path)


def listener(path):
    folder = os.open(path.parent, os.O_RDONLY)
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(f"/proc/self/fd/{folder}/{path.name}")
    os.close(folder)


def sparse_and_large(path):
    with path.open("wb") as stream:
        stream.write(conv().SerializeToString())
        stream.truncate(PROTOBUF_LIMIT_BYTES + 1)


def emptied(part):
    model = conv()
    part(model)
    return lambda path: write(path, model)


@pytest.mark.parametrize(
    ("make", "failure_class", "words"),
    [
        (lambda path: None, FailureClass.NOT_FOUND, "does not exist"),
        (lambda path: path.symlink_to("nowhere"), FailureClass.NOT_FOUND, "does not exist"),
        (lambda path: path.symlink_to(path.name), FailureClass.INVALID_MODEL, "cannot be read"),
        (lambda path: path.symlink_to("/dev/zero"), FailureClass.INVALID_MODEL, "not a regular file"),
        (lambda path: path.mkdir(), FailureClass.INVALID_MODEL, "is a folder"),
        (pipe, FailureClass.INVALID_MODEL, "not a regular file"),
        (listener, FailureClass.INVALID_MODEL, "not a regular file"),
        (lambda path: path.write_bytes(b""), FailureClass.INVALID_MODEL, "is empty"),
        (lambda path: path.write_text("hello, this is text\n"), FailureClass.INVALID_MODEL, "is text"),
        (lambda path: path.write_text("größer\n" * 99), FailureClass.INVALID_MODEL, "is text"),
        (lambda path: path.write_text("größer\n" * 99, "utf-16"), FailureClass.INVALID_MODEL, "is text"),
        (
            lambda path: path.write_text("\n<!DOCTYPE html><html>"),
            FailureClass.INVALID_MODEL,
            "is a web page",
        ),
        (
            lambda path: path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n"),
            FailureClass.INVALID_MODEL,
            "git-lfs pointer",
        ),
        (lambda path: path.write_bytes(b"PK\x03\x04zip"), FailureClass.INVALID_MODEL, "archive"),
        (lambda path: path.write_bytes(gzip.compress(b"x")), FailureClass.INVALID_MODEL, "gzip"),
        (lambda path: path.write_bytes(b"\xff" * 999), FailureClass.INVALID_MODEL, "cannot be parsed"),
        (
            lambda path: path.write_bytes(conv().SerializeToString()[:-40]),
            FailureClass.INVALID_MODEL,
            "is truncated",
        ),
        (sparse_and_large, FailureClass.INVALID_MODEL, "over 2 GiB"),
        (emptied(lambda model: model.ClearField("graph")), FailureClass.INVALID_MODEL, "no ONNX graph"),
        (emptied(lambda model: model.graph.ClearField("node")), FailureClass.INVALID_MODEL, "no nodes"),
        (
            emptied(lambda model: model.ClearField("opset_import")),
            FailureClass.INVALID_MODEL,
            "names no opset",
        ),
        (
            emptied(lambda model: setattr(model, "ir_version", 99)),
            FailureClass.INVALID_MODEL,
            "ir_version 99",
        ),
        (lambda path: write(path, conv(opset=999)), FailureClass.UNSUPPORTED_OPSET, "opset 999"),
        (lambda path: write(path, conv(op="Konv")), FailureClass.UNSUPPORTED_OPERATOR, "'Konv'"),
    ],
)
def test_what_is_no_model_is_refused_in_one_line(tmp_path, make, failure_class, words):
    path = tmp_path / "net.onnx"
    make(path)
    failure = refused(path, tmp_path)
    assert failure.failure_class is failure_class
    assert words in failure.message


def test_a_path_below_a_file_does_not_exist(tmp_path):
    failure = refused(write(tmp_path / "net.onnx") / "more.onnx", tmp_path)
    assert failure.failure_class is FailureClass.NOT_FOUND


@contextlib.contextmanager
def as_nobody():
    """Root may read everything, so it steps down."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_file_without_permission_is_one_line():
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        path, data = external(folder / "net.onnx", "w.bin"), folder / "w.bin"
        data.write_bytes(bytes(432))
        for hidden in (path, data):
            hidden.chmod(0)
            with as_nobody():
                FileExporter().version(FileSpec("case", path))
                failure = bring(FileSpec("case", path), folder / "work")
            assert isinstance(failure, Failure)
            assert "cannot be read (Permission denied)" in failure.message
            hidden.chmod(stat.S_IRUSR | stat.S_IROTH)


def test_a_custom_domain_is_left_to_the_runtime(tmp_path):
    model = export(write(tmp_path / "net.onnx", conv(op="Magic", domain="my.own")), tmp_path)
    assert isinstance(model, OnnxModel)
    assert model.operators == {"my.own.Magic": 1}
    assert model.macs is None


@pytest.mark.parametrize("option", ["image=1x3x16x16", "1x3x16x16", "image=1,3,16,16"])
def test_dynamic_shapes_are_fixed(tmp_path, option):
    path = write(
        tmp_path / "net.onnx", conv(("batch", 3, "h", "w"), name="image", out=("batch", 4, "h2", "w2"))
    )
    model = export(path, tmp_path, option)
    assert isinstance(model, OnnxModel)
    assert model.outputs[0].shape == (1, 4, 14, 14)
    assert runs(model) == [(1, 4, 14, 14)]


def test_shapes_that_came_of_the_old_ones_are_dropped(tmp_path):
    model = conv(("batch", 3, "h", "w"), out=("batch", 4, "h2", "w2"))
    model.graph.node.append(
        helper.make_node("If", ["c"], ["z"], then_branch=branch("Relu"), else_branch=branch("Neg"))
    )
    model.graph.input.append(helper.make_tensor_value_info("c", TensorProto.BOOL, []))
    model.graph.output.append(helper.make_tensor_value_info("z", TensorProto.FLOAT, ("batch", 4, "h2", "w2")))
    model.graph.value_info.append(helper.make_tensor_value_info("stale", TensorProto.FLOAT, (7, 7)))
    exported = export(write(tmp_path / "net.onnx", model), tmp_path, "x=2x3x8x8")
    assert isinstance(exported, OnnxModel)
    fixed = onnx.load(exported.path)
    assert not fixed.graph.value_info
    assert not fixed.graph.node[1].attribute[0].g.value_info
    assert exported.outputs[1].shape == (2, 4, 6, 6)
    assert runs(exported) == [(2, 4, 6, 6)] * 2


def test_numbers_that_came_of_one_size_of_an_open_input_do_not_survive(tmp_path):
    """An exporter that was told of an open input alone writes outputs and branches of the size it traced."""
    model = conv(("N", 3, 8, 8), out=(1, 4, 6, 6))
    model.graph.value_info.append(helper.make_tensor_value_info("y", TensorProto.FLOAT, (1, 4, 6, 6)))
    then, other = branch("Relu"), branch("Neg")
    for graph in (then, other):
        graph.output[0].CopyFrom(
            helper.make_tensor_value_info(graph.output[0].name, TensorProto.FLOAT, (1, 4, 6, 6))
        )
    model.graph.node.append(helper.make_node("If", ["c"], ["z"], then_branch=then, else_branch=other))
    model.graph.input.append(helper.make_tensor_value_info("c", TensorProto.BOOL, []))
    model.graph.output.append(helper.make_tensor_value_info("z", TensorProto.FLOAT, (1, 4, 6, 6)))
    exported = export(write(tmp_path / "net.onnx", model), tmp_path, "x=4x3x8x8")
    assert [one.shape for one in exported.outputs] == [(4, 4, 6, 6)] * 2
    assert exported.batch_axes == {"x": 0}
    assert sampling_of(exported).samples_per_call == 4
    assert runs(exported) == [(4, 4, 6, 6)] * 2


def test_what_the_graph_does_not_tell_is_unknown_rather_than_of_the_old_size(tmp_path):
    stale = conv(("N", 3, 8, 8), op="Magic", domain="my.own", out=(1, 4, 6, 6))
    exported = export(write(tmp_path / "net.onnx", stale), tmp_path, "x=4x3x8x8")
    assert exported.outputs[0].shape == (-1, -1, -1, -1)


def test_a_static_file_is_taken_as_it_is(tmp_path):
    exported = export(write(tmp_path / "net.onnx", conv((2, 3, 8, 8), out=(2, 4, 6, 6))), tmp_path)
    assert exported.batch_axes == {}
    assert sampling_of(exported).source is SamplesFrom.LEADING_SIZE


def branch(op):
    out = helper.make_tensor_value_info(f"{op}_z", TensorProto.FLOAT, None)
    nodes = [helper.make_node(op, ["y"], ["t"]), helper.make_node("Identity", ["t"], [f"{op}_z"])]
    stale = helper.make_tensor_value_info("t", TensorProto.FLOAT, ("batch", 4, "h2", "w2"))
    return helper.make_graph(nodes, op, [], [out], value_info=[stale])


def test_outputs_of_foreign_operators_take_what_their_symbols_stand_for(tmp_path):
    model = conv(("batch", 3, 8, 8), op="Magic", domain="my.own", out=("batch", "boxes", 4))
    exported = export(write(tmp_path / "net.onnx", model), tmp_path, "2x3x8x8")
    assert exported.outputs[0].shape == (2, -1, 4)


def test_dynamic_shapes_want_a_shape_and_say_how(tmp_path):
    path = write(tmp_path / "net.onnx", conv(("batch", 3, "h", "w"), name="image"))
    failure = refused(path, tmp_path)
    assert failure.failure_class is FailureClass.DYNAMIC_SHAPE
    assert "'image' [batch, 3, h, w]" in failure.message
    assert "--shape image=1x3x224x224" in failure.message


@pytest.mark.parametrize(
    ("shape", "name", "hint"),
    [
        (("n", 3, 8, 8), "x", "--shape x=1x3x8x8"),
        (("n", "h", "w", 3), "x", "--shape x=1x224x224x3"),
        ((0, 3, -1, 8), "x", "--shape x=1x3x224x8"),
        (("n", 7), "a b; rm", "--shape 'a b; rm=1x7'"),
        (("n", 7), "two\nlines", "--shape 1x7"),
        (("n", 7), "\u202eleft", "--shape 1x7"),
        (("n", 7), "n" * 300, "--shape 1x7"),
    ],
)
def test_the_hint_can_be_typed(tmp_path, shape, name, hint):
    failure = refused(write(tmp_path / "net.onnx", conv(shape, name=name)), tmp_path)
    assert failure.message.endswith(f"such as {hint}")


@pytest.mark.parametrize(
    ("shapes", "words"),
    [
        (["imag=1x3x8x8"], "did you mean 'image'"),
        (["?=1x3x8x8"], "the inputs are 'image'"),
        (["image=1x3x8"], "3 dimensions where the model has 4"),
        (["image=1x4x8x8"], "4 where the model has 3 fixed"),
        (["image=1x3x8x8", "1x3x9x9"], "given as 1x3x8x8 and 1x3x9x9"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(tmp_path, shapes, words):
    path = write(tmp_path / "net.onnx", conv(("batch", 3, "h", "w"), name="image"))
    failure = refused(path, tmp_path, *shapes)
    assert failure.failure_class is FailureClass.DYNAMIC_SHAPE
    assert words in failure.message


@pytest.mark.parametrize("dim", [0, -1, 2**63])
def test_sizes_that_no_tensor_has_are_refused(tmp_path, dim):
    path = write(tmp_path / "net.onnx", conv(("batch", 3, "h", "w")))
    failure = bring(FileSpec("case", path, (("x", (dim, 3, 8, 8)),)), tmp_path)
    assert "a dimension is at least 1" in failure.message


def test_a_shape_without_a_name_wants_a_single_input(tmp_path):
    model = conv(("n", 3, 8, 8))
    model.graph.input.append(helper.make_tensor_value_info("other", TensorProto.FLOAT, ("n",)))
    failure = refused(write(tmp_path / "net.onnx", model), tmp_path, "1x3x8x8")
    assert "the inputs are 'x', 'other'" in failure.message
    assert "--shape x=1x3x8x8 --shape other=1" in refused(tmp_path / "net.onnx", tmp_path).message


WRONG = [
    "",
    "x=",
    "=1x3",
    "x=1x0",
    "x=1x-3",
    "x=axb",
    "1x3x",
    "x=1 3",
    "x=٣",
    "x=1x9999999999",
    "x=1\n",
    "x=1xx3",
]


@pytest.mark.parametrize("text", WRONG)
def test_words_that_are_no_shape_are_told_with_an_example(text):
    with pytest.raises(UsageError, match=r"--shape input=1x3x224x224") as error:
        parse_shape_option(text)
    assert str(error.value).isprintable()


@given(st.text())
def test_any_words_are_a_shape_or_a_usage_error(text):
    with contextlib.suppress(UsageError):
        name, shape = parse_shape_option(text)
        assert all(dim > 0 for dim in shape)
        assert name in text


@given(
    st.text(min_size=1), st.lists(st.integers(1, 2**31 - 1), min_size=1, max_size=6), st.sampled_from("x,")
)
def test_shapes_of_any_name_are_read_back(name, dims, separator):
    assert parse_shape_option(f"{name}={separator.join(map(str, dims))}") == (name, tuple(dims))


def external(path: Path, location: str | None, **entries: str) -> Path:
    model = conv(out=(1, 4, 6, 6))
    weight = model.graph.initializer[0]
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    for key, value in {"location": location, "offset": "0", "length": "432", **entries}.items():
        if value is not None:
            weight.external_data.add(key=key, value=value)
    return write(path, model)


@pytest.mark.parametrize(
    "location", ["w.bin", "./w.bin", "deep/er/w.bin", "model.onnx", "_model.onnx", "net.onnx.data"]
)
def test_external_data_come_along_and_nothing_is_overwritten(tmp_path, location):
    data = conv().graph.initializer[0].raw_data
    folder = tmp_path / "model"
    (folder / location).parent.mkdir(parents=True)
    path = external(folder / "net.onnx", location)
    before = path.read_bytes()
    (folder / location).write_bytes(data)
    model = export(path, tmp_path)
    assert isinstance(model, OnnxModel)
    assert len(model.external) == 1
    assert model.external[0].read_bytes() == data
    onnx.load(model.path)  # with the data, which onnx refuses where they have several hard links
    assert (path.read_bytes(), (folder / location).read_bytes()) == (before, data)
    assert runs(model) == [(1, 4, 6, 6)]


def test_the_content_of_external_data_makes_another_case(tmp_path):
    path = external(tmp_path / "net.onnx", "w.bin")
    spec, found = FileSpec("case", path), []
    for fill in (b"\0", b"\1"):
        (tmp_path / "w.bin").write_bytes(fill * 432)
        found.append((FileExporter().version(spec), export(path, tmp_path).sha256))
    assert found[0][0] != found[1][0]
    assert found[0][1] != found[1][1]


@pytest.mark.parametrize(
    "location", ["/etc/passwd", "../secret.bin", "a/../../secret.bin", "link.bin", "folder/secret.bin"]
)
@pytest.mark.parametrize("place", ["weight", "constant", "branch", "function"])
def test_external_data_outside_the_folder_are_never_read(tmp_path, location, place):
    folder = tmp_path / "model"
    folder.mkdir()
    secret = tmp_path / "secret.bin"
    os.mkfifo(secret)  # reading it would hang
    (folder / "link.bin").symlink_to(secret)
    (folder / "folder").symlink_to(tmp_path)
    path = external(folder / "net.onnx", location)
    move_weight(path, place)
    failure = refused(path, tmp_path)
    assert failure.failure_class is FailureClass.EXTERNAL_DATA
    assert "outside the model's folder" in failure.message
    assert location in failure.message


def move_weight(path, place):
    model = onnx.load(path, load_external_data=False)
    tensor = model.graph.initializer[0]
    constant = helper.make_node("Constant", [], ["k"], value=tensor)
    if place == "constant":
        model.graph.node.insert(0, constant)
    if place == "branch":
        k = helper.make_empty_tensor_value_info("k")
        graphs = {
            name: helper.make_graph([constant], name, [], [k]) for name in ("then_branch", "else_branch")
        }
        model.graph.node.insert(0, helper.make_node("If", ["w"], ["v"], **graphs))
    if place == "function":
        model.functions.append(helper.make_function("mine", "F", [], ["k"], [constant], model.opset_import))
    if place != "weight":
        del model.graph.initializer[0]
    write(path, model)


@pytest.mark.parametrize(
    ("entries", "size", "words"),
    [
        ({}, None, "'w.bin' is not there"),
        ({}, 431, "'w.bin' ends at 431 bytes"),
        ({"offset": "4"}, 432, "which end at 436"),
        ({"length": None}, 431, "which end at 432"),
        ({"offset": "-4"}, 432, "no number of bytes"),
        ({"length": "many"}, 432, "no number of bytes"),
        ({"location": None}, 432, "names no file"),
        ({"location": ""}, 432, "names no file"),
        ({"location": "."}, 432, "no regular file"),
        ({"location": "w.bin/more"}, 432, "is not there"),
        ({"location": "n" * 5000}, 432, "cannot be read"),
        ({"location": "a\0b"}, 432, "cannot be read"),
        ({"location": "new\nline"}, 432, r"'new\nline' is not there"),
    ],
)
def test_external_data_that_cannot_be_used_are_named(tmp_path, entries, size, words):
    if size is not None:
        (tmp_path / "w.bin").write_bytes(bytes(size))
    failure = refused(external(tmp_path / "net.onnx", **{"location": "w.bin", **entries}), tmp_path)
    assert failure.failure_class is FailureClass.EXTERNAL_DATA
    assert words in failure.message


def test_a_name_is_only_a_name(tmp_path):
    for name in (
        "a b;'\".onnx",
        "<script>.onnx",
        "x" * 200 + ".onnx",
        "ن\u202e.onnx",
        "two\nlines.onnx",
        "\udcff.onnx",
    ):
        work = Path(tempfile.mkdtemp(dir=tmp_path))
        model = FileExporter().export(
            FileSpec(f"../{name}\0", write(tmp_path / name)), work, tmp_path / "log"
        )
        assert isinstance(model, OnnxModel)
        assert model.path == work / "model.onnx"
        (tmp_path / name).write_bytes(b"")
        assert "is empty" in refused(tmp_path / name, tmp_path).message


def test_a_file_that_onnx_hangs_on_is_ended_at_the_deadline(tmp_path):
    os.mkfifo(tmp_path / "model.onnx")
    failure = describe_apart(tmp_path / "model.onnx", "case", "", tmp_path / "log", deadline_s=0.5)
    assert failure.failure_class is FailureClass.HANG


@pytest.mark.parametrize(
    ("last_words", "failure_class"),
    [
        ("os.kill(os.getpid(), signal.SIGSEGV)", FailureClass.CRASH),
        ("os.kill(os.getpid(), signal.SIGKILL)", FailureClass.KILLED),
        ("sys.exit(3)", FailureClass.EXPORT_FAILED),
    ],
)
def test_a_file_that_onnx_crashes_on_is_a_failure(tmp_path, monkeypatch, last_words, failure_class):
    fatal = tmp_path / "python"
    fatal.write_text(f"#!{apart.sys.executable}\nimport os, signal, sys\n{last_words}\n")
    fatal.chmod(0o755)
    monkeypatch.setattr(apart.sys, "executable", str(fatal))
    failure = describe_apart(write(tmp_path / "model.onnx"), "case", "", tmp_path / "log")
    assert failure.failure_class is failure_class


damage = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=5)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(damage, st.floats(0, 1), st.booleans(), st.booleans())
def test_damaged_files_give_a_model_or_a_failure(tmp_path, flips, end, cut, external_weight):
    path = tmp_path / "net.onnx"
    if external_weight:
        (tmp_path / "w.bin").write_bytes(bytes(432))
        external(path, "w.bin")
    raw = bytearray(path.read_bytes() if external_weight else conv().SerializeToString())
    for place, byte in flips:
        raw[int(place * len(raw))] = byte
    path.write_bytes(bytes(raw[: int(end * len(raw))] if cut else raw))
    with tempfile.TemporaryDirectory(dir=tmp_path) as work:
        spec = FileSpec("case", path)
        assert FileExporter().version(spec) == FileExporter().version(spec)
        outcome = bring(spec, Path(work))
        if not isinstance(outcome, Failure):
            outcome = describe(outcome.path, "case")
    assert isinstance(outcome, OnnxModel) or outcome.message.isprintable()


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(damage.filter(bool))
def test_damaged_files_never_raise_out_of_the_exporter(tmp_path, flips):
    raw = bytearray(conv().SerializeToString())
    for place, byte in flips:
        raw[int(place * len(raw))] = byte
    (tmp_path / "net.onnx").write_bytes(bytes(raw))
    assert isinstance(export(tmp_path / "net.onnx", tmp_path), OnnxModel | Failure)


def test_half_a_byte_of_4_bit_weights_takes_a_whole_one(tmp_path):
    weight = helper.make_tensor("w", TensorProto.INT4, (5,), b"\0" * 3, raw=True)
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    weight.external_data.add(key="location", value="w.bin")
    model = helper.make_model(helper.make_graph([], "g", [], [], [weight]))
    for size, whole in ((3, True), (2, False)):
        (tmp_path / "w.bin").write_bytes(b"\0" * size)
        found = external_files(model, tmp_path / "net.onnx")
        assert isinstance(found, tuple) is whole, found
