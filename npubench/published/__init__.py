"""What others have published, shipped with its source: rows of kind `published`, and reference tables."""

from npubench.published.results import case_of as case_of
from npubench.published.results import results as results
from npubench.published.tables import Column as Column
from npubench.published.tables import CpuPeak as CpuPeak
from npubench.published.tables import MissingOperator as MissingOperator
from npubench.published.tables import Table as Table
from npubench.published.tables import architecture_macs as architecture_macs
from npubench.published.tables import cpu_peaks as cpu_peaks
from npubench.published.tables import missing_operators as missing_operators
from npubench.published.tables import table as table
from npubench.published.tables import tables as tables
