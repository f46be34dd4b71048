"""Schedules of reports, and mails"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0044"
down_revision = "0043"
branch_labels = None
depends_on = None

SCHEDULES, MAILS = "report_schedules", "mails"
IS_WAITING = sa.text("state = 'waiting'")


def upgrade() -> None:
    op.create_table(
        SCHEDULES,
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("merchant_id", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("last_day", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("next_day", sa.Text(), nullable=False),
        sa.Column("next_at", sa.BigInteger()),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f(f"fk_{SCHEDULES}_merchant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{SCHEDULES}")),
    )
    op.create_index(f"ix_{SCHEDULES}_merchant_id", SCHEDULES, ["merchant_id", "id"])
    op.create_index(f"ix_{SCHEDULES}_next_at", SCHEDULES, ["next_at"])
    op.create_table(
        MAILS,
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("merchant_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("period", sa.Text(), nullable=False),
        sa.Column("recipient", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("next_at", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("sent_at", sa.BigInteger()),
        sa.Column("fault", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f(f"fk_{MAILS}_merchant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{MAILS}")),
        sqlite_with_rowid=False,
    )
    op.create_index(f"ix_{MAILS}_subject", MAILS, ["merchant_id", "subject", "created_at"])
    op.create_index(f"ix_{MAILS}_created_at", MAILS, ["created_at"])
    op.create_index(f"ix_{MAILS}_due", MAILS, ["next_at", "id"], sqlite_where=IS_WAITING, postgresql_where=IS_WAITING)


def downgrade() -> None:
    op.drop_table(MAILS)
    op.drop_table(SCHEDULES)
