import os
from pathlib import Path

import pytest

from npubench.domain.errors import WorkspaceError
from npubench.storage.files import write_atomically
from npubench.storage.hashing import sha256_of_file
from npubench.storage.workspace import Workspace
from tests.fakes import FakeBackend, model


@pytest.fixture
def workspace(tmp_path):
    workspace = Workspace(tmp_path / "out")
    workspace.create()
    return workspace


def made(workspace, text="a model"):
    with workspace.job_folder() as folder:
        (folder / "model.onnx").write_text(text)
        return workspace.keep_onnx("key", model(folder / "model.onnx"))


def test_what_is_kept_lies_under_its_hash(workspace):
    kept = made(workspace)
    assert kept.path == workspace.root / "onnx" / kept.sha256 / "model.onnx"
    assert sha256_of_file(kept.path) == kept.sha256
    assert workspace.find_onnx("key") == kept
    assert workspace.find_onnx("other") is None


def test_a_file_that_changed_is_not_taken_for_what_it_was(workspace):
    kept = made(workspace)
    kept.path.unlink()
    kept.path.write_text("something else")
    assert workspace.find_onnx("key") is None


def test_a_job_s_folder_is_kept_whole_where_it_holds_the_model_alone(workspace):
    with workspace.job_folder() as folder:
        (folder / "model.onnx").write_text("a model")
        kept = workspace.keep_onnx("key", model(folder / "model.onnx"), whole=True)
        assert not folder.exists()
    assert kept.path.read_text() == "a model"
    assert workspace.find_onnx("key") == kept
    with workspace.job_folder() as folder:
        (folder / "model.onnx").write_text("another")
        (folder / "scratch").write_text("of the exporter")
        kept = workspace.keep_onnx("other", model(folder / "model.onnx"), whole=True)
        assert folder.exists()
    assert [file.name for file in kept.path.parent.iterdir()] == ["model.onnx"]


def test_what_is_not_whole_under_a_hash_is_replaced(workspace):
    kept = made(workspace)
    kept.path.unlink()
    (kept.path.parent / "left").touch()
    assert made(workspace).path.read_text() == "a model"
    assert not (kept.path.parent / "left").exists()


def test_external_data_keep_their_place_beside_the_model(workspace):
    with workspace.job_folder() as folder:
        (folder / "model.onnx").write_text("m")
        (folder / "weights").mkdir()
        (folder / "weights/w.bin").write_text("w")
        from dataclasses import replace

        source = replace(model(folder / "model.onnx"), external=(folder / "weights/w.bin",))
        kept = workspace.keep_onnx("key", source)
    assert kept.external == (kept.path.parent / "weights/w.bin",)
    assert kept.external[0].read_text() == "w"
    kept.external[0].unlink()
    assert workspace.find_onnx("key") is None


def test_a_workspace_may_be_moved(workspace, tmp_path):
    kept = made(workspace)
    workspace.root.rename(tmp_path / "moved")
    found = Workspace(tmp_path / "moved").find_onnx("key")
    assert found is not None
    assert found.path == tmp_path / "moved/onnx" / kept.sha256 / "model.onnx"


def test_artifacts_are_kept_with_their_model(workspace, tmp_path):
    from npubench.domain.specs import CalibrationSpec, Precision, Target

    onnx = made(workspace)
    target = Target("chip", Precision.INT8, {}, CalibrationSpec(), 10.0)
    with workspace.job_folder() as folder:
        artifact = FakeBackend().compile(onnx, target, folder, tmp_path / "log")
        kept = workspace.keep_artifact("akey", artifact)
    assert workspace.find_artifact("akey") == kept
    assert kept.onnx == onnx


def test_two_models_that_compile_to_one_file_keep_what_lies_beside_it(workspace, tmp_path):
    from dataclasses import replace

    from npubench.domain.specs import CalibrationSpec, Precision, Target

    onnx = made(workspace)
    target = Target("chip", Precision.INT8, {}, CalibrationSpec(), 10.0)
    for name in ("one", "two"):
        with workspace.job_folder() as folder:
            artifact = FakeBackend().compile(onnx, target, folder, tmp_path / "log")
            (folder / "tool.log").write_text(name)
            workspace.keep_artifact(name, replace(artifact, extras=(folder / "tool.log",)))
    for name in ("one", "two", "one"):
        assert workspace.find_artifact(name).extras[0].read_text() == name


def test_job_folders_are_private_new_and_gone_afterwards(workspace):
    with workspace.job_folder() as one, workspace.job_folder() as two:
        assert one != two
        assert not list(one.iterdir())
        assert one.stat().st_mode & 0o077 == 0
    assert not one.exists()


def test_a_second_run_learns_who_holds_the_workspace(workspace):
    with (
        workspace.lock(),
        pytest.raises(WorkspaceError, match=f"in use by process {os.getpid()}"),
        workspace.lock(),
    ):
        pass
    with workspace.lock():
        pass


def test_what_a_killed_run_left_in_tmp_is_cleared(workspace):
    (workspace.root / "tmp/leftover").mkdir()
    with workspace.lock():
        assert list((workspace.root / "tmp").iterdir()) == []


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "a/b", ".", "", "\0", "x" * 300, "<script>", "نا", "a b"]
)
def test_no_name_leads_a_log_astray(workspace, name):
    log = workspace.log_file("run", "board", name)
    log.write_text("fits into the file system")
    assert log.parent == workspace.root / "logs" / "run"


def test_names_that_look_alike_get_logs_of_their_own(workspace):
    assert workspace.log_file("run", "a b") != workspace.log_file("run", "a_b")


def test_a_file_in_the_way_is_one_line(tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(WorkspaceError, match="cannot write to"):
        Workspace(tmp_path / "out").create()


def test_an_atomic_write_leaves_nothing_beside_it(tmp_path):
    target = tmp_path / "page"
    write_atomically(target, "old")
    write_atomically(target, "new")
    assert target.read_text() == "new"
    assert list(tmp_path.iterdir()) == [Path(target)]
