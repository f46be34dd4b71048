"""Offers: caps and balances of budgets, holds, and the ledger"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

LIVE = sa.text("state = 'live'")


def upgrade() -> None:
    _create_keyed("budget_caps", _text("budget"), *_numbers("amount", "uses", nullable=True), key=2)
    _create_keyed(
        "budget_balances",
        _text("budget"),
        sa.Column("period", sa.Integer(), nullable=False),
        _text("customer"),
        *_numbers("held", "spent", "held_uses", "spent_uses"),
        key=4,
    )
    _create_numbered(
        "holds",
        *(_text(name) for name in ("placement", "offer")),
        sa.Column("plan_version", sa.Integer(), nullable=False),
        *(_text(name) for name in ("decision_id", "customer", "currency")),
        *_numbers("amount", "cart_total"),
        _text("balances"),
        *_numbers("created_at", "expires_at"),
        _text("state"),
        *_numbers("spent", "refunded", "returned"),
        _text("order_id"),
        sa.Column("entries", sa.Integer(), nullable=False),
    )
    op.create_index("ix_holds_customer", "holds", ["merchant_id", "customer", "placement", "id"])
    op.create_index("ix_holds_merchant_id", "holds", ["merchant_id", "id"])
    op.create_index("ix_holds_live", "holds", ["expires_at"], sqlite_where=LIVE, postgresql_where=LIVE)
    _create_numbered(
        "ledger",
        *(_text(name) for name in ("hold_id", "budget")),
        sa.Column("period", sa.Integer(), nullable=False),
        *(_text(name) for name in ("customer", "kind", "debit", "credit")),
        *_numbers("amount", "uses", "recorded_at"),
    )
    op.create_index("ix_ledger_budget", "ledger", ["merchant_id", "budget", "recorded_at", "id"])
    op.create_index("ix_ledger_hold_id", "ledger", ["hold_id"])
    answers = (_text("key"), _text("request"), _text("answer"), *_numbers("created_at"))
    _create_keyed("idempotent_answers", *answers, key=2)
    op.create_index("ix_idempotent_answers_created_at", "idempotent_answers", ["created_at"])


def downgrade() -> None:
    for name in ("idempotent_answers", "ledger", "holds", "budget_balances", "budget_caps"):
        op.drop_table(name)


def _create_keyed(name: str, *columns: sa.Column[object], key: int) -> None:
    """Create a table whose key is the merchant and the first columns, `key` in all."""
    names = ["merchant_id", *(column.name for column in columns[: key - 1])]
    op.create_table(
        name,
        sa.Column("merchant_id", sa.Integer(), nullable=False),
        *columns,
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f(f"fk_{name}_merchant_id")),
        sa.PrimaryKeyConstraint(*names, name=op.f(f"pk_{name}")),
        sqlite_with_rowid=False,
    )


def _create_numbered(name: str, *columns: sa.Column[object]) -> None:
    op.create_table(
        name,
        _text("id"),
        sa.Column("merchant_id", sa.Integer(), nullable=False),
        *columns,
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f(f"fk_{name}_merchant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{name}")),
    )


def _text(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.Text(), nullable=False)


def _numbers(*names: str, nullable: bool = False) -> tuple[sa.Column[object], ...]:
    return tuple(sa.Column(name, sa.BigInteger(), nullable=nullable) for name in names)
