"""The atlas: figures that others published of many chips, as data. Shipped tables, and a user's own.

Each is of kind `published`; `PublishedFigure.kind` is what it was for its publisher.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from urllib.parse import urlsplit

from npubench.domain.errors import UsageError
from npubench.domain.figures import Kind
from npubench.published.cells import CellProblems, Record, read_sheet
from npubench.published.declaring import read_tables
from npubench.published.metrics import METRICS, Family, Metric, known_as, wrong_metric
from npubench.published.networks import LANGUAGE_TASKS, Join, join
from npubench.published.tables import Column, Role, Table, folder
from npubench.storage.toml import Problem


@dataclass(frozen=True, slots=True)
class PublishedFigure:
    """One published number, in its publisher's words."""

    table: str  # name of its table
    line: int  # in the table's CSV file, from 1
    chip: str
    mode: str  # cores, batch, board, clock: as the publisher says it; may be empty
    model: str
    input: str  # shape, size or length; may be empty
    precision: str  # may be empty
    metric: str  # of `metrics.METRICS`, or the publisher's own
    value: float | None  # in `unit`; None where `text` says that there is none
    text: str  # the cell
    unit: str  # may be empty
    tool: str  # with its version; may be empty
    note: str  # may be empty
    source: str  # address of the publication
    kind: Kind  # what it was for its publisher: measured or simulated
    column: str = ""  # of the CSV file

    @property
    def place(self) -> str:
        """`table:line`."""
        return f"{self.table}:{self.line}"

    @property
    def known_metric(self) -> Metric | None:
        """The metric, where it is one of `METRICS`."""
        return METRICS.get(self.metric)

    @property
    def standard_value(self) -> float | None:
        """The value in the metric's own unit (ms, fps, tokens/s, MB); of another metric as it is.

        None where the metric has no such unit, which no table can say.
        """
        metric = self.known_metric
        if metric is None or self.value is None:
            return self.value
        scale = metric.scales.get(self.unit.casefold())
        return None if scale is None else self.value * scale


@dataclass(frozen=True, slots=True)
class Atlas:
    """Tables by name, their figures, and what is wrong with those that are left out."""

    tables: Mapping[str, Table]
    figures: tuple[PublishedFigure, ...]
    problems: tuple[Problem, ...] = ()


def figures(folders: tuple[Path, ...] = ()) -> tuple[PublishedFigure, ...]:
    """Every figure of the shipped tables and of those in `folders`, in the order of the files.

    Raises UsageError with all that is wrong, each by file and line.
    """
    found = load(folders)
    if found.problems:
        raise UsageError("; ".join(map(str, found.problems)))
    return found.figures


def load(folders: tuple[Path, ...] = ()) -> Atlas:
    """The same with the tables; one with a mistake is left out and told in `Atlas.problems`."""
    every = tuple(one.absolute() for one in (folder(), *folders))
    return _load(every, tuple(map(_state, every)))


def _state(one: Path) -> tuple[tuple[str, int, int], ...]:
    """Names, sizes and times of a folder's files: what was read is read anew when they change."""
    try:
        found = [path for path in one.iterdir() if path.suffix in (".toml", ".csv")]
        return tuple(sorted(map(_state_of, found)))
    except OSError:
        return ()


def _state_of(file: Path) -> tuple[str, int, int]:
    found = file.stat()
    return file.name, found.st_size, found.st_mtime_ns


@lru_cache(maxsize=8)
def _load(folders: tuple[Path, ...], _state: object) -> Atlas:
    found, problems = read_tables(folders)
    kept: dict[str, Table] = {}
    read: list[PublishedFigure] = []
    mistakes = [*problems]
    for name, table in found.items():
        of_table, told = _read(table, _state_of(table.file))
        mistakes += told
        if not told:
            kept[name] = table
            read += of_table
    return Atlas(kept, tuple(read), tuple(mistakes))


_KEPT: dict[str, tuple[object, tuple[PublishedFigure, ...], tuple[Problem, ...]]] = {}
"""What was read last of each table, by its declaration, with the state of its file then."""


def _read(table: Table, state: object) -> tuple[Sequence[PublishedFigure], Sequence[Problem]]:
    """Figures of one table and its bad cells; a file is read once as long as nothing changes."""
    if not table.values:
        return (), ()
    key = repr(table)
    kept = _KEPT.get(key)
    if kept is None or kept[0] != state:
        told: list[Problem] = []
        kept = (state, tuple(_Reader(table).figures(told)), tuple(told))
        if len(_KEPT) >= _MOST_KEPT:
            _KEPT.clear()
        _KEPT[key] = kept
    return kept[1:]


_MOST_KEPT = 64

_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?", re.ASCII)
_NEEDED = (Role.CHIP, Role.MODEL, Role.SOURCE)
_WORDS = tuple(role for role in Role if role != Role.VALUE)


class _Reader:
    """One table's records as figures."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._cells = CellProblems(table.file)
        self._at: dict[Role, int] = {}
        self._names = {column.role: column.name for column in table.columns if column.role}
        self._constants = {role: table.constants.get(role, "") for role in Role}
        self._metrics: dict[tuple[str, str], str] = {}

    def figures(self, problems: list[Problem]) -> list[PublishedFigure]:
        """Every figure; `problems` gets the bad cells."""
        sheet = read_sheet(self._table.file, problems)
        if sheet is None:
            return []
        places = {name: at for at, name in enumerate(sheet.header)}
        self._at = {role: places[name] for role, name in self._names.items() if role is not Role.VALUE}
        values = [(column, places[column.name]) for column in self._table.values]
        found = [
            one
            for record in sheet.records
            for column, at in values
            if record.cells[at] and (one := self._figure(record, column, record.cells[at])) is not None
        ]
        problems += self._cells.told()
        problems.sort(key=lambda one: one.line)
        return found

    def _text(self, record: Record, role: Role) -> str:
        at = self._at.get(role)
        return (record.cells[at] if at is not None else "") or self._constants[role]

    def _figure(self, record: Record, column: Column, text: str) -> PublishedFigure | None:
        words: dict[Role, str] = {role: self._text(record, role) for role in _WORDS}
        words.update(column.constants)
        metric, unit = column.metric or words[Role.METRIC], column.unit or words[Role.UNIT]
        metric = known_as(metric)
        for role in _NEEDED:
            if not words[role]:
                self._cells.add(record.line, self._names.get(role, role.value), "is empty: fill it in")
        value, kind = self._value(record.line, column, metric, text), self._kind(record.line, column, words)
        if said := self._wrong_metric(metric, unit):
            where = Role.UNIT if metric in METRICS else Role.METRIC
            self._cells.add(record.line, self._names.get(where, column.name), said)
            return None
        if kind is None:
            return None
        return PublishedFigure(
            *(self._table.name, record.line, words[Role.CHIP], words[Role.MODE], words[Role.MODEL]),
            *(words[Role.INPUT], words[Role.PRECISION], metric),
            value,
            *(text, unit, words[Role.TOOL], words[Role.NOTE], words[Role.SOURCE]),
            kind,
            column.name,
        )

    def _value(self, line: int, column: Column, metric: str, text: str) -> float | None:
        if text in self._table.missing:
            return None
        value = float(text) if _NUMBER.fullmatch(text) else math.nan
        if not math.isfinite(value):
            said = f"{text[:60]!r} is no number: correct it, or name it in 'missing' where it tells of none"
            self._cells.add(line, column.name, said)
        elif value < 0 or (value == 0 and metric in METRICS):
            self._cells.add(line, column.name, f"{text[:60]!r} cannot be: a figure is above 0")
        elif value and not _LEAST <= value <= _MOST:
            self._cells.add(line, column.name, f"{text[:60]!r} cannot be: no metric is so small or great")
        return value

    def _kind(self, line: int, column: Column, words: Mapping[Role, str]) -> Kind | None:
        told = words[Role.KIND].casefold()
        kind = column.kind or (Kind(told) if told in _KINDS else None) or (None if told else self._table.kind)
        if kind is None:
            said = f"{told[:60]!r} is no kind: write 'measured' or 'simulated'"
            self._cells.add(line, self._names.get(Role.KIND, column.name), said)
        return kind

    def _wrong_metric(self, metric: str, unit: str) -> str:
        """What is wrong with a metric or its unit; empty where nothing is."""
        known = self._metrics.get((metric, unit))
        if known is None:
            known = self._metrics[metric, unit] = wrong_metric(metric, unit)
        return known


_LEAST, _MOST = 1e-12, 1e15
"""Bounds of a figure in any unit."""

_KINDS = (Kind.MEASURED.value, Kind.SIMULATED.value)


def join_of(figure: PublishedFigure) -> Join:
    """The network that the figure is of, with the reason, by the names that its publisher gives."""
    return _join(publisher_of(figure.source), figure.model, figure.input, figure.mode, figure.source)


_join = lru_cache(maxsize=1 << 14)(join)


def family(figure: PublishedFigure) -> Family:
    """What the figure may share a column with: by its metric, a time or a rate by the network's task, too."""
    metric = figure.known_metric
    if metric is None or metric.family is not Family.VISION:
        return metric.family if metric else Family.OTHER
    task = join_of(figure).task
    if task in _SPEECH:
        return Family.OTHER
    return Family.LANGUAGE if task in LANGUAGE_TASKS else Family.VISION


_SPEECH = frozenset(("asr", "tts", "audio"))


@lru_cache(maxsize=4096)
def publisher_of(source: str) -> str:
    """Who publishes at an address: owner and repository on GitHub, else the host; other texts: to a comma."""
    parts = urlsplit(source)
    if not parts.netloc:
        return source.partition(",")[0].strip()
    host = parts.netloc.casefold().removeprefix("www.")
    path = [part for part in parts.path.split("/") if part]
    return "/".join(path[:2]) if host == "github.com" and len(path) >= 2 else host
