"""What `npubench convert` puts into a folder when it converts several cases: every one keeps its own files."""

from dataclasses import replace
from pathlib import Path

import pytest

from npubench.cli import main
from npubench.engine import plugins
from npubench.tools import process
from tests.fakes import FakeBackend
from tests.integration.test_export_collisions import write


class LeavesMore(FakeBackend):
    """A toolchain with a part that its artifact needs, and a log: both tell of the model."""

    def __init__(self, file, part):
        super().__init__()
        self.file, self.part = file, part

    def compile(self, model, target, workdir, log):
        made = super().compile(model, target, workdir, log)
        told = " ".join(model.operators)
        file, part, tool_log = (workdir / name for name in (self.file, self.part, "report/tool.log"))
        tool_log.parent.mkdir()
        file.write_text(f"artifact of {told}")
        part.write_text(f"weights of {told}")
        tool_log.write_text(f"log of {told}")
        return replace(made, path=file, sha256=told, extras=(part, tool_log), parts=(part,))


@pytest.fixture
def convert(tmp_path, monkeypatch, capsys):
    for op in ("Relu", "Abs"):
        write(tmp_path / f"{op}.onnx", op)

    def run(file, part):
        monkeypatch.setattr(plugins, "backend_of", lambda *_: LeavesMore(file, part))
        files = [str(tmp_path / f"{op}.onnx") for op in ("Relu", "Abs")]
        code = main(["convert", *files, "--board", "rk3588", "--jobs", "1", "--out", str(tmp_path / "out")])
        return code, capsys.readouterr().err

    yield run
    process.reset()


def test_every_case_keeps_its_log_and_the_weights_that_its_artifact_looks_for(convert, tmp_path):
    code, said = convert("model.xml", "model.bin")
    assert code == 0, said
    for op in ("Relu", "Abs"):
        stem = f"{tmp_path}/out/{op}.rk3588.int8"
        for ending, what in (("xml", "artifact"), ("bin", "weights"), ("report/tool.log", "log")):
            assert Path(f"{stem}.{ending}").read_text() == f"{what} of {op}"
    written = {str(f.relative_to(tmp_path / "out")) for f in (tmp_path / "out").glob("[!.]*")}
    assert all(name.startswith(("Relu.rk3588.int8.", "Abs.rk3588.int8.")) for name in written)


def test_data_that_an_onnx_file_names_stays_the_first_one_s(convert, tmp_path):
    code, said = convert("model.onnx", "model.data")
    assert code == 1
    assert "model.data holds Relu already, with other content: give one of them another --out" in said
    assert (tmp_path / "out/Relu.rk3588.int8.onnx").read_text() == "artifact of Relu"
    assert (tmp_path / "out/model.data").read_text() == "weights of Relu"
    assert not (tmp_path / "out/Abs.rk3588.int8.onnx").exists()
