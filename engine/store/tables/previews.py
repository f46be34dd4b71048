"""The table of previews and their progress."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, Table, Text, text

from engine.store.tables.schema import merchant_column, metadata

# Drafts tried on the log. While one runs, `seen_at` moves; one that stands still has lost its process.
previews = Table(
    "previews",
    metadata,
    Column("id", Text, primary_key=True),
    merchant_column(),
    Column("placement", Text, nullable=False),
    Column("draft", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("since", BigInteger, nullable=False),
    Column("until", BigInteger, nullable=False),
    Column("started_by", Text, nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("seen_at", BigInteger, nullable=False),
    Column("done", Integer, nullable=False),
    Column("total", Integer, nullable=False),
    Column("problem", Text, nullable=False),
    Column("result", Text),
    # The experiment whose variant was tried; empty for drafts of rules.
    Column("experiment", Text, nullable=False, server_default=text("''")),
    Index("ix_previews_merchant_id", "merchant_id", "placement", "started_at"),
)

# Of a merchant's side one may run at a time.
Index("ix_previews_running", previews.c.merchant_id, unique=True, sqlite_where=previews.c.state == "running",
      postgresql_where=previews.c.state == "running")  # fmt: skip
