"""Parts of the documents that are made from the code: `make docs` writes them, a test compares them.

A part stands between `<!-- generated: NAME -->` and `<!-- end of NAME -->`.
"""

import re
from collections.abc import Callable
from pathlib import Path

import click

from npubench.cli import COMMANDS
from npubench.cli.run import run
from npubench.errors import EXIT_CODES
from npubench.failures import TRANSIENT, FailureClass

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
PART = re.compile(r"(<!-- generated: (?P<name>[\w-]+) -->\n).*?(<!-- end of (?P=name) -->)", re.S)


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
    for parameter in run.params:
        if isinstance(parameter, click.Option):
            default = _shown(parameter.default) if parameter.show_default else ""
            rows.append(f"| `{'`, `'.join(parameter.opts)}` | {default} | {parameter.help or ''} |")
    return "\n".join(["| option | default | |", "| --- | --- | --- |", *rows])


def _shown(default: object) -> str:
    return " ".join(map(str, default)) if isinstance(default, tuple) else str(default)


def failure_classes() -> str:
    """Every failure class, and whether the next run tries again."""
    rows = [f"| `{one}` | {'yes' if one in TRANSIENT else 'no'} |" for one in FailureClass]
    return "\n".join(["| class | tried again by the next run |", "| --- | --- |", *rows])


PARTS: dict[str, Callable[[], str]] = {
    "commands": commands,
    "exit-codes": exit_codes,
    "run-options": run_options,
    "failure-classes": failure_classes,
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
