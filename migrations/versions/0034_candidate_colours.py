"""Numbers of candidates, which give their colours for good"""

from __future__ import annotations

import json
from itertools import groupby

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None


def upgrade() -> None:
    table = op.create_table(
        "candidate_colours",
        sa.Column("merchant_id", sa.Integer(), nullable=False),
        sa.Column("placement", sa.Text(), nullable=False),
        sa.Column("candidate", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f("fk_candidate_colours_merchant_id")),
        sa.PrimaryKeyConstraint("merchant_id", "placement", "candidate", name=op.f("pk_candidate_colours")),
        sqlite_with_rowid=False,
    )
    op.bulk_insert(table, _by_position())


def downgrade() -> None:
    op.drop_table("candidate_colours")


def _by_position() -> list[dict[str, object]]:
    """Return the numbers of all candidates: their positions, which gave the colours until now."""
    query = sa.text("SELECT merchant_id, place, id, document FROM resources WHERE kind = 'candidate'")
    ordered = sorted(
        (row.merchant_id, row.place, json.loads(row.document).get("position", 0), row.id)
        for row in op.get_bind().execute(query)
    )
    return [
        {"merchant_id": merchant_id, "placement": place, "candidate": row[3], "number": number}
        for (merchant_id, place), rows in groupby(ordered, key=lambda row: row[:2])
        for number, row in enumerate(rows)
    ]
