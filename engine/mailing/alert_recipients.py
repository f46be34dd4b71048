"""Who gets which alerts by mail: add, change and remove recipients, and make their mails."""

from __future__ import annotations

import secrets

from sqlalchemy.ext.asyncio import AsyncConnection

from engine.clock import now_ms
from engine.model.actor import Actor
from engine.model.errors import Conflict, NotFound, Stale, invalid
from engine.model.events.event import StoredEvent
from engine.model.mailing.alert_recipient import ALERT_TYPES, AlertRecipient, NewAlertRecipient
from engine.model.mailing.mail import Mail, MailSummary
from engine.model.timestamps import DAY
from engine.store import audit
from engine.store.audit import NewEntry
from engine.store.connection.database import Database
from engine.store.events import endpoints, outbox
from engine.store.mailing import alert_recipients, mails

MOST_RECIPIENTS = 50
EVENTS_A_TRANSACTION = 500
RECIPIENTS_A_RUN = 200
LATEST_MS = 2 * DAY
"""Older events are not sent: they wait for a mail server no longer."""
SETTLED_MS = 5_000
"""With several writers, an event may be committed after one with a higher number: mails are made so much later."""


class AlertRecipients:
    """The recipients of merchants' alerts. What belongs to another merchant is `NotFound`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def all(self, merchant_id: int) -> list[AlertRecipient]:
        """Return the recipients of a merchant, the oldest first."""
        async with self._database.read() as connection:
            return await alert_recipients.of_merchant(connection, merchant_id)

    async def summaries(self, merchant_id: int) -> dict[str, MailSummary]:
        """Return how the alerts do, by recipient's id."""
        async with self._database.read() as connection:
            return await mails.summaries(connection, merchant_id, kind="alert")

    async def get(self, merchant_id: int, id: str) -> AlertRecipient:
        async with self._database.read() as connection:
            return await _own(connection, merchant_id, id)

    async def add(self, actor: Actor, document: NewAlertRecipient) -> AlertRecipient:
        """Add a recipient of alerts from now on; `Conflict` where the address has alerts already."""
        _check(document)
        async with self._database.write() as connection:
            if len(await alert_recipients.of_merchant(connection, actor.merchant_id)) >= MOST_RECIPIENTS:
                raise Conflict(f"there are {MOST_RECIPIENTS} recipients already; remove one first")
            item = AlertRecipient(
                f"alr_{secrets.token_hex(8)}",
                actor.merchant_id,
                1,
                document.recipient.lower(),
                document.types,
                await endpoints.newest_event(connection, actor.merchant_id),
                now_ms(),
            )
            if not await alert_recipients.add(connection, item):
                raise Conflict("this address gets alerts already; change it in the list", field="recipient")
            await _note(connection, actor, "added", None, item)
        return item

    async def replace(
        self, actor: Actor, id: str, document: NewAlertRecipient, *, version: int | None = None
    ) -> AlertRecipient:
        """Change which alerts a recipient gets; raise `Stale` unless they are at `version` (None: any)."""
        _check(document)
        async with self._database.write() as connection:
            old = await _own(connection, actor.merchant_id, id)
            if document.recipient.lower() != old.recipient:
                raise invalid("recipient", "cannot be changed; delete this recipient and add another")
            changed = old._replace(version=old.version + 1, types=document.types)
            if version not in (None, old.version) or not await alert_recipients.replace(connection, changed):
                raise Stale(f"the alerts are at version {old.version}, not {version}", field="version")
            await _note(connection, actor, "changed", old, changed)
        return changed

    async def remove(self, actor: Actor, id: str) -> None:
        """Remove a recipient; what waits is not sent any more."""
        async with self._database.write() as connection:
            old = await _own(connection, actor.merchant_id, id)
            await alert_recipients.remove(connection, id)
            await mails.remove_waiting(connection, actor.merchant_id, id)
            await _note(connection, actor, "removed", old, None)

    async def make_mails(self, *, now: int) -> None:
        """Make mails of new events, in the transaction that notes that they were read; so each is made once."""
        until = None if self._database.is_sqlite else now - SETTLED_MS
        async with self._database.read() as connection:
            behind = await alert_recipients.behind(connection, until=until, limit=RECIPIENTS_A_RUN)
        for item in behind:
            async with self._database.write() as connection:
                rows = await outbox.page(
                    connection, item.merchant_id, after=item.read_up_to, until=until, limit=EVENTS_A_TRANSACTION
                )
                if rows and await alert_recipients.move(connection, item, rows[-1].id):
                    recent = (row for row in rows if row.type in item.types and row.recorded_at > now - LATEST_MS)
                    await mails.add(connection, [_mail(item, row, now) for row in recent])

    async def event(self, merchant_id: int, number: int) -> StoredEvent | None:
        """Return the event that a mail is about, or None."""
        async with self._database.read() as connection:
            rows = await outbox.page(connection, merchant_id, after=number - 1, limit=1)
        return rows[0] if rows and rows[0].id == number else None


def _mail(item: AlertRecipient, event: StoredEvent, now: int) -> Mail:
    # Numbers are padded, so that the newest is the last in the order of texts.
    return Mail(
        f"{item.id}.evt_{event.id}",
        item.merchant_id,
        "alert",
        subject=item.id,
        period=f"{event.id:016}",
        recipient=item.recipient,
        state="waiting",
        attempts=0,
        next_at=now,
        created_at=now,
        sent_at=None,
        fault="",
    )


def _check(document: NewAlertRecipient) -> None:
    if not set(document.types) <= set(ALERT_TYPES):
        raise invalid("types", f"must be among {', '.join(ALERT_TYPES)}")


async def _own(connection: AsyncConnection, merchant_id: int, id: str) -> AlertRecipient:
    item = await alert_recipients.get(connection, merchant_id, id)
    if item is None:
        raise NotFound(f"there is no recipient “{id}”", field="id")
    return item


async def _note(
    connection: AsyncConnection, actor: Actor, action: str, old: AlertRecipient | None, new: AlertRecipient | None
) -> None:
    """Write to the audit log, which everybody reads, without the address."""
    subject = f"alerts {(new or old).id}"  # type: ignore[union-attr]
    before, after = ({"types": each.types} if each else None for each in (old, new))
    await audit.write(connection, NewEntry(actor, now_ms(), action, subject, before, after))
