"""Two exports that want one file."""

import shutil

import onnx
from click.testing import CliRunner
from onnx import TensorProto, helper

from npubench.cli import npubench


def write(path, op):
    path.parent.mkdir(parents=True, exist_ok=True)
    graph = helper.make_graph(
        [helper.make_node(op, ["x"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 4])],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)


def export(folder, *files):
    words = ["export", *map(str, files), "--jobs", "1", "--out", str(folder / "out")]
    return CliRunner().invoke(npubench, words, standalone_mode=False)


def test_the_second_one_of_other_content_is_a_failure_and_the_first_file_stays(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    # Names of one stem become paths, and as file names both are a_net.onnx.
    write(tmp_path / "a" / "net.onnx", "Relu")
    write(tmp_path / "net.onnx", "Relu")
    write(tmp_path / "a_net.onnx", "Abs")
    write(tmp_path / "b" / "a_net.onnx", "Abs")
    done = export(tmp_path, "a/net.onnx", "a_net.onnx", "net.onnx", "b/a_net.onnx")
    assert "with other content" in done.output
    assert "3 of 4 written" in done.output


def test_the_same_content_twice_is_no_failure(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "a" / "net.onnx", "Relu")
    for name in ("net.onnx", "a_net.onnx", "b/a_net.onnx"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(tmp_path / "a" / "net.onnx", tmp_path / name)
    done = export(tmp_path, "a/net.onnx", "a_net.onnx", "net.onnx", "b/a_net.onnx")
    assert "4 of 4 written" in done.output


def test_what_cannot_be_exported_says_so_in_its_log_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.onnx").write_bytes(b"no model")
    done = export(tmp_path, "broken.onnx")
    assert "0 of 1 written" in done.output
    (log,) = (tmp_path / "out" / ".npubench" / "logs").rglob("*.log")
    assert log.read_text().count("# export failed: invalid_model: ") == 1
