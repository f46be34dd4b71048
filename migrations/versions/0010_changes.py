"""Drafts of everything that decides, their authors, the person behind a key, reasons, and emergencies"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

MAKERS = """
UPDATE keys SET created_by = COALESCE((
    SELECT MAX(audit.who) FROM audit
    WHERE audit.merchant_id = keys.merchant_id AND audit.subject = 'key ' || keys.id
    AND audit.action IN ('created', 'rotated') AND audit.who IN (SELECT email FROM users)), '')
"""
RULES = """
INSERT INTO draft_changes (merchant_id, placement, kind, id, document, base_version, revision, changed_by, changed_at,
    authors)
SELECT merchant_id, placement, 'rule', rule_id, document, base_version, revision, changed_by, changed_at,
    CASE WHEN changed_by IN (SELECT email FROM users) THEN '["' || changed_by || '"]' ELSE '[]' END
FROM draft_rules
"""


def upgrade() -> None:
    empty = sa.text("''")
    op.add_column("keys", sa.Column("created_by", sa.Text(), server_default=empty, nullable=False))
    op.execute(MAKERS)
    op.add_column("drafts", sa.Column("asked_person", sa.Text(), server_default=empty, nullable=False))
    op.add_column("audit", sa.Column("why", sa.Text(), server_default=empty, nullable=False))
    op.add_column("audit", sa.Column("emergency", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.create_table(
        "draft_changes",
        sa.Column("merchant_id", sa.Integer(), nullable=False),
        sa.Column("placement", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("document", sa.Text(), nullable=True),
        sa.Column("base_version", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("changed_by", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.Column("authors", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f("fk_draft_changes_merchant_id")),
        sa.PrimaryKeyConstraint("merchant_id", "placement", "kind", "id", name=op.f("pk_draft_changes")),
    )
    op.execute(RULES)
    op.drop_table("draft_rules")
    op.create_table(
        "emergencies",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("merchant_id", sa.Integer(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("placement", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("acknowledged_by", sa.Text(), server_default=empty, nullable=False),
        sa.Column("acknowledged_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f("fk_emergencies_merchant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_emergencies")),
    )
    op.create_index("ix_emergencies_merchant_id", "emergencies", ["merchant_id", "acknowledged_at"])


def downgrade() -> None:
    op.drop_table("emergencies")
    op.create_table(
        "draft_rules",
        sa.Column("merchant_id", sa.Integer(), nullable=False),
        sa.Column("placement", sa.Text(), nullable=False),
        sa.Column("rule_id", sa.Text(), nullable=False),
        sa.Column("document", sa.Text(), nullable=True),
        sa.Column("base_version", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("changed_by", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f("fk_draft_rules_merchant_id")),
        sa.PrimaryKeyConstraint("merchant_id", "placement", "rule_id", name=op.f("pk_draft_rules")),
    )
    op.execute(
        "INSERT INTO draft_rules SELECT merchant_id, placement, id, document, base_version, revision, changed_by, "
        "changed_at FROM draft_changes WHERE kind = 'rule'"
    )
    op.drop_table("draft_changes")
    op.drop_column("audit", "emergency")
    op.drop_column("audit", "why")
    op.drop_column("drafts", "asked_person")
    op.drop_column("keys", "created_by")
