"""PostgreSQL stores decisions in partitions by id, so by time

The table of before becomes the partition that takes whatever has no other. Nothing is copied or scanned: the locks are
held for milliseconds, whatever the size of the log. The server makes the partitions of days itself.
"""

from __future__ import annotations

from alembic import op

revision = "0059"
down_revision = "0058"
branch_labels = None
depends_on = None

TABLE = """
CREATE TABLE decisions (
    LIKE {like} INCLUDING DEFAULTS,
    CONSTRAINT pk_decisions PRIMARY KEY (merchant_id, id),
    CONSTRAINT fk_decisions_merchant_id FOREIGN KEY (merchant_id) REFERENCES merchants (id)
)
"""
OPEN = "CREATE INDEX ix_decisions_open ON decisions (closes_at) WHERE closes_at IS NOT NULL"
# Whoever may read the table, such as a role for reports, may still do so.
PRIVILEGES = """
DO $$
DECLARE given record;
BEGIN
    FOR given IN
        SELECT privilege_type, is_grantable,
            CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END AS grantee
        FROM pg_class, aclexplode(relacl) WHERE oid = '{like}'::regclass AND grantee <> relowner
    LOOP
        EXECUTE format('GRANT %s ON decisions TO %s', given.privilege_type, given.grantee)
            || CASE WHEN given.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END;
    END LOOP;
END $$
"""


def upgrade() -> None:
    if op.get_context().dialect.name != "postgresql":
        return
    _put_aside("decisions_other")
    op.execute(f"{TABLE.format(like='decisions_other')} PARTITION BY RANGE (id)")
    op.execute(OPEN)
    op.execute(PRIVILEGES.format(like="decisions_other"))
    # Its indexes and its foreign key become parts of the new ones.
    op.execute("ALTER TABLE decisions ATTACH PARTITION decisions_other DEFAULT")


def downgrade() -> None:
    if op.get_context().dialect.name != "postgresql":
        return
    _put_aside("decisions_parted")
    op.execute(TABLE.format(like="decisions_parted"))
    op.execute("INSERT INTO decisions SELECT * FROM decisions_parted")
    op.execute(OPEN)
    op.execute(PRIVILEGES.format(like="decisions_parted"))
    op.execute("DROP TABLE decisions_parted")


def _put_aside(name: str) -> None:
    op.rename_table("decisions", name)
    op.execute(f"ALTER INDEX pk_decisions RENAME TO pk_{name}")
    op.execute(f"ALTER INDEX ix_decisions_open RENAME TO ix_{name}_open")
