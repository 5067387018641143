"""The tables of a team's store, as the newest migration leaves them."""

from sqlalchemy import Boolean, Column, Index, MetaData, String, Table, Text

METADATA = MetaData()

RESULTS = Table(
    "results",
    METADATA,
    Column("sha256", String(64), primary_key=True),  # of the row's canonical JSON: a row is there once
    Column("key", Text, nullable=False),
    Column("run_id", Text, nullable=False),
    Column("started_at", Text, nullable=False),
    Column("board", Text, nullable=False),
    Column("backend", Text, nullable=False),
    Column("case_name", Text, nullable=False),
    Column("case_kind", Text, nullable=False),
    Column("precision", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("final", Boolean, nullable=False),
    Column("row", Text, nullable=False),
    # What a question filters by first, then what makes a row the newest of its like.
    Index("results_by_case", "case_name", "board", "backend", "precision", "started_at", "sha256"),
    Index("results_by_board", "board", "case_name", "backend", "precision", "started_at", "sha256"),
    Index("results_by_run", "run_id"),
)
