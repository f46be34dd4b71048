"""Refits of models, and alarms of predictions"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _create(
        "refits",
        ("merchant_id", "placement", "reward", "last_day"),
        sa.Column("last_day", sa.Integer(), nullable=False),
        sa.Column("refitted_at", sa.BigInteger(), nullable=False),
        sa.Column("result", sa.Text(), nullable=False),
        sa.Column("previous", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("returned", sa.Integer(), nullable=False, server_default=sa.text("0")),
    )
    _create(
        "prediction_alarms",
        ("merchant_id", "placement", "reward"),
        sa.Column("raised_at", sa.BigInteger(), nullable=False),
    )


def downgrade() -> None:
    op.drop_table("prediction_alarms")
    op.drop_table("refits")


def _create(table: str, key: tuple[str, ...], *columns: sa.Column[object]) -> None:
    op.create_table(
        table,
        sa.Column("merchant_id", sa.Integer(), nullable=False),
        sa.Column("placement", sa.Text(), nullable=False),
        sa.Column("reward", sa.Text(), nullable=False),
        *columns,
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f(f"fk_{table}_merchant_id")),
        sa.PrimaryKeyConstraint(*key, name=op.f(f"pk_{table}")),
        sqlite_with_rowid=False,
    )
