"""`npubench compare`: two sides of results, case by case."""

import json
import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from npubench.cli import values
from npubench.cli.options import FILE, shared_options
from npubench.domain.errors import UsageError
from npubench.domain.layout import terminal_columns
from npubench.domain.text import did_you_mean, path_meant

if TYPE_CHECKING:
    from npubench.domain.records import Result
    from npubench.reporting.compare.accuracy import Evaluation
    from npubench.reporting.compare.pairing import Side
    from npubench.storage.store import Store


@click.command()
@click.argument("a", shell_complete=values.sides)
@click.argument("b", shell_complete=values.sides)
@click.option("--fail-on", metavar="SHARE", help="Exit 1 when a case is slower by more, such as 5%.")
@click.option(
    "--fail-on-accuracy",
    metavar="FALL",
    default="0.01",
    help="With --fail-on: exit 1 when a cosine falls by more, or top-1 for sure; `off`.",
)
@click.option(
    "--require-repeat", is_flag=True, help="A regression counts when B measured it twice, else exit 6."
)
@click.option("--require-all", is_flag=True, help="With --fail-on: exit 3 when B lacks a case of A.")
@click.option("--layers", "of_layers", is_flag=True, help="Name the layers that changed, too.")
@click.option("--junit", type=FILE, help="JUnit XML for CI.")
@click.option("--markdown", type=FILE, help="Markdown for CI.")
@shared_options("json", "out")
def compare(
    a: str,
    b: str,
    fail_on: str | None,
    fail_on_accuracy: str,
    require_repeat: bool,
    require_all: bool,
    of_layers: bool,
    junit: Path | None,
    markdown: Path | None,
    as_json: bool,
    out: Path,
) -> int:
    """Compare B with A, case by case: ratio, interval, geometric mean, regressions.

    A and B are folders of results, or runs (latest, previous, or a name), baselines (`baseline` is the
    newest), boards, or tools as TOOL=VERSION of the results at OUT. Commas narrow:
    my-out,board:local,precision:int8. Different kinds of figures and emulated boards are never compared.

    Exit codes with --fail-on: 1 slower, less accurate or broken, 3 nothing to compare, 4 board or
    5 toolchain lost, 6 may be slower, not sure.
    """
    from npubench.reporting.compare import formats
    from npubench.reporting.compare.change import DEFAULT_THRESHOLD, RegressionPolicy
    from npubench.reporting.compare.comparison import compare as compare_sides
    from npubench.reporting.compare.comparison import exit_code
    from npubench.storage.files import write_atomically
    from npubench.storage.workspace import writing

    share = DEFAULT_THRESHOLD if fail_on is None else share_of(fail_on, "--fail-on")
    policy = RegressionPolicy(share, require_repeat, _fall(fail_on_accuracy))
    sides = select_side(a, out), select_side(b, out)
    found = compare_sides(*sides, policy)
    of_layer = _Layers(*sides) if of_layers else None
    code = exit_code(found, gated=fail_on is not None, require_all=require_all)
    for path, text in ((junit, formats.junit), (markdown, formats.markdown)):
        if path is not None:
            with writing(path.absolute().parent):
                path.absolute().parent.mkdir(parents=True, exist_ok=True)
                more = of_layer.markdown() if of_layer is not None and path is markdown else ""
                write_atomically(path, text(found) + more)
    if as_json:
        records = asdict(found) | (of_layer.records() if of_layer is not None else {})
        click.echo(json.dumps(records, indent=1, allow_nan=False))
    else:
        click.echo(
            formats.text(found, terminal_columns()) + (of_layer.text() if of_layer is not None else "")
        )
    return code


class _Layers:
    """The layers of both sides in each form that the command has."""

    def __init__(self, a: "Side", b: "Side") -> None:
        from npubench.reporting.layers.changes import layers_compared

        self._found, self._lacking = layers_compared(a, b)

    def text(self) -> str:
        """Below the table of cases."""
        from npubench.reporting.layers.change_text import to_text

        return f"\n{to_text(self._found, self._lacking, terminal_columns())}"

    def markdown(self) -> str:
        """Below the table of cases."""
        from npubench.reporting.layers.change_text import markdown

        return markdown(self._found, self._lacking)

    def records(self) -> dict[str, Any]:
        """What JSON has beside the comparison."""
        from npubench.reporting.data.rows import plain_value

        return {"layers": plain_value(self._found), "layers_not_compared": plain_value(self._lacking)}


def share_of(text: str, option: str) -> float:
    """A share as a user writes it: `5%`. Raises UsageError, which names the option."""
    match = re.fullmatch(r"([0-9]{1,4}(?:\.[0-9]{1,6})?) ?%", text.strip())
    if match is None:
        raise UsageError(f"{option} {text!r} is no share: write it as 5%")
    return float(match[1]) / 100


def _fall(text: str) -> float | None:
    if text.strip() == "off":
        return None
    if re.fullmatch(r"[0-9]{0,2}(?:\.[0-9]{1,9})?", text.strip()) is None or not text.strip().strip("."):
        raise UsageError(f"--fail-on-accuracy {text!r} is no fall of a cosine: write it as 0.01, or off")
    return float(text)


_WORDS = ("folder", "run", "baseline", "board", "tool", "precision", "backend")
_RUNS = ("latest", "previous")
_BASELINE = "baseline"


def select_side(text: str, out: Path) -> "Side":
    """The rows that `text` names: filters set apart by commas, `word:value` or a value that says itself.

    A value is a folder of results, a run (also `latest` and `previous`), a board, or a tool's version as
    TOOL=VERSION. Without a folder it is of the results at `out`. Raises UsageError.
    """
    from npubench.reporting.compare.pairing import Side
    from npubench.storage.store import Store

    # A folder's name may hold what sets filters apart.
    filters = [("folder", text)] if _is_folder(text) else [_split(part) for part in text.split(",")]
    folders = [Path(value) for word, value in filters if word == "folder" or (not word and _is_folder(value))]
    if len(folders) > 1:
        raise UsageError(f"{text!r} names two folders: one side is of one")
    database = _database(folders[0] if folders else out)
    named = [(word, value) for word, value in filters if not (word == "folder" or _is_folder(value, word))]
    with Store.read(database) as store:
        resolved = [(word, value) if word else _meant(value, store, out) for word, value in named]
        rows = _rows(store, resolved)
        nothing_new = _nothing_new(store) if ("run", "latest") in resolved else ""
    narrowed = frozenset(word for word, _ in resolved)
    # What was evaluated last is of no run, and says nothing of a tool's version.
    evaluated = () if narrowed & {"run", "tool", "baseline"} else _scores(database.parent, resolved)
    if not rows:
        raise UsageError(f"no row is of {text!r}: see `npubench results`")
    return Side(
        text, tuple(rows), narrowed - {"run", "tool", "baseline"}, evaluated, nothing_new, database.parent
    )


def _scores(folder: Path, filters: Sequence[tuple[str, str]]) -> "tuple[Evaluation, ...]":
    """What `npubench accuracy` last wrote into the folder of these boards, precisions and backends."""
    from npubench.engine.accuracy import REFERENCE
    from npubench.reporting.compare.accuracy import evaluation_of

    path = folder / "accuracy.json"
    if not path.is_file():
        return ()
    try:
        found = [evaluation_of(one) for one in json.loads(path.read_text(encoding="utf-8"))]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{path} is not what npubench accuracy writes: {type(error).__name__}") from error
    return tuple(
        one
        for one in found
        if one is not None
        and one.board != REFERENCE
        and all(getattr(one, word, value) == value for word, value in filters)
    )


def _split(part: str) -> tuple[str, str]:
    word, colon, value = part.strip().partition(":")
    return (word, value.strip()) if colon and word in _WORDS else ("", part.strip())


def _is_folder(value: str, word: str = "") -> bool:
    path = Path(value)
    return (not word and (path / "results.db").is_file()) or (path.name == "results.db" and path.is_file())


def _database(path: Path) -> Path:
    return path if path.name == "results.db" and path.is_file() else path / "results.db"


def _meant(value: str, store: "Store", out: Path) -> tuple[str, str]:
    """What a bare value names; one that names two things, or nothing, is told."""
    from npubench.storage.baselines import read_baselines

    runs, boards = store.runs(), store.boards()
    if value in _RUNS:
        return "run", value
    baselines = [one.name for one in read_baselines(store.path.parent)]
    if value == _BASELINE:
        return _BASELINE, value
    found = [("run", value)] if value in runs else []
    found += [(_BASELINE, value)] if value in baselines else []
    found += [("board", value)] if value in boards else []
    if "=" in value:
        found.append(("tool", value))
    if len(found) > 1:
        told = " and a ".join(word for word, _ in found), " or ".join(f"{word}:{value}" for word, _ in found)
        raise UsageError(f"{value!r} is a {told[0]}: write {told[1]}")
    if found:
        return found[0]
    word, colon, _ = value.partition(":")
    near = (
        path_meant(Path(value))
        if "/" in value
        else did_you_mean(value, [*_RUNS, *runs, *baselines, *boards], most=1)
    )
    if colon and (meant := did_you_mean(word, [f"{known}:" for known in _WORDS])):
        raise UsageError(f"{value!r} begins with no word of a side{meant}: write one of {', '.join(_WORDS)}")
    raise UsageError(
        f"{value!r} is no folder with results, and no run, board or TOOL=VERSION of {out}{near}:"
        f" boards there: {_some(boards)}; runs: {_some([*_RUNS, *runs[-3:]])}"
    )


def _rows(store: "Store", filters: Sequence[tuple[str, str]]) -> "list[Result]":
    from npubench.storage.baselines import find_baseline, read_baselines

    given = dict(filters)
    if len(given) < len(filters):
        raise UsageError("a side takes each of run, baseline, board, tool, precision and backend once")
    for word, known in (("run", [*_RUNS, *store.runs()]), ("board", store.boards())):
        if word in given and given[word] not in known:
            raise UsageError(f"no row there is of {word} {given[word]!r}{_near(given[word], known)}")
    if _BASELINE in given and "run" in given:
        raise UsageError("a side is of a run or of a baseline, not of both")
    if _BASELINE in given:
        root = store.path.parent
        chosen = find_baseline(read_baselines(root), given[_BASELINE], root)
        board = given.get("board")
        rows = [row for row in store.latest_until(chosen.revision) if board in (row.board, None)]
    else:
        rows = store.rows(run_id=_run(store, given.get("run")), board=given.get("board"))
    for word, value in filters:
        if word == "tool":
            name, _, version = value.partition("=")
            fitting = [row for row in rows if row.tools.get(name) == version]
        elif word in ("precision", "backend"):
            fitting = [row for row in rows if getattr(row, word) == value]
        else:
            continue
        if not fitting:
            there = sorted({str(getattr(row, word)) for row in rows}) if word != "tool" else []
            near = _near(value, there) if there else _versions(store, value)
            raise UsageError(f"no row there is of {word} {value!r}{near}")
        rows = fitting
    return rows


def _near(value: str, known: Sequence[str]) -> str:
    return f"{did_you_mean(value, known, most=1)}: there is {_some(known[-8:])}"


def _run(store: "Store", value: str | None) -> str | None:
    if value not in _RUNS:
        return value
    runs = store.runs()
    if value == "previous" and len(runs) == 1 and _nothing_new(store):
        # The run before the last one is this one, whose rows stand for `latest`, too.
        return runs[0]
    if len(runs) < (2 if value == "previous" else 1):
        raise UsageError(f"there is no {value} run: {len(runs)} run(s) left rows there")
    return runs[-1] if value == "latest" else runs[-2]


def run_meant(store: "Store", value: str) -> str:
    """The run that a word names: `latest`, `previous`, or its own name. Raises UsageError."""
    known = store.runs()
    if value not in _RUNS and value not in known:
        raise UsageError(f"no row there is of run {value!r}{_near(value, [*_RUNS, *known])}")
    return _run(store, value) or value


def _nothing_new(store: "Store") -> str:
    """What to say where the run that began last left no row: those of `latest` are of an earlier one."""
    last, runs = store.last_run(), store.runs()
    if last is None or last.run_id in runs:
        return ""
    done = f"every planned case ({last.planned}) was done before"
    why = "it ended before its first row" if last.to_run else done
    return (
        f"nothing new was measured by the last run, {last.run_id}: {why}; `latest` is still {runs[-1]}:"
        " measure again with npubench run --fresh"
    )


def _versions(store: "Store", value: str) -> str:
    name = value.partition("=")[0]
    rows = store.rows()
    if known := sorted({row.tools[name] for row in rows if name in row.tools}):
        return f": versions of {name} there are {_some(known)}"
    tools = sorted({tool for row in rows for tool in row.tools})
    return f": no row tells a version of {name!r}{did_you_mean(name, tools)}"


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) or "none"
