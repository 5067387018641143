"""What the completion has learned: variances, loadings and noise by group of vendors, as a TOML file."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from npubench.domain.errors import UsageError
from npubench.predict.samples import Column
from npubench.storage.files import data_root
from npubench.storage.hashing import sha256_of_file
from npubench.storage.json import InvalidError, convert

VERSION = 1
TERMS = ("one", "linear", "smooth", "task", "family", "network", "subject")
"""Parts of the covariance: each the product of one of columns and one of subjects."""


@dataclass(frozen=True, slots=True)
class Group:
    """Vendors whose columns are learned together; logarithms of milliseconds throughout."""

    name: str
    vendors: tuple[str, ...]  # none: every other
    lengths: Mapping[str, float]  # by `design.NUMBERS`: how far two subjects are alike
    scales: Mapping[str, float]  # by `design.NUMBERS`: what one of it may weigh
    weights: Mapping[str, Mapping[str, float]]  # variance by term and what columns share
    loadings: Mapping[str, Mapping[str, tuple[float, ...]]]  # by term and part of a column
    noise: float  # variance of a figure in a column that is not in `noises`
    noises: Mapping[str, float] = field(default_factory=dict)  # by the column's name


@dataclass(frozen=True, slots=True)
class Parameters:
    """One calibration file."""

    version: int
    data_sha256: str  # of the figures that it was learned from
    mean: float  # of the logarithms
    shared: Mapping[str, float]  # part of a term's common variance that all groups have in common, 0 to 1
    mixture: Mapping[str, float]  # by `mixture.START`
    widths: Mapping[str, float]  # by kind of answer: what bands are widened by to hold 90 % of folds
    groups: tuple[Group, ...]
    sha256: str = ""

    def group_of(self, column: Column) -> int:
        """The number of the column's group; the last one takes every other vendor."""
        return next(i for i, one in enumerate(self.groups) if not one.vendors or column.vendor in one.vendors)


def column_name(column: Column) -> str:
    """A column in one line: a key of `Group.noises`."""
    kind = "rate" if column.rate else "time"
    words = (column.chip, column.mode, column.setting, column.precision, kind, column.publisher)
    return " | ".join(words)


def shipped_file() -> Path:
    """The calibration that npubench comes with."""
    return data_root() / "reports" / "calibrations" / "atlas.toml"


def read_parameters(file: Path | None = None) -> Parameters:
    """The calibration in a file, by default the shipped one. Raises UsageError for what is none."""
    path = file or shipped_file()
    return _read(path, path.stat().st_mtime_ns if path.exists() else 0)


@lru_cache(maxsize=2)
def _read(file: Path, _changed: int) -> Parameters:
    try:
        found: dict[str, Any] = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{file}: no calibration: {error}; `make prediction` makes one") from None
    if found.get("version") != VERSION:
        raise UsageError(
            f"{file}: version {found.get('version')}, not {VERSION}: `make prediction` makes one"
        )
    try:
        return convert({**found, "sha256": sha256_of_file(file)}, Parameters)
    except InvalidError as error:
        raise UsageError(f"{file}: {error}; `make prediction` makes one") from None


def to_toml(found: Parameters) -> str:
    """The file's text: numbers with five digits, tables in a fixed order."""
    lines = [
        "# Made by `make prediction`: what the completion of published figures has learned.",
        f"version = {found.version}",
        f'data_sha256 = "{found.data_sha256}"',
        f"mean = {found.mean:.6g}",
        *_table("shared", found.shared),
        *_table("mixture", found.mixture),
        *_table("widths", found.widths),
    ]
    for group in found.groups:
        lines += [
            "",
            "[[groups]]",
            f'name = "{group.name}"',
            f"vendors = {list(group.vendors)}".replace("'", '"'),
        ]
        lines += [f"noise = {group.noise:.5g}"]
        lines += _table("groups.lengths", group.lengths) + _table("groups.scales", group.scales)
        for term in TERMS:
            lines += _table(f"groups.weights.{term}", group.weights[term])
        for term in TERMS:
            lines += ["", f"[groups.loadings.{term}]"]
            for name, values in group.loadings[term].items():
                lines.append(f"{_key(name)} = [{', '.join(f'{value:.4g}' for value in values)}]")
        lines += _table("groups.noises", group.noises)
    return "\n".join(lines) + "\n"


def _table(name: str, values: Mapping[str, float]) -> list[str]:
    return ["", f"[{name}]", *(f"{_key(key)} = {value:.5g}" for key, value in values.items())]


def _key(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
