"""Boards that ship calibrated: figures out of published tables, graphs as lists of kernels beside them."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from npubench.domain.specs import Precision
from npubench.predict.calibration import BoardModel, Calibration, calibrate, figures_sha256
from npubench.predict.designs import calibrations_folder, designs
from npubench.predict.fitting import Figure
from npubench.predict.kernels import Kernel, counted
from npubench.published import Table as PublishedTable
from npubench.published import folder, lines_of, table
from npubench.storage.json import Table, Text
from npubench.storage.toml import checked

US_PER_S = 1e6
COLUMNS = (
    *("graph", "count", "operator", "macs", "read", "weights", "written"),
    *("taps", "groups", "channels_in", "channels_out", "dilation"),
)
"""Of a file of kernels; `graph` is the name of a row of the table."""


class _Column(Table, frozen=True, kw_only=True):
    column: Text
    target: Text
    rate: bool = False  # inferences a second, else us


class _Source(Table, frozen=True, kw_only=True):
    board: Text
    chip: Text
    backend: Text
    design: Text
    precision: Precision
    table: Text
    kernels: Text
    figure: Text
    times: tuple[_Column, ...]


class _File(Table, frozen=True, kw_only=True):
    source: tuple[_Source, ...]


@dataclass(frozen=True, slots=True)
class Published:
    """A board's published figures with their graphs."""

    source: _Source
    table: PublishedTable
    figures: tuple[Figure, ...]

    @property
    def data_sha256(self) -> str:
        """What identifies the figures."""
        return figures_sha256(self.figures)

    @property
    def targets(self) -> tuple[str, str]:
        """What the compiler simulates, and what the board does."""
        first, *_, last = designs()[self.source.design].targets
        return first, last

    def model(self, figures: Sequence[Figure]) -> BoardModel:
        """What is fitted to some of them, or to more."""
        source = self.source
        return calibrate(designs()[source.design], source.precision, figures, figures_sha256(figures))

    def knowing(self, kernels: Sequence[Kernel], compiler_us: float) -> BoardModel:
        """What is fitted to all, and to what the simulator of the board's compiler says of one more graph."""
        asked = Figure("the graph that is asked for", self.targets[0], tuple(kernels), compiler_us)
        return self.model([*self.figures, asked])

    def calibration(self) -> Calibration:
        """What is fitted to all."""
        source = self.source
        model = self.model(self.figures)
        made_of = f"published table {source.table} ({self.table.source}), graphs {source.kernels}"
        words = source.board, source.chip, source.backend, source.figure, made_of
        return Calibration(*words, (model,))


@cache
def published_boards() -> Mapping[str, Published]:
    """Every board that a published table calibrates, by its name."""
    path = calibrations_folder() / "published.toml"
    sources = checked(path, path.read_bytes(), _File).source
    return {one.board: Published(one, table(one.table), _figures(one)) for one in sources}


def _figures(source: _Source) -> tuple[Figure, ...]:
    kernels = read_kernels(folder() / source.kernels)
    found = []
    for line in table(source.table).lines:
        for one in source.times:
            cell = line.get(one.column, "")
            if cell and (graph := kernels.get(line["name"])):
                time_us = US_PER_S / float(cell) if one.rate else float(cell)
                found.append(Figure(line["name"], one.target, graph, time_us))
    return tuple(found)


def read_kernels(path: Path) -> Mapping[str, tuple[Kernel, ...]]:
    """Kernels by the name of their graph; equal ones stand in one line, with how often."""
    found: dict[str, list[Kernel]] = {}
    for line in lines_of(path):
        kernel = Kernel(
            operator=line["operator"],
            macs=int(line["macs"]),
            read=int(line["read"]),
            weights=int(line["weights"]),
            written=int(line["written"]),
            taps=int(line["taps"]),
            groups=int(line["groups"]),
            channels_in=int(line["channels_in"]),
            channels_out=int(line["channels_out"]),
            dilation=int(line["dilation"]),
        )
        found.setdefault(line["graph"], []).extend([kernel] * int(line["count"]))
    return {name: tuple(kernels) for name, kernels in found.items()}


def write_kernels(path: Path, graphs: Mapping[str, Sequence[Kernel]]) -> None:
    """The file that `read_kernels` reads."""
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(COLUMNS)
        for name, kernels in sorted(graphs.items()):
            for kernel, count in sorted(counted(kernels).items(), key=lambda pair: pair[0].key):
                sizes = [getattr(kernel, column) for column in COLUMNS[3:]]
                writer.writerow([name, count, kernel.operator, *sizes])
