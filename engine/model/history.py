"""What is kept of changes: plan versions, states of drafts, and entries of the audit log. Pure."""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple

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

    `emergency`: one person did it alone where a second must approve changes.
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


class AuditFilter(NamedTuple):
    """What entries have in common: a text in the subject, who made them, the kind of thing, and when (epoch ms)."""

    subject: str = ""
    actor: str = ""
    kind: str = ""
    since: int | None = None
    until: int | None = None


ALL_ENTRIES = AuditFilter()


class Emergency(NamedTuple):
    """What one person did alone although changes need a second person; `person` stands behind the actor, a key."""

    id: int
    occurred_at: int
    placement: str
    action: str
    actor: str
    person: str
    reason: str
