"""Statistics by slot and with amounts; trials that wait for outcomes, delays, and what was fitted"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

KEY = ("merchant_id", "placement", "reward", "bucket", "candidate")


def upgrade() -> None:
    _statistics("statistics_new", "pk_statistics_new")
    op.execute(
        "INSERT INTO statistics_new (merchant_id, placement, reward, bucket, candidate, slot, day, trials, successes,"
        " priced, amount) SELECT merchant_id, placement, reward, bucket, candidate, 0, day, trials, successes, 0, 0"
        " FROM statistics"
    )
    op.drop_table("statistics")
    op.rename_table("statistics_new", "statistics")
    if op.get_context().dialect.name == "postgresql":
        op.execute("ALTER INDEX pk_statistics_new RENAME TO pk_statistics")
        op.execute(
            "ALTER TABLE statistics RENAME CONSTRAINT fk_statistics_new_merchant_id TO fk_statistics_merchant_id"
        )
    # Beliefs now hold more than counts; their old form is a part of the new one.
    op.execute("UPDATE beliefs SET statistics = '{\"arms\":' || statistics || '}'")
    op.create_table(
        "waiting",
        *_place(),
        sa.Column("bucket", sa.Text(), nullable=False),
        sa.Column("candidate", sa.Text(), nullable=False),
        sa.Column("slot", sa.Integer(), nullable=False),
        sa.Column("minute", sa.Integer(), nullable=False),
        sa.Column("trials", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f("fk_waiting_merchant_id")),
        sa.PrimaryKeyConstraint(*KEY, "slot", "minute", name=op.f("pk_waiting")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "delays",
        *_place(),
        sa.Column("bin", sa.Integer(), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("successes", sa.BigInteger(), nullable=False),
        sa.Column("failures", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f("fk_delays_merchant_id")),
        sa.PrimaryKeyConstraint("merchant_id", "placement", "reward", "bin", "day", name=op.f("pk_delays")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "fits",
        *_place(),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("fitted_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f("fk_fits_merchant_id")),
        sa.PrimaryKeyConstraint("merchant_id", "placement", "reward", name=op.f("pk_fits")),
    )


def downgrade() -> None:
    raise NotImplementedError("amounts and slots cannot be put back into the sums of before")


def _statistics(name: str, key: str) -> None:
    op.create_table(
        name,
        *_place(),
        sa.Column("bucket", sa.Text(), nullable=False),
        sa.Column("candidate", sa.Text(), nullable=False),
        sa.Column("slot", sa.Integer(), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("trials", sa.BigInteger(), nullable=False),
        sa.Column("successes", sa.BigInteger(), nullable=False),
        sa.Column("priced", sa.BigInteger(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=f"fk_{name}_merchant_id"),
        sa.PrimaryKeyConstraint(*KEY, "slot", "day", name=key),
        sqlite_with_rowid=False,
    )


def _place() -> tuple[sa.Column[object], ...]:
    return (
        sa.Column("merchant_id", sa.Integer(), nullable=False),
        sa.Column("placement", sa.Text(), nullable=False),
        sa.Column("reward", sa.Text(), nullable=False),
    )
