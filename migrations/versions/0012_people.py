"""When people and sessions were last seen, their profile, invitations, and attempts to log in"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("users") as batch:
        batch.add_column(sa.Column("last_seen_at", sa.BigInteger()))
        batch.add_column(sa.Column("locale", sa.Text(), nullable=False, server_default=sa.text("''")))
        batch.add_column(sa.Column("timezone", sa.Text(), nullable=False, server_default=sa.text("''")))
    with op.batch_alter_table("sessions") as batch:
        batch.add_column(sa.Column("last_seen_at", sa.BigInteger(), nullable=False, server_default="0"))
        batch.add_column(sa.Column("browser", sa.Text(), nullable=False, server_default=sa.text("''")))
    op.execute(sa.text("UPDATE sessions SET last_seen_at = created_at"))
    op.create_table(
        "login_attempts",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("began_at", sa.BigInteger(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_login_attempts")),
    )
    op.create_table(
        "invitations",
        sa.Column("token_hash", sa.Text(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("invited_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_invitations")),
    )


def downgrade() -> None:
    op.drop_table("invitations")
    op.drop_table("login_attempts")
    with op.batch_alter_table("sessions") as batch:
        for name in ("browser", "last_seen_at"):
            batch.drop_column(name)
    with op.batch_alter_table("users") as batch:
        for name in ("timezone", "locale", "last_seen_at"):
            batch.drop_column(name)
