"""Parts of the documents that are made from the code: `make docs` writes them, a test compares them.

A part stands between `<!-- generated: NAME -->` and `<!-- end of NAME -->`.
"""

import ast
import re
import tomllib
from collections.abc import Callable
from pathlib import Path

import click

from npubench.cli import COMMANDS
from npubench.cli.run import run
from npubench.domain.errors import ExitCode
from npubench.domain.records import TRANSIENT, FailureClass
from npubench.graph.surgery.rewrites import REWRITES
from npubench.published.networks import LANGUAGE_TASKS, Confidence, Join, entries
from npubench.reporting.data import frames

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
PART = re.compile(r"(<!-- generated: (?P<name>[\w-]+) -->\n).*?(<!-- end of (?P=name) -->)", re.S)


EXIT_CODES = {
    ExitCode.OK: "fine; failures of single cases are rows",
    ExitCode.REGRESSION: "regression or failed check (with `--strict`: a case failed)",
    ExitCode.USAGE: "wrong usage or input; the other cases went on",
    ExitCode.NOTHING_MEASURED: "nothing measured",
    ExitCode.BOARD: "board unavailable",
    ExitCode.TOOLCHAIN: "toolchain or environment unusable",
    ExitCode.UNSTABLE: "results there but unstable (with `--strict`)",
    ExitCode.INTERRUPTED: "interrupted; the same command continues",
}
"""What each exit code means; the README's table is made of it."""


def commands() -> str:
    """Every command with its line."""
    rows = [f"| `npubench {name}` | {text} |" for name, (_, text) in COMMANDS.items()]
    return "\n".join(["| command | what it does |", "| --- | --- |", *rows])


def exit_codes() -> str:
    """Every exit code with its meaning."""
    rows = [f"| {int(code)} | {text} |" for code, text in EXIT_CODES.items()]
    return "\n".join(["| code | meaning |", "| --- | --- |", *rows])


def run_options() -> str:
    """The options of `npubench run`; click's own layout changes with its version."""
    rows = []
    context = click.Context(run, show_default=True)
    for parameter in run.params:
        if isinstance(parameter, click.Option):
            default = parameter.get_help_extra(context).get("default", "")
            rows.append(f"| `{'`, `'.join(parameter.opts)}` | {default} | {parameter.help or ''} |")
    return "\n".join(["| option | default | |", "| --- | --- | --- |", *rows])


def failure_classes() -> str:
    """Every failure class, and whether the next run tries again."""
    again = {one: "yes" if one in TRANSIENT else "no" for one in FailureClass}
    again[FailureClass.WRONG_NPU_MODE] = "yes, of a board"
    rows = [f"| `{one}` | {again[one]} |" for one in FailureClass]
    return "\n".join(["| class | tried again by the next run |", "| --- | --- |", *rows])


def frame_columns() -> str:
    """The columns of `npubench.load_results`."""
    rows = [f"| `{name}` | {text} |" for name, text in frames.WHO.items()]
    rows += [f"| `<kind>_{name}` | {text} |" for name, text in frames.FIGURES.items()]
    rows += [f"| `{name}` | {text} |" for name, text in frames.PROVENANCE.items()]
    return "\n".join(["| column | what it holds |", "| --- | --- |", *rows])


def rooms() -> str:
    """Every room of npubench with the first line of its docstring, and the modules and folders in it."""
    rows = []
    for room in sorted((ROOT / "npubench").glob("*/__init__.py")):
        folders = [f"{one.parent.name}/" for one in room.parent.glob("*/__init__.py")]
        modules = [one.stem for one in room.parent.glob("*.py") if one != room]
        names = ", ".join([*sorted(folders), *sorted(modules)])
        rows.append(f"| `{room.parent.name}/` | {_first_line(room)} | {names} |")
    return "\n".join(["| room | what it does | what is in it |", "| --- | --- | --- |", *rows])


def layers() -> str:
    """The layers that import-linter holds, top to bottom."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    return "\n".join(f"    {layer}" for contract in contracts for layer in contract.get("layers", ()))


def rewrites() -> str:
    """The table of rewrites with the restriction that each gets round."""
    rows = [
        f"| {one.name} | {restriction.backend} | {restriction.limit} | {restriction.source} |"
        for one in REWRITES
        for restriction in one.restrictions
    ]
    return "\n".join(["| rewrite | backend | gets round | source |", "| --- | --- | --- | --- |", *rows])


def joined_names() -> str:
    """How many names of each publisher the reviewed list joins, and to how many networks."""
    names: dict[str, list[Join]] = {}
    for entry in entries():
        if entry.join.task not in LANGUAGE_TASKS:
            names.setdefault(entry.publisher, []).append(entry.join)
    rows = []
    for publisher, joins in sorted(names.items(), key=lambda one: (-len(one[1]), one[0])):
        sure = [one.network.key for one in joins if one.sure and one.network is not None]
        high = sum(one.confidence is Confidence.HIGH for one in joins)
        counts = (len(joins), high, len(sure) - high, len(joins) - len(sure), len(set(sure)))
        rows.append(f"| {publisher} | {' | '.join(map(str, counts))} |")
    head = "| publisher | names | high | medium | low or none | networks |"
    return "\n".join([head, "| --- | --- | --- | --- | --- | --- |", *rows])


def _first_line(file: Path) -> str:
    text = ast.get_docstring(ast.parse(file.read_text())) or ""
    return text.splitlines()[0]


PARTS: dict[str, Callable[[], str]] = {
    "commands": commands,
    "exit-codes": exit_codes,
    "run-options": run_options,
    "failure-classes": failure_classes,
    "rooms": rooms,
    "frame-columns": frame_columns,
    "layers": layers,
    "rewrites": rewrites,
    "joined-names": joined_names,
}


def current(text: str) -> str:
    """The document with every generated part made anew. Raises KeyError for a part that nobody makes."""
    return PART.sub(lambda found: f"{found[1]}{PARTS[found['name']]()}\n{found[3]}", text)


def main() -> None:
    """Write all parts of all documents."""
    for document in DOCUMENTS:
        document.write_text(current(document.read_text()))


if __name__ == "__main__":
    main()
