"""From the words A and B of `npubench compare` to rows."""

from collections.abc import Callable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from npubench.errors import UsageError

if TYPE_CHECKING:
    from npubench.records import Result
    from npubench.reporting.compare.sides import Side
    from npubench.store import Store

_WORDS = ("folder", "run", "board", "tool", "precision", "backend")


def side(text: str, out: Path) -> "Side":
    """The rows that `text` names: filters set apart by commas, `word:value` or a value that says itself.

    A value is a folder of results, a run (also `latest` and `previous`), a board, or a tool's version as
    TOOL=VERSION. Without a folder it is of the results at `out`. Raises UsageError.
    """
    from npubench.reporting.compare.sides import Side
    from npubench.store import Store

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
    if not rows:
        raise UsageError(f"no row is of {text!r}: see `npubench results`")
    fixed = {"tool": "", "run": ""}
    return Side(
        text, tuple(rows), frozenset(fixed.get(word, word) for word, _ in resolved) - {""}, nothing_new
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
    if value in ("latest", "previous"):
        return "run", value
    found = [("run", value)] if value in runs else []
    found += [("board", value)] if value in boards else []
    if "=" in value:
        found.append(("tool", value))
    if len(found) > 1:
        raise UsageError(f"{value!r} is a run and a board: write run:{value} or board:{value}")
    if found:
        return found[0]
    near = get_close_matches(value, [*runs, *boards], n=1)
    hint = (
        f"did you mean {near[0]!r}?" if near else f"boards there: {_some(boards)}; runs: {_some(runs[-3:])}"
    )
    raise UsageError(
        f"{value!r} is no folder with results, and no run, board or TOOL=VERSION of {out}: {hint}"
    )


def _rows(store: "Store", filters: Sequence[tuple[str, str]]) -> "list[Result]":
    given = dict(filters)
    if len(given) < len(filters):
        raise UsageError("a side takes each of run, board, tool, precision and backend once")
    rows = store.rows(run_id=_run(store, given.get("run")), board=given.get("board"))
    tests: dict[str, Callable[[Result, str], bool]] = {
        "tool": _has_tool,
        "precision": lambda row, value: row.precision == value,
        "backend": lambda row, value: row.backend == value,
    }
    for word, value in filters:
        if word in tests:
            rows = [row for row in rows if tests[word](row, value)]
            if not rows:
                raise UsageError(f"no row there is of {word} {value!r}{_versions(store, word, value)}")
    return rows


def _run(store: "Store", value: str | None) -> str | None:
    if value not in ("latest", "previous"):
        return value
    runs = store.runs()
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


def _versions(store: "Store", word: str, value: str) -> str:
    if word != "tool":
        return ""
    name = value.partition("=")[0]
    known = sorted({row.tools[name] for row in store.rows() if name in row.tools})
    return (
        f": versions of {name} there are {_some(known)}" if known else f": no row tells a version of {name!r}"
    )


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) or "none"
