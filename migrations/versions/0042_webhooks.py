"""Endpoints of webhooks, what is delivered to them, and each attempt"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0042"
down_revision = "0041"
branch_labels = None
depends_on = None

ENDPOINTS, DELIVERIES, ATTEMPTS = "webhook_endpoints", "webhook_deliveries", "webhook_attempts"
IS_WAITING = sa.text("state = 'waiting'")


def upgrade() -> None:
    op.create_table(
        ENDPOINTS,
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("merchant_id", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("types", sa.Text(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column("previous_secret", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("previous_until", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("read_up_to", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("fault", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f(f"fk_{ENDPOINTS}_merchant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{ENDPOINTS}")),
    )
    op.create_index(f"ix_{ENDPOINTS}_merchant_id", ENDPOINTS, ["merchant_id", "id"])
    op.create_table(
        DELIVERIES,
        sa.Column("endpoint_id", sa.Text(), nullable=False),
        sa.Column("event_id", sa.BigInteger(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("most_attempts", sa.Integer(), nullable=False),
        sa.Column("next_at", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["endpoint_id"], [f"{ENDPOINTS}.id"], name=op.f(f"fk_{DELIVERIES}_endpoint_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("endpoint_id", "event_id", name=op.f(f"pk_{DELIVERIES}")),
        sqlite_with_rowid=False,
    )
    op.create_index(f"ix_{DELIVERIES}_created_at", DELIVERIES, ["created_at"])
    op.create_index(f"ix_{DELIVERIES}_state", DELIVERIES, ["endpoint_id", "state", "event_id"])
    for name, columns in (("due", ["next_at", "endpoint_id"]), ("subject", ["endpoint_id", "subject", "event_id"])):
        op.create_index(
            f"ix_{DELIVERIES}_{name}", DELIVERIES, columns, sqlite_where=IS_WAITING, postgresql_where=IS_WAITING
        )
    op.create_table(
        ATTEMPTS,
        sa.Column("endpoint_id", sa.Text(), nullable=False),
        sa.Column("event_id", sa.BigInteger(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("milliseconds", sa.Integer(), nullable=False),
        sa.Column("status", sa.Integer()),
        sa.Column("fault", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["endpoint_id", "event_id"],
            [f"{DELIVERIES}.endpoint_id", f"{DELIVERIES}.event_id"],
            name=op.f(f"fk_{ATTEMPTS}_endpoint_id_event_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("endpoint_id", "event_id", "attempt", name=op.f(f"pk_{ATTEMPTS}")),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    op.drop_table(ATTEMPTS)
    op.drop_table(DELIVERIES)
    op.drop_table(ENDPOINTS)
