"""What is kept of changes: plan versions, states of drafts, and entries of the audit log. Pure."""

from __future__ import annotations

import hmac
from hashlib import sha256
from typing import Annotated, Literal, NamedTuple

import msgspec
from msgspec import Meta

Number = Annotated[int, Meta(ge=1, le=2**31 - 1, description="A version of a placement's plan.")]
DraftState = Literal["open", "in_review", "approved"]


class Version(NamedTuple):
    """A published version without its document."""

    version: int
    published_at: int
    published_by: str
    reason: str


class Entry(NamedTuple):
    """An entry of the audit log. `before` and `after` are JSON texts, None where the thing did not exist.

    `emergency`: one person did it alone where a second must approve changes. `is_erased`: the reason was erased with
    the customer whom the entry was about.
    """

    id: int
    changed_at: int
    actor: str
    action: str
    subject: str
    before: str | None
    after: str | None
    reason: str = ""
    emergency: bool = False
    is_erased: bool = False


class ChainedEntry(NamedTuple):
    """The content that the digest of an entry covers. `number` counts a merchant's entries from 1.

    `commitment` is of the text that stands apart, because it is about a customer; empty where there is none.
    """

    merchant_id: int
    number: int
    changed_at: int
    actor: str
    action: str
    subject: str
    before: str | None
    after: str | None
    reason: str
    emergency: bool
    commitment: str


class ChainHead(NamedTuple):
    """The number and the digest of a merchant's last entry; 0 and empty before the first."""

    number: int
    digest: str


NO_ENTRIES = ChainHead(0, "")


def digest_of(entry: ChainedEntry, previous: str) -> str:
    """Return the SHA-256, in hex, of an entry and the digest of the entry before it."""
    return sha256(msgspec.json.encode((previous, *entry))).hexdigest()


def commitment_of(customer: str, reason: str, salt: str) -> str:
    """Return the HMAC-SHA256, in hex, of a text about a customer.

    Without the salt, which is erased with the text, nobody can try texts until one fits.
    """
    return hmac.digest(bytes.fromhex(salt), msgspec.json.encode((customer, reason)), "sha256").hex()


class AuditFilter(NamedTuple):
    """A filter of entries: a text in the subject, who made them, the kind of thing, and when (epoch ms)."""

    subject: str = ""
    actor: str = ""
    kind: str = ""
    since: int | None = None
    until: int | None = None


ALL_ENTRIES = AuditFilter()


class Emergency(NamedTuple):
    """A change by one person alone although changes need a second person; `person` stands behind the actor, a key."""

    id: int
    occurred_at: int
    placement: str
    action: str
    actor: str
    person: str
    reason: str
