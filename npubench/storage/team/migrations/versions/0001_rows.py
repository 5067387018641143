"""Rows by the SHA-256 of their JSON."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_TEXTS = (
    *("key", "run_id", "started_at", "board", "backend", "case_name", "case_kind", "precision", "status"),
)
_LIKE = ("backend", "precision", "started_at", "sha256")


def upgrade() -> None:
    """Make the table of rows."""
    op.create_table(
        "results",
        sa.Column("sha256", sa.String(64), primary_key=True),
        *(sa.Column(name, sa.Text, nullable=False) for name in _TEXTS),
        sa.Column("final", sa.Boolean, nullable=False),
        sa.Column("row", sa.Text, nullable=False),
    )
    op.create_index("results_by_case", "results", ["case_name", "board", *_LIKE])
    op.create_index("results_by_board", "results", ["board", "case_name", *_LIKE])
    op.create_index("results_by_run", "results", ["run_id"])
