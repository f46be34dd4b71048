"""The tables of what is sent to others: endpoints of webhooks with deliveries and attempts, schedules and mails."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from engine.store.tables.schema import merchant_column, metadata

webhook_endpoints = Table(
    "webhook_endpoints",
    metadata,
    Column("id", Text, primary_key=True),
    merchant_column(),
    Column("version", Integer, nullable=False),
    Column("url", Text, nullable=False),
    Column("description", Text, nullable=False),
    # A JSON list.
    Column("types", Text, nullable=False),
    Column("enabled", Boolean, nullable=False),
    # Secrets are sealed for the endpoint; the one before signs too, until its end.
    Column("secret", Text, nullable=False),
    Column("previous_secret", Text, nullable=False, server_default=text("''")),
    Column("previous_until", BigInteger, nullable=False, server_default=text("0")),
    # The last event that deliveries were made of.
    Column("read_up_to", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    # Why the engine disabled it; empty where it is enabled, or a person disabled it.
    Column("fault", Text, nullable=False, server_default=text("''")),
    # standard or cloudevents.
    Column("format", Text, nullable=False, server_default=text("'standard'")),
    Index("ix_webhook_endpoints_merchant_id", "merchant_id", "id"),
)

webhook_deliveries = Table(
    "webhook_deliveries",
    metadata,
    Column("endpoint_id", Text, ForeignKey("webhook_endpoints.id", ondelete="CASCADE"), nullable=False),
    Column("event_id", BigInteger, nullable=False),
    Column("type", Text, nullable=False),
    # Deliveries of the same subject keep their order; empty where none is kept.
    Column("subject", Text, nullable=False),
    # waiting, delivered or parked.
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    # The number of attempts after which it is parked.
    Column("most_attempts", Integer, nullable=False),
    Column("next_at", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("endpoint_id", "event_id"),
    Index("ix_webhook_deliveries_created_at", "created_at"),
    sqlite_with_rowid=False,
)
_is_waiting = webhook_deliveries.c.state == "waiting"
Index("ix_webhook_deliveries_due", webhook_deliveries.c.next_at, webhook_deliveries.c.endpoint_id,
      sqlite_where=_is_waiting, postgresql_where=_is_waiting)  # fmt: skip
Index("ix_webhook_deliveries_subject", webhook_deliveries.c.endpoint_id, webhook_deliveries.c.subject,
      webhook_deliveries.c.event_id, sqlite_where=_is_waiting, postgresql_where=_is_waiting)  # fmt: skip
Index("ix_webhook_deliveries_state", webhook_deliveries.c.endpoint_id, webhook_deliveries.c.state,
      webhook_deliveries.c.event_id)  # fmt: skip

webhook_attempts = Table(
    "webhook_attempts",
    metadata,
    Column("endpoint_id", Text, nullable=False),
    Column("event_id", BigInteger, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("milliseconds", Integer, nullable=False),
    # Of HTTP; null where there was no answer.
    Column("status", Integer),
    # Empty where it was delivered.
    Column("fault", Text, nullable=False),
    PrimaryKeyConstraint("endpoint_id", "event_id", "attempt"),
    ForeignKeyConstraint(
        ["endpoint_id", "event_id"],
        ["webhook_deliveries.endpoint_id", "webhook_deliveries.event_id"],
        ondelete="CASCADE",
    ),
    sqlite_with_rowid=False,
)

report_schedules = Table(
    "report_schedules",
    metadata,
    Column("id", Text, primary_key=True),
    merchant_column(),
    Column("version", Integer, nullable=False),
    # JSON.
    Column("document", Text, nullable=False),
    # ISO days in the merchant's time zone: the last that mails were made for, and the next.
    Column("last_day", Text, nullable=False, server_default=text("''")),
    Column("next_day", Text, nullable=False),
    # Null while it is paused.
    Column("next_at", BigInteger),
    Column("created_at", BigInteger, nullable=False),
    Index("ix_report_schedules_merchant_id", "merchant_id", "id"),
    Index("ix_report_schedules_next_at", "next_at"),
)

alert_recipients = Table(
    "alert_recipients",
    metadata,
    Column("id", Text, primary_key=True),
    merchant_column(),
    Column("version", Integer, nullable=False),
    Column("recipient", Text, nullable=False),
    # A JSON list.
    Column("types", Text, nullable=False),
    # The last event that mails were made of.
    Column("read_up_to", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    UniqueConstraint("merchant_id", "recipient"),
)

mails = Table(
    "mails",
    metadata,
    Column("id", Text, primary_key=True),
    merchant_column(),
    # report, test or alert.
    Column("kind", Text, nullable=False),
    # The schedule that it is of with the day that it is due on, or the recipient of alerts with the event's number.
    Column("subject", Text, nullable=False),
    Column("period", Text, nullable=False),
    Column("recipient", Text, nullable=False),
    # waiting, sent or failed.
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("next_at", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("sent_at", BigInteger),
    # Empty where nothing failed.
    Column("fault", Text, nullable=False, server_default=text("''")),
    Index("ix_mails_subject", "merchant_id", "subject", "created_at"),
    Index("ix_mails_created_at", "created_at"),
    sqlite_with_rowid=False,
)
_mail_waits = mails.c.state == "waiting"
Index("ix_mails_due", mails.c.next_at, mails.c.id, sqlite_where=_mail_waits, postgresql_where=_mail_waits)
