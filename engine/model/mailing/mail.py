"""Mails that wait to be sent, and what became of them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

MailKind = Literal["report", "test", "alert"]
MailState = Literal["waiting", "sent", "failed"]
MailFault = Literal[
    "", "connection", "timeout", "tls", "login", "sender", "busy", "recipient", "refused", "unwritten", "gone"
]
"""Why a mail was not sent. `busy`: the server asks to try later; `recipient`: it refuses the address; `refused`: it
refuses the content; `unwritten`: the report could not be made; `gone`: what the mail is about was deleted. The server's
own words may name a recipient, so they are not kept."""
SERVER_FAULTS: frozenset[MailFault] = frozenset(("connection", "timeout", "tls", "login", "sender"))
"""Faults that every other mail would meet too."""
FOR_GOOD: frozenset[MailFault] = frozenset(("recipient", "refused", "gone"))
"""Faults that trying again does not cure."""


class Mail(NamedTuple):
    """A mail to one recipient: of a schedule for a `period` (an ISO day), or to a recipient of alerts about an event.

    `subject` is the id of the schedule or of the recipient; the period of an alert is the event's number, padded. The
    id is the same however often the mail is made or sent. Times are epoch milliseconds.
    """

    id: str
    merchant_id: int
    kind: MailKind
    subject: str
    period: str
    recipient: str
    state: MailState
    attempts: int
    next_at: int
    created_at: int
    sent_at: int | None
    fault: MailFault


class Attachment(NamedTuple):
    """A file that goes with a mail."""

    name: str
    media: str
    content: bytes


class MailContent(NamedTuple):
    """The content of a mail, the same for all its recipients."""

    title: str
    text: str
    attachments: Sequence[Attachment] = ()


class MailSummary(NamedTuple):
    """A subject's mails: when one was sent last, how many wait after a fault, and how many failed since.

    `fault` is that of the newest mail, `next_at` when the first that waits is tried again.
    """

    sent_at: int | None = None
    delayed: int = 0
    failed: int = 0
    fault: MailFault = ""
    next_at: int | None = None
