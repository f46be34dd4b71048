"""Taking a deletion back: what was deleted stands in the audit log, and is made again from there."""

from __future__ import annotations

import re
from typing import Any

import msgspec
from litestar import Response, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery

from engine.configuration.draft_overlay import ORDER, DraftItem
from engine.model.errors import Conflict, EngineError, NotFound, Stale
from engine.model.history import AuditFilter, Entry
from engine.model.resource import Resource
from engine.model.resource_kinds import KINDS, Kind
from web.admin.shell.frame import Frame, Notice
from web.http.request_reading import row_number

RESTORABLE = "|".join(kind for kind in KINDS if kind != "placement")
SUBJECT = re.compile(rf"(?P<kind>{RESTORABLE}) (?P<id>\S+)(?: in (?P<placement>\S+))?")


async def undo_address(frame: Frame, deleted: Resource) -> str:
    """Return the address that restores a thing that was just deleted."""
    subject = f"{deleted.kind} {deleted.id}"
    for entry in await frame.engine.catalogue.audit(frame.merchant.id, narrowed=AuditFilter(subject), limit=5):
        if entry.action == "deleted":
            return f"{frame.base}/audit/{entry.id}/restore"
    return ""


def can_be_restored(entry: Entry) -> bool:
    """Return whether a deleted thing can be restored from its entry in the audit log."""
    return entry.action == "deleted" and entry.before is not None and SUBJECT.fullmatch(entry.subject) is not None


@post("/audit/{entry_id:int}/restore", status_code=200)
async def restore(frame: NamedDependency[Frame], entry_id: FromPath[int]) -> Response[Any]:
    """Make a deleted thing again, as it was."""
    frame.must_edit()
    catalogue = frame.engine.catalogue
    entries = await catalogue.audit(frame.merchant.id, before_id=row_number(entry_id) + 1, limit=1)
    if not entries or entries[0].id != entry_id or not can_be_restored(entries[0]):
        raise NotFound("There is nothing to restore here.")
    kind, placement, document = _deleted(entries[0])
    try:
        await catalogue.create(frame.actor, kind, placement, [document])
    except Conflict:
        return frame.go(_list_of(frame, kind, placement), notice=Notice("It exists already."))
    except EngineError as error:
        return frame.go(_list_of(frame, kind, placement), notice=Notice(f"It cannot be restored: {error.detail}"))
    return frame.go(_list_of(frame, kind, placement), notice=Notice("Restored and in force."))


async def drop(frame: Frame, placement: str, item: DraftItem, *, version: int | None) -> str:
    """Delete a document in the draft of a placement; return the address that takes it back.

    Raise `Stale` where the document is at another version than the one that was seen.
    """
    if version is not None and item.revision != version:
        raise Stale("this has changed since you opened it", field="revision")
    drafts, actor = frame.engine.drafts, frame.actor
    # Discard the changes of the draft first: a discarded entry can be restored.
    entry = await drafts.discard(actor, placement, [item.id], revision=None, kind=item.kind)
    if item.before is not None:
        await drafts.remove(actor, placement, item.id, revision=None, kind=item.kind)
    address = f"{frame.base}/placements/{placement}/changes/{item.kind}/{item.id}/back"
    return f"{address}?entry={entry}" if entry else address


@post("/placements/{key:str}/changes/{kind:str}/{id:str}/back", status_code=200)
async def take_back(
    frame: NamedDependency[Frame],
    key: FromPath[str],
    kind: FromPath[str],
    id: FromPath[str],
    entry: FromQuery[int] = 0,
) -> Response[Any]:
    """Undo `drop`: the draft has the document again as it had it before."""
    frame.must_draft()
    if kind not in ORDER:
        raise NotFound(f"there is no kind “{kind}”")
    await frame.engine.drafts.discard(frame.actor, key, [id], revision=None, kind=kind)
    if entry:
        await frame.engine.drafts.bring_back(frame.actor, key, entry)
    return frame.go(_list_of(frame, kind, key), notice=Notice("Restored in the draft."))


def _deleted(entry: Entry) -> tuple[Kind, str, Any]:
    kind, id_and_placement = entry.subject.split(" ", 1)
    placement = id_and_placement.partition(" in ")[2]
    document = msgspec.json.decode(entry.before or "", type=KINDS[kind].document)  # type: ignore[index]
    return kind, placement, document  # type: ignore[return-value]


def _list_of(frame: Frame, kind: Kind, placement: str) -> str:
    if kind == "rule":
        return f"{frame.base}/rules?placement={placement}"
    if kind == "scenario":
        return f"{frame.base}/placements/{placement}/scenarios"
    if kind == "candidate":
        return (
            f"{frame.base}/methods"
            if placement == "payment_methods"
            else f"{frame.base}/placements/{placement}/candidates"
        )
    return f"{frame.base}/{ {'list': 'lists', 'budget': 'offers'}.get(kind, 'fields') }"


handlers = [restore, take_back]
