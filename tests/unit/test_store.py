import json
import sqlite3
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner

from npubench.cli import npubench
from npubench.domain.errors import UsageError, WorkspaceError
from npubench.domain.records import Failure, FailureClass, Result, Stage, Status
from npubench.domain.specs import CaseKind, Precision
from npubench.storage.store import FORMAT, Store


def result(key="k", case="a", status=Status.OK, failure=None, **more):
    return Result(
        **{
            "key": key,
            "run_id": "r",
            "started_at": "2026-01-01T00:00:00+00:00",
            "duration_s": 1.0,
            "board": "desk",
            "chip": "chip",
            "backend": "fake",
            "tools": {},
            "case": case,
            "case_kind": CaseKind.MODEL,
            "precision": Precision.FP32,
            "status": status,
            "failure": failure,
            **more,
        }
    )


def failed(failure_class, **more):
    failure = Failure(Stage.MEASURE, failure_class, "why", ("TopK",))
    return result(status=Status.FAILED, failure=failure, **more)


@pytest.fixture
def store(tmp_path):
    store = Store.create(tmp_path / "results.db")
    yield store
    store.close()


def test_rows_come_back_as_they_were(store):
    row = failed(FailureClass.CRASH, case="<script>'; drop table results; --")
    store.append(row)
    assert store.latest() == [row]


def test_the_newest_row_of_a_case_counts(store):
    store.append(result("old"))
    store.append(result("new"))
    store.append(result("b", case="b"))
    assert [row.key for row in store.latest()] == ["new", "b"]
    assert [row.key for row in store.latest(case="a")] == ["new"]
    assert store.latest(board="other") == []
    assert store.case_names() == ["a", "b"]


def test_final_keys_leave_out_what_says_nothing_about_the_case(store):
    store.append(result("ok"))
    store.append(failed(FailureClass.UNSUPPORTED_OPERATOR, key="operator"))
    store.append(failed(FailureClass.BOARD_LOST, key="lost"))
    assert store.final_keys() == {"ok": "ok", "operator": "failed"}
    store.append(result("lost"))
    assert store.final_keys()["lost"] == "ok"


def test_failed_looks_at_the_newest_row_of_each_key(store):
    store.append(failed(FailureClass.CRASH, key="mended"))
    store.append(result("mended"))
    store.append(failed(FailureClass.CRASH, key="broken"))
    assert [row.key for row in store.failed({"mended", "broken"})] == ["broken"]
    assert store.failed({"other"}) == []


def test_revision_grows_with_rows(store):
    before = store.revision()
    store.append(result())
    assert store.revision() > before


def test_many_threads_may_append(store):
    def append(start):
        for i in range(50):
            store.append(result(f"{start}-{i}", case=f"{start}-{i}"))

    threads = [threading.Thread(target=append, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(store.latest()) == 200


def test_a_reader_sees_rows_while_the_writer_is_open(store):
    store.append(result())
    reader = Store.read(store.path)
    assert len(reader.latest()) == 1
    reader.close()


def test_no_results_is_one_line(tmp_path):
    with pytest.raises(UsageError, match="no results at"):
        Store.read(tmp_path / "results.db")


def test_a_file_that_is_no_database_is_one_line(tmp_path):
    (tmp_path / "results.db").write_text("not a database, though long enough to be looked at" * 50)
    with pytest.raises(WorkspaceError, match="not a database"):
        Store.read(tmp_path / "results.db")


def test_a_newer_format_is_not_guessed_at(tmp_path):
    with sqlite3.connect(tmp_path / "results.db") as connection:
        connection.execute(f"PRAGMA user_version={FORMAT + 1}")
    for open_store in (Store.read, Store.create):
        with pytest.raises(UsageError, match="newer npubench"):
            open_store(tmp_path / "results.db")


def test_a_hang_is_final_until_it_is_given_more_time(store):
    store.append(failed(FailureClass.HANG, key="slow", protocol={"deadline_s": 60.0}))
    store.append(failed(FailureClass.CRASH, key="crash", protocol={"deadline_s": 60.0}))
    assert set(store.final_keys(60.0)) == {"slow", "crash"}
    assert set(store.final_keys(30.0)) == {"slow", "crash"}
    assert set(store.final_keys(61.0)) == {"crash"}


def test_a_file_of_a_run_that_was_killed_at_once_holds_nothing(tmp_path):
    path = tmp_path / "results.db"
    sqlite3.connect(path).execute("PRAGMA journal_mode=WAL").connection.close()
    assert path.stat().st_size > 0
    reader = Store.read(path)
    assert (reader.final_keys(), reader.latest()) == ({}, [])
    reader.close()
    store = Store.create(path)
    store.append(result())
    assert len(store.latest()) == 1
    store.close()


FIRST_VERSION = Path(__file__).parent.parent / "data" / "stores" / "first-version.sql"


@pytest.fixture
def first_version(tmp_path):
    """A folder whose results the first version with a store wrote."""
    connection = sqlite3.connect(tmp_path / "results.db")
    connection.executescript(FIRST_VERSION.read_text())
    connection.close()
    return tmp_path


def test_rows_of_the_first_version_are_read(first_version):
    store = Store.read(first_version / "results.db")
    timed, refused, skipped = store.latest()
    assert (timed.case, timed.figures.latency_us.p50, timed.board_before.hostname) == (
        "resnet18",
        1510.25,
        "old-bench",
    )
    # What came later is not known of it, and not made up.
    assert (timed.npubench_version, timed.op, dict(timed.exported), timed.figures.origin) == (
        "",
        "",
        {},
        None,
    )
    assert refused.failure.operators == ("TopK",)
    assert skipped.skip_reason == "does not apply"
    store.close()


def test_rows_of_the_first_version_are_shown_and_appended_to(first_version):
    shown = CliRunner().invoke(npubench, ["results", "--json", "--out", str(first_version)])
    assert (shown.exit_code, len(json.loads(shown.stdout))) == (0, 3)
    page = CliRunner().invoke(npubench, ["report", "--out", str(first_version)])
    assert page.exit_code == 0
    text = (first_version / "report.html").read_text(encoding="utf-8")
    assert "old-bench" in text
    assert "no TopK" in text
    store = Store.create(first_version / "results.db")
    store.append(result(case="resnet18", board="local"))
    assert len(store.rows()) == 4
    store.close()


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (
            '{"case": "x", "npubench_version": "0.0.1"}',
            ("'x', by npubench 0.0.1", "key: is missing; run_id: is missing"),
        ),
        (
            '{"case": "x", "precision": "fp9"}',
            ("'x', by npubench unknown", "key: is missing", "precision: must be 'fp32'"),
        ),
        ("not json", ("a row does not read", "JSON is malformed")),
        ("[]", ("a row does not read",)),
    ],
)
def test_a_row_that_cannot_be_read_is_one_line_that_says_what_to_do(store, row, words):
    store.append(result())
    store._connection.execute("UPDATE results SET row = ?", (row,))
    for read in (store.latest, store.rows):
        with pytest.raises(WorkspaceError) as caught:
            read()
        said = str(caught.value)
        assert "\n" not in said
        for word in (*words, str(store.path), "or run its cases again into another --out"):
            assert word in said


def test_a_database_of_something_else_is_neither_empty_nor_written_to(tmp_path):
    path = tmp_path / "results.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE songs (name TEXT)")
    for open_store in (Store.read, Store.create):
        with pytest.raises(UsageError, match="database of something else"):
            open_store(path)
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("songs",)]
