"""`npubench baseline` and `npubench prune`: rows under a name that stays, and what may go."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from npubench.cli.options import Number, print_records, say, shared_options

if TYPE_CHECKING:
    from npubench.storage.retention import Pruned


@click.group()
def baseline() -> None:
    """Name the rows of now, to compare with later: `npubench compare baseline latest`."""


@baseline.command("set")
@click.argument("name")
@click.argument("run", default="latest")
@shared_options("out")
def set_(name: str, run: str, out: Path) -> int:
    """Call the newest row of every case, as of RUN (`latest`, `previous` or a run's name), NAME.

    A NAME that is set again moves. Rows of a baseline are never pruned.
    """
    from npubench.cli.compare import run_meant
    from npubench.domain.text import counted
    from npubench.storage.baselines import Baseline, set_baseline
    from npubench.storage.gates import now
    from npubench.storage.store import Store

    with Store.read(out / "results.db") as store:
        run_id = run_meant(store, run)
        revision = store.last_of(run_id)
        rows = len(store.newest_ids(revision))
    set_baseline(out, Baseline(name, run_id, revision, now()))
    say(f"{name}: {counted(rows, 'row')} up to run {run_id}")
    return 0


@baseline.command("list")
@shared_options("json", "out")
def list_(as_json: bool, out: Path) -> int:
    """List baselines; the last one is what `baseline` means."""
    from npubench.storage.baselines import read_baselines

    found = read_baselines(out)
    print_records([{**asdict(one), "revision": str(one.revision)} for one in found], as_json)
    if not found and not as_json:
        say("no baseline: set one with `npubench baseline set NAME`")
    return 0


@baseline.command()
@click.argument("name")
@shared_options("out")
def remove(name: str, out: Path) -> int:
    """Forget NAME; its rows stay until they are pruned."""
    from npubench.storage.baselines import remove_baseline

    remove_baseline(out, name)
    return 0


@click.command()
@click.option("--keep-runs", type=click.IntRange(1), help="The newest so many runs stay.")
@click.option("--keep-days", type=Number(0), help="Rows of so many days stay.")
@click.option("--dry-run", is_flag=True, help="Say what would go, and stop.")
@shared_options("out")
def prune(keep_runs: int | None, keep_days: float | None, dry_run: bool, out: Path) -> int:
    """Remove rows of old runs, their logs and samples, and artifacts that no other row names.

    The newest row of every case stays, and so does every row that a baseline names. With both options a row
    goes when neither keeps it.
    """
    from npubench.domain.errors import UsageError
    from npubench.engine.plan import RunOptions
    from npubench.engine.session import RunSession, SessionStage, run_session
    from npubench.storage.baselines import read_baselines
    from npubench.storage.retention import Pruned, Retention, to_prune
    from npubench.storage.retention import prune as remove_all
    from npubench.storage.store import Store

    if keep_runs is None and keep_days is None:
        raise UsageError("say what stays: --keep-runs 30, --keep-days 90, or both")
    retention, baselines = Retention(keep_runs, keep_days), read_baselines(out)
    with Store.read(out / "results.db") as store:
        found = to_prune(store, out, baselines, retention)
    if dry_run:
        click.echo(f"would remove {_told(found)}")
        return 0

    def remove_stage(session: RunSession) -> Pruned:
        # Counted again under the lock: a run may have ended meanwhile.
        root = session.workspace.root
        going = to_prune(session.store, root, read_baselines(root), retention)
        remove_all(session.store, root, going)
        return going

    given = run_session(RunOptions(out=out), (SessionStage(remove_stage, gives=Pruned),))
    click.echo(f"removed {_told(given[Pruned])}")
    return 0


def _told(found: "Pruned") -> str:
    from npubench.domain.text import counted

    rows, runs = counted(len(found.rows), "row"), counted(found.runs, "run")
    files, folders = counted(len(found.files), "file"), counted(len(found.folders), "folder")
    size = f"{found.bytes / 1e6:.1f} MB"
    return f"{rows}, all of {runs}, with {files} and {folders} of artifacts and models: {size}"
