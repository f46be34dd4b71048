"""The audit log: every change with who, when, what it was and what it became."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal
from urllib.parse import urlencode

from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromQuery

from engine.model.history import Entry
from web.admin.shell.frame import Frame
from web.admin.shell.json_text import pretty
from web.admin.shell.navigation import PageLinks
from web.admin.shell.render import Page
from web.admin.shell.undo import can_be_restored

PER_PAGE = 40
MOST_LINES = 200
Sign = Literal["", "+", "-"]
CLASSES: dict[Sign, str] = {"": "", "+": "added", "-": "removed"}
BADGES = {"created": "good", "deleted": "bad", "revoked": "bad", "changed": "info"}


@dataclass(frozen=True)
class Line:
    """A line of the difference; the sign says whether it came or went."""

    sign: Sign
    text: str
    css: str


@dataclass(frozen=True)
class AuditRow:
    """One change."""

    id: int
    changed_at: int
    actor: str
    action: str
    kind: str
    subject: str
    lines: Sequence[Line]
    can_be_restored: bool
    reason: str
    emergency: bool


@dataclass(frozen=True)
class AuditPage:
    """A page of the log, the newest first."""

    entries: Sequence[AuditRow]
    q: str
    pages: PageLinks


@get("/audit")
async def audit_page(
    frame: NamedDependency[Frame], q: FromQuery[str] = "", before: FromQuery[int | None] = None
) -> Page:
    """Show the audit log, searched by what was changed."""
    subject = q.strip()
    entries = await frame.engine.catalogue.audit(
        frame.merchant.id, before_id=before, subject=subject, limit=PER_PAGE + 1
    )
    query = {"q": subject} if subject else {}
    more = len(entries) > PER_PAGE
    page = PageLinks(
        first=f"{frame.base}/audit?{urlencode(query)}" if before else "",
        next=f"{frame.base}/audit?{urlencode({**query, 'before': entries[PER_PAGE - 1].id})}" if more else "",
    )
    return frame.page("log/audit.html", AuditPage([row_of(entry) for entry in entries[:PER_PAGE]], subject, page))


def row_of(entry: Entry) -> AuditRow:
    """Return an entry as its row shows it."""
    return AuditRow(
        id=entry.id,
        changed_at=entry.changed_at,
        actor=entry.actor,
        action=entry.action,
        kind=BADGES.get(entry.action, "plain"),
        subject=subject_of(entry),
        lines=difference(entry.before, entry.after),
        can_be_restored=can_be_restored(entry),
        reason=entry.reason,
        emergency=entry.emergency,
    )


def subject_of(entry: Entry) -> str:
    """Name what was changed, such as: Rule “Hide Klarna” in payment_methods."""
    kind, _, id_and_place = entry.subject.partition(" ")
    id, _, placement = id_and_place.partition(" in ")
    document = json.loads(entry.after or entry.before or "null")
    name = (document.get("name") or document.get("label")) if isinstance(document, dict) else None
    where = f" in {placement}" if placement else ""
    return f"{kind.capitalize()} “{name or id}”{where}"


def difference(before: str | None, after: str | None) -> list[Line]:
    """Return the removed and added lines, one a value, with the unchanged lines around them."""
    old, new = _lines(before), _lines(after)
    lines: list[Line] = []
    for tag, a, b, c, d in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag == "equal":
            lines += [_line("", text) for text in old[a:b]]
        else:
            lines += [_line("-", text) for text in old[a:b]] + [_line("+", text) for text in new[c:d]]
    return lines[:MOST_LINES] + ([_line("", "…")] if len(lines) > MOST_LINES else [])


def _line(sign: Sign, text: str) -> Line:
    return Line(sign, text, CLASSES[sign])


def _lines(document: str | None) -> list[str]:
    if document is None:
        return []
    value = json.loads(document)
    if not isinstance(value, dict):
        return pretty(value).splitlines()
    return [line for name, part in value.items() for line in f"{name}: {pretty(part)}".splitlines()]


handlers = [audit_page]
