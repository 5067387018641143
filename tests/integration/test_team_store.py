"""Rows of a team in a real PostgreSQL: pushed, pulled, merged, from old folders, by many at once."""

import concurrent.futures
import json
import sqlite3
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from npubench.domain.errors import UsageError, WorkspaceError
from npubench.storage.json import encode
from npubench.storage.store import Store
from npubench.storage.team.exchange import exchange, opened
from npubench.storage.team.identity import StoredRow, identity_of, stored_row
from npubench.storage.team.question import Question
from npubench.storage.team.store import TeamStore, url_of
from npubench.storage.workspace import Workspace
from tests import postgres, sample_results
from tests.commands import npubench

OLD = sorted((Path(__file__).parents[1] / "data" / "stores").glob("*.sql"))


@pytest.fixture(scope="module")
def cluster():
    # A socket's path is at most 107 bytes long, so not below pytest's folder.
    with tempfile.TemporaryDirectory(prefix="npu-pg-") as folder, postgres.server(Path(folder)) as url:
        yield url


@pytest.fixture
def url(cluster, request):
    """A database of the test's own."""
    import sqlalchemy

    name = f"t{abs(hash(request.node.nodeid))}"
    engine = sqlalchemy.create_engine(url_of(cluster), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sqlalchemy.text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return cluster.replace("/postgres?", f"/{name}?")


def folder_of(path, rows):
    workspace = Workspace(path)
    workspace.create()
    with Store.create(workspace.database) as store:
        for row in rows:
            store.append(row)
    return path


def row(number, **more):
    at = f"2026-11-{1 + number // 1440:02}T{number // 60 % 24:02}:{number % 60:02}:00+00:00"
    return replace(
        sample_results.result(), case=f"case{number % 7}", started_at=at, run_id=f"run{number}", **more
    )


def test_what_is_pushed_is_pulled_whole_and_once(url, tmp_path):
    rows = [row(number) for number in range(20)]
    here = folder_of(tmp_path / "here", rows)
    first = exchange(str(here), url)
    again = exchange(str(here), url)
    assert (first.found, first.added, again.added) == (20, 20, 0)
    back = exchange(url, str(tmp_path / "there"))
    assert first.digest == again.digest == back.digest
    with Store.read(tmp_path / "there" / "results.db") as store:
        assert store.rows() == rows


def test_stores_that_merge_in_any_order_are_equal(url, tmp_path):
    a = folder_of(tmp_path / "a", [row(number) for number in range(0, 9)])
    b = folder_of(tmp_path / "b", [row(number) for number in range(5, 14)])
    exchange(str(a), url)
    one = exchange(str(b), url).digest
    exchange(str(b), str(tmp_path / "c"))
    other = exchange(str(a), str(tmp_path / "c")).digest
    assert one == other
    with opened(str(a), write=False) as read:
        assert read.digest() != one


def test_an_older_row_that_is_pulled_is_not_the_newest(url, tmp_path):
    newer, older = row(100), row(2)
    assert newer.case == older.case
    exchange(str(folder_of(tmp_path / "other", [older])), url)
    here = folder_of(tmp_path / "here", [newer])
    exchange(url, str(here))
    with Store.read(here / "results.db") as store:
        assert [one.run_id for one in store.rows()] == ["run2", "run100"]
        assert [one.run_id for one in store.latest()] == ["run100"]


def revision_of(folder):
    with Store.read(folder / "results.db") as store:
        return store.revision()


def test_numbers_of_rows_grow_whatever_comes_in(tmp_path):
    """Pages and histories are told stale by the largest one."""
    here = folder_of(tmp_path / "here", [row(number) for number in range(10, 20)])
    with sqlite3.connect(here / "results.db") as connection:
        connection.execute("DELETE FROM results WHERE id < 6")  # as prune does
    before = revision_of(here)
    exchange(str(folder_of(tmp_path / "older", [row(number) for number in range(5)])), str(here))
    assert revision_of(here) > before
    with Store.read(here / "results.db") as store:
        points, _ = store.points()
    assert len(points) == 10
    before = revision_of(here)
    exchange(str(folder_of(tmp_path / "newer", [row(30)])), str(here))
    assert revision_of(here) == before + 1


def test_rows_that_a_baseline_holds_stay_its_rows(tmp_path):
    here = folder_of(tmp_path / "here", [row(10), row(11)])
    assert npubench("baseline", "set", "good", "--out", here).returncode == 0
    exchange(str(folder_of(tmp_path / "newer", [row(12)])), str(here))
    older = str(folder_of(tmp_path / "older", [row(1)]))
    with pytest.raises(UsageError, match="has baselines"):
        exchange(older, str(here))
    with Store.read(here / "results.db") as store:
        assert [one.run_id for one in store.rows()] == ["run10", "run11", "run12"]


@pytest.mark.parametrize("script", OLD, ids=lambda path: path.stem)
def test_rows_of_every_earlier_version_are_pushed_and_read_again(url, tmp_path, script):
    (tmp_path / "old").mkdir()
    with sqlite3.connect(tmp_path / "old" / "results.db") as connection:
        connection.executescript(script.read_text())
        connection.execute("PRAGMA user_version=1")
    pushed = exchange(str(tmp_path / "old"), url)
    assert pushed.added == pushed.found > 0
    exchange(url, str(tmp_path / "new"))
    with (
        Store.read(tmp_path / "old" / "results.db") as old,
        Store.read(tmp_path / "new" / "results.db") as new,
    ):
        assert sorted(map(encode, new.rows())) == sorted(map(encode, old.rows()))


def test_questions_of_the_database_and_of_a_folder_have_the_same_answers(url, tmp_path):
    rows = [row(number, board=f"board{number % 3}") for number in range(60)]
    here = str(folder_of(tmp_path / "here", rows))
    exchange(here, url)
    questions = (
        Question(),
        Question(case="case3"),
        Question(board="board1", newest=True),
        Question(newest=True, limit=5),
        Question(since="2026-11-01T00:30"),
        Question(run_id="run7"),
        Question(case="nothing"),
    )
    with opened(here, write=False) as folder, opened(url, write=False) as team:
        every = folder.rows()
        for asked in questions:
            assert team.rows(asked) == asked.of(every), asked
        assert len(team.rows(Question(newest=True))) == 21


def test_many_writers_at_once_lose_and_double_nothing(url):
    """More writers than the server has places, each with rows of its own and rows that all have."""
    shared = [stored(row(number)) for number in range(5)]
    TeamStore.open(url).close()

    def write(writer):
        own = [stored(row(1000 + 10 * writer + number)) for number in range(10)]
        with TeamStore.open(url) as store:
            return store.append([*own, *shared])

    with concurrent.futures.ThreadPoolExecutor(200) as pool:
        added = list(pool.map(write, range(200)))
    with TeamStore.open(url) as store:
        rows = store.rows(Question())
    assert sum(added) == len(rows) == len({one.sha256 for one in rows}) == 2005


def test_many_open_a_new_database_at_once(url):
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        stores = list(pool.map(lambda _: TeamStore.open(url), range(8)))
    assert stores[0].append([stored(row(1))]) == 1


def stored(result):
    return stored_row(result, encode(result))


@pytest.mark.parametrize(
    "name", ["nul\0here", "lone \ud800 surrogate", "'; DROP TABLE results; --", "中文 %s {x}"]
)
def test_any_name_is_kept(url, tmp_path, name):
    text = json.dumps({"case": name})
    odd = StoredRow(identity_of(text), *["x"] * 5, "case", *["x"] * 3, True, text)
    with TeamStore.open(url) as store:
        assert store.append([odd]) == 1
        (found,) = store.rows(Question())
    assert found == odd
    assert json.loads(found.row)["case"] == name


def test_a_password_in_an_address_is_refused_and_not_repeated(tmp_path):
    for place in ("postgresql://me:hunter2@host/x", "postgresql://host/x?password=hunter2"):
        done = npubench("push", place, "--out", tmp_path)
        assert done.returncode == 2
        assert "holds no password" in done.stderr
        assert "hunter2" not in done.stdout + done.stderr


def test_a_server_that_is_not_there_is_one_line(tmp_path):
    folder_of(tmp_path / "here", [row(1)])
    with pytest.raises(WorkspaceError, match=r"^cannot reach postgresql://127.0.0.1:9/x: "):
        exchange(str(tmp_path / "here"), "postgresql://nobody@127.0.0.1:9/x")


def test_a_store_of_a_newer_version_is_left_alone(url):
    import sqlalchemy

    TeamStore.open(url).close()
    engine = sqlalchemy.create_engine(url_of(url))
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(UsageError, match=r"made by a newer npubench \(step 9999\)"):
        TeamStore.open(url)


def test_tables_are_what_the_migrations_leave(url):
    """No step is missing: Alembic finds no difference between the declared tables and the made ones."""
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    from npubench.storage.team.schema import METADATA

    with TeamStore.open(url) as store, store._connected() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []


def test_the_commands_push_pull_and_compare(url, tmp_path):
    here = folder_of(tmp_path / "here", [row(number) for number in range(4)])
    pushed = npubench("push", url, "--out", here).stdout
    assert "4 rows: 4 added, 0 there already" in pushed
    there = tmp_path / "there"
    pulled = npubench("pull", url, "--out", there, "--limit", 2).stdout
    assert "2 rows: 2 added" in pulled
    merged = npubench("merge", here, there).stdout
    assert "4 rows: 2 added, 2 there already" in merged
    digests = {npubench("digest", place).stdout.strip() for place in (url, here, there)}
    assert len(digests) == 1
    assert f"digest {digests.pop()}" in pushed
