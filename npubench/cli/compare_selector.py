"""From the words A and B of `npubench compare` to rows."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from npubench.domain.errors import UsageError
from npubench.domain.text import did_you_mean, path_meant

if TYPE_CHECKING:
    from npubench.domain.records import Result
    from npubench.reporting.compare.accuracy import Evaluation
    from npubench.reporting.compare.pairing import Side
    from npubench.storage.store import Store

_WORDS = ("folder", "run", "board", "tool", "precision", "backend")
_RUNS = ("latest", "previous")


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
    store = Store.read(_database(folders[0] if folders else out))
    named = [(word, value) for word, value in filters if not (word == "folder" or _is_folder(value, word))]
    resolved = [(word, value) if word else _meant(value, store, out) for word, value in named]
    rows = _rows(store, resolved)
    nothing_new = _nothing_new(store) if ("run", "latest") in resolved else ""
    store.close()
    narrowed = {word for word, _ in resolved}
    # What was evaluated last is of no run, and says nothing of a tool's version.
    evaluated = () if narrowed & {"run", "tool"} else _scores((folders[0] if folders else out), resolved)
    if not rows:
        raise UsageError(f"no row is of {text!r}: see `npubench results`")
    fixed = {"tool": "", "run": ""}
    free = frozenset(fixed.get(word, word) for word, _ in resolved) - {""}
    return Side(text, tuple(rows), free, evaluated, nothing_new)


def _scores(folder: Path, filters: Sequence[tuple[str, str]]) -> "tuple[Evaluation, ...]":
    """What `npubench accuracy` last wrote into the folder of these boards, precisions and backends."""
    from npubench.engine.accuracy import REFERENCE
    from npubench.reporting.compare.accuracy import evaluation_of

    path = (folder.parent if folder.name == "results.db" and folder.is_file() else folder) / "accuracy.json"
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
    if colon and word in _WORDS:
        return word, value.strip()
    return "", part.strip()


def _is_folder(value: str, word: str = "") -> bool:
    path = Path(value)
    return (not word and (path / "results.db").is_file()) or (path.name == "results.db" and path.is_file())


def _database(path: Path) -> Path:
    return path if path.name == "results.db" and path.is_file() else path / "results.db"


def _meant(value: str, store: "Store", out: Path) -> tuple[str, str]:
    """What a bare value names; one that names two things, or nothing, is told."""
    runs, boards = store.runs(), store.boards()
    if value in _RUNS:
        return "run", value
    found = [("run", value)] if value in runs else []
    found += [("board", value)] if value in boards else []
    if "=" in value:
        found.append(("tool", value))
    if len(found) > 1:
        raise UsageError(f"{value!r} is a run and a board: write run:{value} or board:{value}")
    if found:
        return found[0]
    word, colon, _ = value.partition(":")
    near = path_meant(Path(value)) if "/" in value else did_you_mean(value, [*_RUNS, *runs, *boards], most=1)
    if colon and (meant := did_you_mean(word, [f"{known}:" for known in _WORDS])):
        raise UsageError(f"{value!r} begins with no word of a side{meant}: write one of {', '.join(_WORDS)}")
    raise UsageError(
        f"{value!r} is no folder with results, and no run, board or TOOL=VERSION of {out}{near}:"
        f" boards there: {_some(boards)}; runs: {_some([*_RUNS, *runs[-3:]])}"
    )


def _rows(store: "Store", filters: Sequence[tuple[str, str]]) -> "list[Result]":
    given = dict(filters)
    if len(given) < len(filters):
        raise UsageError("a side takes each of run, board, tool, precision and backend once")
    for word, known in (("run", [*_RUNS, *store.runs()]), ("board", store.boards())):
        if word in given and given[word] not in known:
            raise UsageError(f"no row there is of {word} {given[word]!r}{_near(given[word], known)}")
    rows = store.rows(run_id=_run(store, given.get("run")), board=given.get("board"))
    tests: dict[str, Callable[[Result, str], bool]] = {
        "tool": _has_tool,
        "precision": lambda row, value: row.precision == value,
        "backend": lambda row, value: row.backend == value,
    }
    for word, value in filters:
        if word in tests:
            fitting = [row for row in rows if tests[word](row, value)]
            if not fitting:
                near = _versions(store, value) if word == "tool" else _near(value, _values(rows, word))
                raise UsageError(f"no row there is of {word} {value!r}{near}")
            rows = fitting
    return rows


def _values(rows: "Sequence[Result]", word: str) -> list[str]:
    return sorted({str(row.precision if word == "precision" else row.backend) for row in rows})


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


def _nothing_new(store: "Store") -> str:
    """What to say where the run that began last left no row: those of `latest` are of an earlier one."""
    last = store.last_run()
    runs = store.runs()
    if last is None or last.run_id in runs:
        return ""
    why = (
        "it ended before its first row"
        if last.to_run
        else f"every planned case ({last.planned}) was done before"
    )
    return (
        f"nothing new was measured by the last run, {last.run_id}: {why}; `latest` is still {runs[-1]}:"
        " measure again with npubench run --fresh"
    )


def _has_tool(row: "Result", value: str) -> bool:
    name, _, version = value.partition("=")
    return row.tools.get(name) == version


def _versions(store: "Store", value: str) -> str:
    name = value.partition("=")[0]
    rows = store.rows()
    known = sorted({row.tools[name] for row in rows if name in row.tools})
    tools = sorted({tool for row in rows for tool in row.tools})
    return (
        f": versions of {name} there are {_some(known)}"
        if known
        else f": no row tells a version of {name!r}{did_you_mean(name, tools)}"
    )


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) or "none"
