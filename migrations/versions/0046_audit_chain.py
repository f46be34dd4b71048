"""Entries of the audit log are chained, and what they say about customers stands apart"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from engine.model.history import ChainedEntry, digest_of

revision = "0046"
down_revision = "0045"
branch_labels = None
depends_on = None

FIELDS = "merchant_id, at, who, action, subject, before, after, why, emergency"
PAGE = 1_000


def upgrade() -> None:
    op.add_column("audit", sa.Column("number", sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("audit", sa.Column("commitment", sa.Text(), nullable=False, server_default=""))
    op.add_column("audit", sa.Column("digest", sa.Text(), nullable=False, server_default=""))
    op.create_table(
        "audit_heads",
        sa.Column("merchant_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f("fk_audit_heads_merchant_id")),
        sa.PrimaryKeyConstraint("merchant_id", name=op.f("pk_audit_heads")),
    )
    op.create_table(
        "audit_customers",
        sa.Column("merchant_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("customer", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("salt", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f("fk_audit_customers_merchant_id")),
        sa.PrimaryKeyConstraint("merchant_id", "number", name=op.f("pk_audit_customers")),
    )
    op.create_index("ix_audit_customers_customer", "audit_customers", ["merchant_id", "customer"])
    _chain(op.get_bind())
    with op.batch_alter_table("audit") as batch:
        for name in ("number", "commitment", "digest"):
            batch.alter_column(name, server_default=None)
        batch.create_index("ix_audit_merchant_id_number", ["merchant_id", "number"], unique=True)


def _chain(connection: sa.Connection) -> None:
    """Number the entries of each merchant in the order of their ids, and compute their digests."""
    heads: dict[int, tuple[int, str]] = {}
    last = 0
    while True:
        page = sa.text(f"SELECT id, {FIELDS} FROM audit WHERE id > :last ORDER BY id LIMIT {PAGE}")  # noqa: S608
        rows = connection.execute(page, {"last": last}).all()
        if not rows:
            break
        changes = []
        for id, merchant_id, *values in rows:
            number, digest = heads.get(merchant_id, (0, ""))
            *texts, emergency = values
            entry = ChainedEntry._make((merchant_id, number + 1, *texts, bool(emergency), ""))
            heads[merchant_id] = number + 1, digest_of(entry, digest)
            changes.append({"id": id, "number": number + 1, "digest": heads[merchant_id][1]})
        connection.execute(sa.text("UPDATE audit SET number = :number, digest = :digest WHERE id = :id"), changes)
        last = rows[-1].id
    add = sa.text("INSERT INTO audit_heads (merchant_id, number, digest) VALUES (:merchant_id, :number, :digest)")
    for merchant_id, (number, digest) in heads.items():
        connection.execute(add, {"merchant_id": merchant_id, "number": number, "digest": digest})


def downgrade() -> None:
    # Reasons go back to their entries; those of erased customers are gone.
    op.execute(
        "UPDATE audit SET why = COALESCE((SELECT apart.why FROM audit_customers AS apart "
        "WHERE apart.merchant_id = audit.merchant_id AND apart.number = audit.number), why) WHERE commitment <> ''"
    )
    op.drop_index("ix_audit_merchant_id_number", "audit")
    for name in ("number", "commitment", "digest"):
        op.drop_column("audit", name)
    op.drop_table("audit_customers")
    op.drop_table("audit_heads")
