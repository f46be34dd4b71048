"""How often rules fire and fields arrive, by day"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "rule_days",
        sa.Column("merchant_id", sa.Integer(), nullable=False),
        sa.Column("placement", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("lacked", sa.Text(), nullable=False),
        sa.Column("times", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f("fk_rule_days_merchant_id")),
        sa.PrimaryKeyConstraint("merchant_id", "placement", "rule", "day", "lacked", name=op.f("pk_rule_days")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "rule_fired",
        sa.Column("merchant_id", sa.Integer(), nullable=False),
        sa.Column("placement", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f("fk_rule_fired_merchant_id")),
        sa.PrimaryKeyConstraint("merchant_id", "placement", "rule", name=op.f("pk_rule_fired")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "field_days",
        sa.Column("merchant_id", sa.Integer(), nullable=False),
        sa.Column("field", sa.Text(), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("times", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f("fk_field_days_merchant_id")),
        sa.PrimaryKeyConstraint("merchant_id", "field", "day", name=op.f("pk_field_days")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "rollup_cursor",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_rollup_cursor")),
    )


def downgrade() -> None:
    for table in ("rollup_cursor", "field_days", "rule_fired", "rule_days"):
        op.drop_table(table)
