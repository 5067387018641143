"""Which rows somebody means, and why a row has no layers, with the one command that gives them."""

import shlex
from collections.abc import Collection, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from npubench.domain.figures import Kind
from npubench.domain.records import Result, Status
from npubench.domain.specs import CaseKind, Precision
from npubench.domain.text import did_you_mean

TELLERS = ("rknn", "ethos-u", "tpu-mlir", "onnxruntime", "openvino")
"""Backends whose tools tell figures of layers."""

INSTEAD = "rk3588"
"""A board whose tool tells layers without the board being there."""


def matching(rows: Sequence[Result], pattern: str, sha256: str | None = None) -> list[Result]:
    """Rows of a case by its name, by a glob, or by the file that `pattern` is the path of.

    `sha256` is of that file, where there is one: rows of it count under whatever name.
    """
    exact = [row for row in rows if row.case == pattern]
    if exact:
        return exact
    stem = Path(pattern).stem if pattern.endswith(".onnx") else None
    return [
        row
        for row in rows
        if fnmatchcase(row.case, pattern)
        or (stem is not None and row.case == stem)
        or (sha256 is not None and row.onnx_sha256 == sha256)
    ]


def nearest(pattern: str, rows: Sequence[Result], aliases: Collection[str] = ()) -> str:
    """` (did you mean 'a'?)` of a name that no row has."""
    return did_you_mean(pattern.strip("*?"), [*dict.fromkeys(row.case for row in rows), *aliases])


def why_without(row: Result, out: Path) -> str:
    """Why a row has no layers, and the one command that gives them: one line."""
    if row.case_kind not in (CaseKind.MODEL, CaseKind.OPERATOR):
        return f"a case of {row.case_kind} is no network and has no layers"
    where = ["--board", row.board, *_precision(row)]
    if row.status is Status.FAILED:
        what = (
            f"{row.failure.stage}: {row.failure.failure_class}" if row.failure else "no reason was recorded"
        )
        return f"it failed ({what}): {_command('show', row.case, where, out)}"
    if row.status is Status.SKIPPED:
        return f"it was skipped ({row.skip_reason or 'no reason was recorded'}): {_instead(row, out)}"
    kinds = {figures.kind for figures in row.all_figures}
    if Kind.PUBLISHED in kinds:
        return f"it was published, without layers: {_instead(row, out)}"
    if why := next((figures.no_layers for figures in row.all_figures if figures.no_layers), ""):
        return f"{why}: {_command('run', _as_given(row), [*where, '--fresh'], out)}"
    if row.backend in TELLERS:
        simulated = ["--simulate"] if kinds == {Kind.SIMULATED} else []
        return (
            f"its row was made before npubench kept layers, or {row.backend} told none:"
            f" {_command('run', _as_given(row), [*where, *simulated, '--fresh'], out)}"
        )
    return f"{row.backend} tells no figures of layers: {_instead(row, out)}"


def _instead(row: Result, out: Path) -> str:
    return _command("run", _as_given(row), ["--board", INSTEAD, "--simulate"], out)


def _as_given(row: Result) -> str:
    """What names the case on a command line: its name, or the path that its own command had."""
    files = (word for word in row.command if word.endswith(".onnx"))
    return next((word for word in files if Path(word).stem == row.case), row.case)


def _precision(row: Result) -> list[str]:
    return [] if row.precision is Precision.NONE else ["--precision", row.precision.value]


def _command(command: str, case: str, words: Sequence[str], out: Path) -> str:
    return shlex.join(["npubench", command, case, *words, "--out", str(out)])
