"""Bundles: what is carried arrives, and no changed byte is taken."""

import io
import tarfile
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from npubench.domain.errors import UsageError, WorkspaceError
from npubench.storage.hashing import sha256_of_file
from npubench.storage.store import Store
from npubench.storage.team.bundle import check, make, take
from npubench.storage.team.question import Question
from npubench.storage.workspace import Workspace
from tests import sample_results
from tests.commands import npubench


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    made = Workspace(tmp_path_factory.mktemp("bundles") / "out")
    made.create()
    with Store.create(made.database) as store:
        for number in range(3):
            log = made.log_file("run", f"case{number}")
            log.write_text(f"log {number}\n")
            name = str(log.relative_to(made.root))
            row = sample_results.result()
            row = replace(row, started_at=f"2026-03-0{number + 1}T09:00:00+00:00", case=f"case{number}")
            row = replace(row, log_path=name, log_sha256=sha256_of_file(log))
            store.append(replace(row, samples_path=None, samples_sha256=None))
    return made


@pytest.fixture(scope="module")
def bundled(workspace):
    file = workspace.root.parent / "rows.tar"
    return file, make(workspace, file, Question(), "1.2.3")


def test_a_bundle_carries_rows_and_logs(workspace, bundled, tmp_path):
    file, made = bundled
    assert (made.rows, made.files, made.missing) == (3, 3, ())
    assert check(file, made.digest[:12]) == made
    there = Workspace(tmp_path / "there")
    assert (take(file, there), take(file, there)) == (3, 0)
    with Store.read(workspace.database) as old, Store.read(there.database) as new:
        assert new.rows() == old.rows()
        for row in new.rows():
            assert (there.root / row.log_path).read_bytes() == (workspace.root / row.log_path).read_bytes()


def test_the_same_rows_make_the_same_bytes(workspace, bundled, tmp_path):
    assert make(workspace, tmp_path / "again.tar", Question(), "1.2.3").digest == bundled[1].digest


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_no_changed_byte_is_taken(bundled, tmp_path_factory, data):
    file, _ = bundled
    whole = bytearray(file.read_bytes())
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= data.draw(st.integers(1, 255))
    changed = tmp_path_factory.mktemp("changed") / "rows.tar"
    changed.write_bytes(whole)
    with pytest.raises(UsageError, match=r"rows\.tar: "):
        check(changed)


@settings(deadline=None, max_examples=50)
@given(st.data())
def test_no_cut_or_longer_bundle_is_taken(bundled, tmp_path_factory, data):
    file, _ = bundled
    whole = file.read_bytes()
    cut = data.draw(st.one_of(st.integers(0, len(whole) - 1), st.just(len(whole))))
    text = whole[:cut] + (data.draw(st.binary(min_size=1, max_size=20_000)) if cut == len(whole) else b"")
    changed = tmp_path_factory.mktemp("cut") / "rows.tar"
    changed.write_bytes(text)
    with pytest.raises(UsageError, match=r"rows\.tar: "):
        check(changed)


def with_member(file, to, header, body=b""):
    """The bundle with a member more."""
    with tarfile.open(file) as old, tarfile.open(to, "w") as new:
        for one in old.getmembers():
            new.addfile(one, old.extractfile(one))
        header.size = len(body)
        new.addfile(header, io.BytesIO(body))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("../outside", tarfile.REGTYPE),
        ("/tmp/outside", tarfile.REGTYPE),
        ("logs/link", tarfile.SYMTYPE),
        ("logs/hard", tarfile.LNKTYPE),
        ("logs/device", tarfile.CHRTYPE),
        ("logs/pipe", tarfile.FIFOTYPE),
        ("results.db", tarfile.REGTYPE),
    ],
)
def test_nothing_leaves_the_folder(bundled, tmp_path, name, kind):
    header = tarfile.TarInfo(name)
    header.type, header.linkname = kind, "/etc/passwd"
    with_member(bundled[0], tmp_path / "bad.tar", header)
    with pytest.raises(UsageError, match="does not hold the files that its manifest names"):
        take(tmp_path / "bad.tar", Workspace(tmp_path / "there"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.tar"]


@pytest.mark.parametrize(
    "name", ["../up.log", "logs/../../up.log", "/abs.log", "results.db", "logs//x", "logs"]
)
def test_a_row_that_names_a_file_elsewhere_carries_none(tmp_path, name):
    there = Workspace(tmp_path / "out")
    there.create()
    (tmp_path / "up.log").write_text("secret")
    sha256 = sha256_of_file(tmp_path / "up.log")
    with Store.create(there.database) as store:
        store.append(replace(sample_results.result(), log_path=name, log_sha256=sha256, samples_path=None))
    made = make(there, tmp_path / "rows.tar", Question(), "1")
    assert (made.files, made.missing) == (0, (name,))


def test_a_log_that_changed_since_is_named_and_not_carried(workspace, tmp_path):
    copy = Workspace(tmp_path / "copy")
    take_from = tmp_path / "a.tar"
    make(workspace, take_from, Question(), "1")
    take(take_from, copy)
    log = next((copy.root / "logs").rglob("*.log"))
    log.write_text("other")
    made = make(copy, tmp_path / "b.tar", Question(), "1")
    assert made.missing == (str(log.relative_to(copy.root)),)
    with pytest.raises(WorkspaceError, match="is there and differs from the bundle's"):
        take(take_from, copy)


def test_a_bundle_of_another_digest_is_refused(bundled):
    file, _ = bundled
    with pytest.raises(UsageError, match="is not the bundle of that digest"):
        check(file, "0" * 64)


def test_the_commands_make_check_and_take(workspace, tmp_path):
    made = npubench("bundle", "make", tmp_path / "x.tar", "--case", "case1", "--out", workspace.root)
    assert made.stdout.startswith("1 row, 1 file of logs and samples\ndigest ")
    digest = made.stdout.split()[-1]
    assert npubench("bundle", "check", tmp_path / "x.tar", "--digest", digest).returncode == 0
    taken = npubench("bundle", "take", tmp_path / "x.tar", "--out", tmp_path / "there")
    assert taken.stdout == "1 row added\n"
    none = npubench("bundle", "make", tmp_path / "y.tar", "--case", "nothing", "--out", workspace.root)
    assert (none.returncode, (tmp_path / "y.tar").exists()) == (2, False)
