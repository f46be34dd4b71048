"""Sums have rows of each writer, so that processes that share a PostgreSQL do not wait for each other"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None

TEXTS = {"placement", "reward", "bucket", "candidate", "dimension", "arm", "value"}
KEYS = {
    "statistics": ("placement", "reward", "bucket", "candidate", "slot", "day"),
    "waiting": ("placement", "reward", "bucket", "candidate", "slot", "minute"),
    "delays": ("placement", "reward", "bin", "day"),
    "arrivals": ("placement", "reward", "candidate", "bin", "day"),
    "amounts": ("placement", "reward", "bucket", "candidate", "relative", "bin", "day"),
    "minutes": ("placement", "reward", "candidate", "minute"),
    "tallies": ("placement", "minute", "candidate"),
    "metric_hours": ("placement", "dimension", "hour", "arm", "value"),
}
VALUES = {
    "statistics": ("trials", "successes", "priced", "amount"),
    "waiting": ("trials",),
    "delays": ("successes", "failures"),
    "arrivals": ("successes",),
    "amounts": ("priced", "amount"),
    "minutes": ("trials", "successes", "pending"),
    "tallies": ("firsts",),
    "metric_hours": (
        "decisions", "fallbacks", "shown", "selected", "converted", "refunded", "redeemed",
        "revenue", "margin", "cost", "timed", "time_ms",
    ),
}  # fmt: skip


def upgrade() -> None:
    for table, key in KEYS.items():
        _replace(table, key, sa.Column("writer", sa.Integer(), nullable=False, server_default="0"))


def downgrade() -> None:
    for table, key in KEYS.items():
        _replace(table, key)


def _replace(table: str, key: tuple[str, ...], *added: sa.Column[int]) -> None:
    """Replace a table by one with or without rows of each writer; the sums stay."""
    old = f"{table}_before"
    op.rename_table(table, old)
    if op.get_context().dialect.name == "postgresql":
        op.execute(f"ALTER INDEX pk_{table} RENAME TO pk_{old}")
    op.create_table(
        table,
        sa.Column("merchant_id", sa.Integer(), nullable=False),
        *(sa.Column(name, sa.Text() if name in TEXTS else sa.Integer(), nullable=False) for name in key),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in VALUES[table]),
        *added,
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f(f"fk_{table}_merchant_id")),
        sa.PrimaryKeyConstraint("merchant_id", *key, *(column.name for column in added), name=op.f(f"pk_{table}")),
        sqlite_with_rowid=False,
    )
    cell = ", ".join(["merchant_id", *key])
    sums = ", ".join(f"CAST(sum({name}) AS bigint)" for name in VALUES[table])
    columns = ", ".join(VALUES[table])
    op.execute(f"INSERT INTO {table} ({cell}, {columns}) SELECT {cell}, {sums} FROM {old} GROUP BY {cell}")  # noqa: S608
    op.drop_table(old)
