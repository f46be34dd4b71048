"""Send the mails that wait: again and again while the server is down, and never two at once."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime
from itertools import groupby
from typing import Protocol
from uuid import uuid4

import structlog

from engine.clock import now_ms
from engine.model.mailing.mail import FOR_GOOD, SERVER_FAULTS, Mail, MailContent, MailFault, MailState
from engine.model.timestamps import DAY, HOUR, MINUTE
from engine.store.connection.database import Database
from engine.store.mailing import mails

log = structlog.get_logger()

MAILS_A_BATCH = 20
LEASE_MS = 15 * MINUTE
"""After this time, what a process was sending when it died is sent again, under the same Message-ID."""
FIRST_RETRY_MS, LONGEST_RETRY_MS = MINUTE, 4 * HOUR
JITTER = 0.1
GIVEN_UP_MS = 3 * DAY

Composer = Callable[[Mail], Awaitable[MailContent | None]]
"""Writes what a mail says, the same for all recipients of a subject and a period; None if its subject is gone."""


class Transport(Protocol):
    """Hands mails to a server."""

    @property
    def sender(self) -> str:
        """Return the address that mails come from; empty where no server is set."""

    async def send(self, message: EmailMessage, recipient: str) -> MailFault:
        """Hand a message to the server; return why it was not accepted."""


class Mailer:
    """Runs as a job of the leader. `leads` is asked again before each batch."""

    def __init__(self, database: Database, transport: Transport, *, leads: Callable[[], bool]) -> None:
        self._database = database
        self._transport = transport
        self._leads = leads
        self.compose: Composer | None = None
        """Set by who renders pages: the engine has no words."""

    @property
    def is_set_up(self) -> bool:
        """Return whether the operator has named a mail server."""
        return bool(self._transport.sender)

    async def run(self) -> None:
        """Send what is due, until nothing is or the server does not answer."""
        if not self.is_set_up or self.compose is None:
            return
        while self._leads():
            now = now_ms()
            async with self._database.write() as connection:
                batch = await mails.claim(connection, now=now, until=now + LEASE_MS, limit=MAILS_A_BATCH)
            if not batch or not await self._send_batch(batch, self.compose):
                return

    async def _send_batch(self, batch: Sequence[Mail], compose: Composer) -> bool:
        """Send claimed mails; return False where the server is down, after giving back those that were not tried."""
        for _, group in groupby(batch, key=lambda mail: (mail.merchant_id, mail.kind, mail.subject, mail.period)):
            copies = list(group)
            content, fault = await _written(compose, copies[0])
            for mail in copies:
                if content is not None:
                    message = self._message(mail.id, mail.recipient, content, mail.created_at)
                    fault = await self._transport.send(message, mail.recipient)
                await self._note(mail, fault)
                if fault in SERVER_FAULTS:
                    await self._give_back(batch[batch.index(mail) + 1 :])
                    return False
        return True

    async def send_at_once(self, recipient: str, content: MailContent) -> MailFault:
        """Send a mail that somebody waits for, without a second attempt; return why it was not accepted."""
        fault = await self._transport.send(self._message(uuid4().hex, recipient, content, now_ms()), recipient)
        if fault:
            log.warning("mail not sent", kind="at once", fault=fault)
        return fault

    async def _note(self, mail: Mail, fault: MailFault) -> None:
        now = now_ms()
        is_over = fault in FOR_GOOD or now - mail.created_at >= GIVEN_UP_MS
        state: MailState = "sent" if not fault else "failed" if is_over else "waiting"
        next_at = now + retry_after(mail.attempts + 1)
        async with self._database.write() as connection:
            await mails.note(connection, mail, state, now=now, next_at=next_at, fault=fault)
        if fault:
            # The id names no recipient.
            log.warning("mail not sent", mail=mail.id, kind=mail.kind, fault=fault, attempts=mail.attempts + 1)

    async def _give_back(self, unsent: Sequence[Mail]) -> None:
        async with self._database.write() as connection:
            await mails.release(connection, [mail.id for mail in unsent], now=now_ms())

    def _message(self, mail_id: str, recipient: str, content: MailContent, created_at: int) -> EmailMessage:
        """Return the message; its Message-ID is the same however often it is sent, so that copies can be told."""
        sender = self._transport.sender
        message = EmailMessage()
        message["From"], message["To"] = sender, recipient
        # Names of merchants may have separators, such as U+2028 or a carriage return, which a header refuses.
        message["Subject"] = " ".join(content.title.split())
        message["Date"] = format_datetime(datetime.fromtimestamp(created_at // 1000, UTC))
        message["Message-ID"] = f"<{mail_id}@{sender.rpartition('@')[2].rstrip('>')}>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(content.text)
        for file in content.attachments:
            main, _, sub = file.media.partition("/")
            message.add_attachment(file.content, maintype=main, subtype=sub, filename=file.name)
        return message


async def _written(compose: Composer, mail: Mail) -> tuple[MailContent | None, MailFault]:
    """Return what a mail says, or why there is nothing."""
    try:
        content = await compose(mail)
    except Exception as error:
        log.error("mail not written", mail=mail.id, kind=mail.kind, exc_info=error)
        return None, "unwritten"
    return content, "" if content is not None else "gone"


def retry_after(attempts: int) -> int:
    """Return how long to wait after so many attempts, in ms: 1, 2, 4 minutes ... 4 hours, give or take a tenth."""
    pause: int = min(FIRST_RETRY_MS * 2 ** min(attempts - 1, 20), LONGEST_RETRY_MS)
    return round(pause * random.uniform(1 - JITTER, 1 + JITTER))
