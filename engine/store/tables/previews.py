"""Tables of previews with their progress, and of forecasts that published versions are held against."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, PrimaryKeyConstraint, Table, Text, text, true

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
    # The offer whose cost was asked for; empty otherwise.
    Column("offer", Text, nullable=False, server_default=text("''")),
    # The one change of the plan in force that was asked about; empty for drafts.
    Column("alternative", Text, nullable=False, server_default=text("''")),
    Index("ix_previews_merchant_id", "merchant_id", "placement", "started_at"),
)

# Of a merchant's side one may run at a time.
Index("ix_previews_running", previews.c.merchant_id, unique=True, sqlite_where=previews.c.state == "running",
      postgresql_where=previews.c.state == "running")  # fmt: skip

# What was expected of a version before it was published, and what came of it; both are JSON, `outcome` empty at first.
forecasts = Table(
    "forecasts",
    metadata,
    merchant_column(),
    Column("placement", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("reward", Text, nullable=False),
    Column("effect", Text, nullable=False),
    Column("previewed_at", BigInteger, nullable=False),
    Column("outcome", Text, nullable=False, server_default=text("''")),
    Column("checked_at", BigInteger, nullable=False, server_default="0"),
    # False once the outcome is final.
    Column("is_open", Boolean, nullable=False, server_default=true()),
    PrimaryKeyConstraint("merchant_id", "placement", "version"),
)
