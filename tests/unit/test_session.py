"""A command's stages: what each needs is there, and the workspace is let go of whatever happens."""

import threading

import pytest

from npubench.domain.errors import WorkspaceError
from npubench.engine.plan import RunOptions
from npubench.engine.session import Note, SessionStage, Tasks, check_stages, run_session
from npubench.storage.store import Store
from npubench.storage.workspace import Workspace
from npubench.tools import process


class Rows(list):
    """What one stage gives."""


class Count(int):
    """What another makes of it."""


COUNT = SessionStage(lambda _session, rows: Count(len(rows)), gives=Count, needs=(Rows,))


def test_a_stage_gets_what_the_ones_before_gave(tmp_path):
    rows = SessionStage(lambda session: Rows([session.workspace.root]), gives=Rows)
    given = run_session(RunOptions(out=tmp_path), (rows, COUNT))
    assert (given[Rows], given[Count]) == ([tmp_path], 1)


def test_stages_in_a_wrong_order_are_refused_before_anything_is_made(tmp_path):
    rows = SessionStage(lambda _session: Rows(), gives=Rows)
    with pytest.raises(ValueError, match="no stage before Count gives Rows"):
        run_session(RunOptions(out=tmp_path / "out"), (COUNT, rows))
    assert not (tmp_path / "out").exists()


def test_a_failing_stage_lets_go_of_lock_rows_and_listener(tmp_path):
    ended = []

    class Listening:
        def __enter__(self):
            return ended.append

        def __exit__(self, *_error):
            ended.append("closed")

    def fail(session):
        with pytest.raises(WorkspaceError, match="in use"), Workspace(tmp_path).lock():
            pass
        session.announce(Note("now"))
        raise KeyboardInterrupt

    stages = (SessionStage(fail, gives=Rows),)
    with pytest.raises(KeyboardInterrupt):
        run_session(RunOptions(out=tmp_path), stages, listener=Listening())
    assert ended == [Note("now"), "closed"]
    with Workspace(tmp_path).lock(), Store.read(tmp_path / "results.db") as store:
        assert store.latest() == []


def test_a_command_without_rows_makes_no_table(tmp_path):
    rows = SessionStage(lambda session: Rows([session.results]), gives=Rows)
    given = run_session(RunOptions(out=tmp_path), (rows,), stored=False)
    assert given[Rows] == [None]
    assert not (tmp_path / "results.db").exists()


def test_every_commands_stages_fit_together(tmp_path):
    from npubench.cli.report import page_stage
    from npubench.domain.specs import CalibrationSpec
    from npubench.engine.accuracy import AccuracyOptions, accuracy_stages
    from npubench.engine.deliver import delivery
    from npubench.engine.job import export_only
    from npubench.engine.run import MEASURE

    options = AccuracyOptions(RunOptions(), tmp_path, CalibrationSpec())
    for stages in ((MEASURE, page_stage()), (delivery(tmp_path, export_only),), accuracy_stages(options)):
        check_stages(stages)


def test_an_error_stops_processes_and_what_has_not_begun():
    began, freed, begun = threading.Event(), threading.Event(), []
    futures = []

    def wait():
        began.set()
        freed.wait()
        return process.stopping()

    def start_two_and_fail():
        with Tasks(on_stop=freed.set) as tasks:
            pool = tasks.pool("one", 1)
            futures.append(tasks.start(pool, wait))
            futures.append(tasks.start(pool, begun.append, "second"))
            began.wait()
            raise LookupError

    try:
        with pytest.raises(LookupError):
            start_two_and_fail()
    finally:
        process.reset()
    first, second = futures
    assert first.result() is True
    assert second.cancelled()
    assert begun == []
