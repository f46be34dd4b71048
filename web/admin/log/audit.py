"""The audit log: every change with who, when, what it was and what it became."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from difflib import SequenceMatcher
from typing import Literal
from urllib.parse import urlencode

from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromQuery

from engine.model.errors import Invalid, invalid
from engine.model.history import ALL_ENTRIES, AuditFilter, Entry
from engine.model.timestamps import to_ms
from web.admin.shell.admission import AnyRequest
from web.admin.shell.forms import Form
from web.admin.shell.frame import Frame
from web.admin.shell.json_text import pretty
from web.admin.shell.navigation import PageLinks
from web.admin.shell.render import Page
from web.admin.shell.undo import can_be_restored
from web.http.request_reading import row_number

PER_PAGE = 40
MOST_LINES = 200
FILTERS = ("q", "who", "kind", "since", "until")
ABOUT_CUSTOMERS = "a"
"""The first word of “a customer” and “a link for a customer”, who are not named."""
SUBJECT_KINDS = (
    ("rule", "Rules"), ("candidate", "Candidates"), ("placement", "Placements"), ("experiment", "Experiments"),
    ("budget", "Budgets"), ("scenario", "Scenarios"), ("field", "Fields"), ("list", "Lists"), ("draft", "Drafts"),
    ("plan", "Versions"), ("key", "Keys"), ("webhook", "Webhooks"), ("person", "People"),
    (ABOUT_CUSTOMERS, "Looking customers up"), ("request", "Requests of customers"),
)  # fmt: skip
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
    href: str
    lines: Sequence[Line]
    can_be_restored: bool
    reason: str
    emergency: bool
    is_erased: bool


@dataclass(frozen=True)
class AuditPage:
    """A page of the log, the newest first, with the people and kinds to choose from."""

    entries: Sequence[AuditRow]
    form: Form
    is_filtered: bool
    people: Sequence[str]
    kinds: Sequence[tuple[str, str]]
    pages: PageLinks


@get("/audit")
async def audit_page(request: AnyRequest, frame: NamedDependency[Frame], before: FromQuery[int | None] = None) -> Page:
    """Show the changes that fit the filter in the address: by what, who, kind and day."""
    parameters = {name: str(request.query_params.get(name, "")).strip() for name in FILTERS}
    texts = {name: text for name, text in parameters.items() if text}
    form, narrowed = Form(texts), ALL_ENTRIES
    try:
        narrowed = _filter(frame, texts)
    except Invalid as error:
        form = form.with_problems(error.problems)
    before_id = None if before is None else row_number(before)
    entries = await frame.engine.catalogue.audit(
        frame.merchant.id, before_id=before_id, narrowed=narrowed, limit=PER_PAGE + 1
    )
    query = urlencode(texts)
    more = len(entries) > PER_PAGE
    following = urlencode({**texts, "before": entries[PER_PAGE - 1].id}) if more else ""
    page = AuditPage(
        entries=[row_of(entry, frame.base) for entry in entries[:PER_PAGE]],
        form=form,
        is_filtered=bool(texts),
        people=await frame.engine.catalogue.people_in_audit(frame.merchant.id),
        kinds=SUBJECT_KINDS,
        pages=PageLinks(
            first=f"{frame.base}/audit?{query}" if before else "",
            next=f"{frame.base}/audit?{following}" if more else "",
        ),
    )
    return frame.page("log/audit.html", page, status=422 if form.problems else 200)


def _filter(frame: Frame, texts: Mapping[str, str]) -> AuditFilter:
    return AuditFilter(
        subject=texts.get("q", ""),
        actor=texts.get("who", ""),
        kind=texts.get("kind", ""),
        since=_midnight(frame, texts, "since", days=0),
        until=_midnight(frame, texts, "until", days=1),
    )


def _midnight(frame: Frame, texts: Mapping[str, str], name: str, *, days: int) -> int | None:
    """Return when a day begins on the merchant's clock, or so many days later; None without a day."""
    if name not in texts:
        return None
    try:
        day = date.fromisoformat(texts[name]) + timedelta(days=days)
    except (ValueError, OverflowError):
        raise invalid(name, "choose a day") from None
    return to_ms(datetime.combine(day, time(), frame.show.zone))


def row_of(entry: Entry, base: str) -> AuditRow:
    """Return an entry as its row shows it."""
    return AuditRow(
        id=entry.id,
        changed_at=entry.changed_at,
        actor=entry.actor,
        action=entry.action,
        kind=BADGES.get(entry.action, "plain"),
        subject=subject_of(entry),
        href=_address(entry, base),
        lines=difference(entry.before, entry.after),
        can_be_restored=can_be_restored(entry),
        reason=entry.reason,
        emergency=entry.emergency,
        is_erased=entry.is_erased,
    )


def subject_of(entry: Entry) -> str:
    """Name what was changed, such as: Rule “Hide Klarna” in payment_methods."""
    kind, _, id_and_placement = entry.subject.partition(" ")
    if kind == ABOUT_CUSTOMERS:
        return entry.subject.capitalize()
    id, _, placement = id_and_placement.partition(" in ")
    document = json.loads(entry.after or entry.before or "null")
    name = (document.get("name") or document.get("label")) if isinstance(document, dict) else None
    where = f" in {placement}" if placement else ""
    return f"{kind.capitalize()} “{name or id}”{where}"


def _address(entry: Entry, base: str) -> str:
    """Return the page of what was changed; empty where it has none, or was deleted."""
    kind, _, id_and_placement = entry.subject.partition(" ")
    id, _, key = id_and_placement.partition(" in ")
    if entry.after is None and entry.before is not None:
        return ""
    pages = {
        "rule": f"/rules/{key}/{id}",
        "candidate": f"/methods/{id}" if key == "payment_methods" else f"/placements/{key}/candidates/{id}",
        "placement": f"/placements/{id}",
        "field": f"/fields/{id}",
        "list": f"/lists/{id}",
        "budget": f"/budgets/{id}",
        "experiment": f"/experiments/{key}/{id}",
        "scenario": f"/placements/{key}/scenarios",
        "plan": f"/placements/{id}/versions",
        "draft": f"/placements/{id}/changes",
        "key": "/keys",
    }
    return f"{base}{pages[kind]}" if kind in pages and (key or kind not in ("rule", "candidate", "scenario")) else ""


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
