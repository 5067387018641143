"""What others have published, shipped with its source or in a folder of one's own.

The tables are as a TOML file declares them, with the CSV files beside it (`tables`, docs/atlas.md). Figures
of many chips are the atlas (`atlas`); tables of the AX620A and of AXera's chips are rows like one's own
(`rows`) and references (`reference`).
"""

from npubench.published.atlas import PublishedFigure, family, figures, publisher_of
from npubench.published.declaring import table, tables
from npubench.published.metrics import Family
from npubench.published.reference import (
    CpuPeak,
    MissingOperator,
    architecture_macs,
    cpu_peaks,
    missing_operators,
)
from npubench.published.rows import case_of, results
from npubench.published.tables import Column, Table, folder, lines_of

__all__ = [
    "Column",
    "CpuPeak",
    "Family",
    "MissingOperator",
    "PublishedFigure",
    "Table",
    "architecture_macs",
    "case_of",
    "cpu_peaks",
    "family",
    "figures",
    "folder",
    "lines_of",
    "missing_operators",
    "publisher_of",
    "results",
    "table",
    "tables",
]
