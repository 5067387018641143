"""Only regular files are opened: whoever opens a FIFO waits for its other end for ever."""

import os
from dataclasses import replace

import pytest

from npubench.boards.local import LocalSession
from npubench.domain.errors import BoardError, WorkspaceError
from npubench.domain.records import Artifact
from npubench.domain.specs import Precision
from npubench.storage.files import is_regular, open_regular, text_if_any, text_of, write_new
from npubench.storage.hashing import sha256_of_bundle, sha256_of_file
from npubench.storage.workspace import Workspace
from tests.fakes import model


def fifo(path):
    os.mkfifo(path)
    return path


def link(path):
    path.with_suffix(".target").write_text("theirs")
    path.symlink_to(path.with_suffix(".target"))
    return path


def folder(path):
    path.mkdir()
    return path


ODD = (fifo, link, folder)


@pytest.mark.parametrize("make", ODD)
def test_what_is_no_regular_file_is_not_opened(tmp_path, make):
    odd = make(tmp_path / "odd")
    assert not is_regular(odd)
    assert text_if_any(odd) == ""
    for read in (open_regular, text_of):
        with pytest.raises(OSError):  # noqa: PT011 - which one depends on what it is
            read(odd)


def test_a_users_own_link_is_followed_and_a_fifo_never(tmp_path):
    assert sha256_of_file(link(tmp_path / "link")) == sha256_of_file(tmp_path / "link.target")
    (tmp_path / "file").write_text("x")
    for call in (
        lambda: sha256_of_file(fifo(tmp_path / "a")),
        lambda: sha256_of_bundle(tmp_path / "file", [fifo(tmp_path / "b")]),
    ):
        with pytest.raises(OSError, match="regular"):
            call()


@pytest.mark.parametrize("make", ODD)
def test_writing_replaces_what_lies_there_and_goes_through_nothing(tmp_path, make):
    odd = make(tmp_path / "odd")
    write_new(odd, "ours")
    assert is_regular(odd)
    assert text_of(odd) == "ours"
    if make is link:
        assert (tmp_path / "odd.target").read_text() == "theirs"


@pytest.fixture
def artifact(tmp_path):
    base = tmp_path / "tool"
    base.mkdir()
    (base / "model.onnx").write_text("onnx")
    file = base / "model.bin"
    file.write_text("artifact")
    made = model(base / "model.onnx")
    return Artifact(file, sha256_of_file(file), 8, "fake", {}, Precision.FP32, made)


def test_an_odd_extra_is_left_out_and_the_artifact_kept(tmp_path, artifact):
    workspace = Workspace(tmp_path / "out")
    workspace.create()
    extras = tuple(make(tmp_path / "tool" / make.__name__) for make in ODD)
    log = tmp_path / "tool" / "build.log"
    log.write_text("said")
    kept = workspace.keep_artifact("key", replace(artifact, extras=(*extras, log)))
    assert [extra.name for extra in kept.extras] == ["build.log"]
    assert workspace.find_artifact("key") == kept


def test_a_fifo_is_not_kept_as_a_model(tmp_path):
    workspace = Workspace(tmp_path / "out")
    workspace.create()
    (tmp_path / "model.onnx").write_text("x")
    odd = replace(model(tmp_path / "model.onnx"), path=fifo(tmp_path / "odd.onnx"))
    with pytest.raises(WorkspaceError, match="not a regular file"):
        workspace.keep_onnx("key", odd)


def test_a_fifo_of_a_board_that_is_this_machine_is_not_fetched(tmp_path):
    odd = fifo(tmp_path / "odd")
    with pytest.raises(BoardError, match="cannot be fetched"):
        LocalSession().get(odd, tmp_path / "copy")
    with pytest.raises(BoardError):
        LocalSession().put(odd, "0" * 64)
