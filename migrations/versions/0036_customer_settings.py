"""What customers said themselves, every version of it, and a merchant's defaults"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None

SETTINGS, VERSIONS, DEFAULTS = "customer_settings", "customer_setting_versions", "preference_defaults"


def upgrade() -> None:
    op.create_table(
        SETTINGS,
        sa.Column("merchant_id", sa.Integer(), nullable=False),
        sa.Column("customer", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f(f"fk_{SETTINGS}_merchant_id")),
        sa.PrimaryKeyConstraint("merchant_id", "customer", name=op.f(f"pk_{SETTINGS}")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        VERSIONS,
        sa.Column("merchant_id", sa.Integer(), nullable=False),
        sa.Column("customer", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f(f"fk_{VERSIONS}_merchant_id")),
        sa.PrimaryKeyConstraint("merchant_id", "customer", "version", name=op.f(f"pk_{VERSIONS}")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        DEFAULTS,
        sa.Column("merchant_id", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f(f"fk_{DEFAULTS}_merchant_id")),
        sa.PrimaryKeyConstraint("merchant_id", name=op.f(f"pk_{DEFAULTS}")),
    )


def downgrade() -> None:
    for table in (DEFAULTS, VERSIONS, SETTINGS):
        op.drop_table(table)
