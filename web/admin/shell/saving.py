"""Saving what decides: at once, or into the draft where a second person must approve changes."""

from __future__ import annotations

from collections.abc import Sequence

from engine.configuration.draft_overlay import scope_of
from engine.model.errors import NotFound
from engine.model.placement import Candidate
from engine.model.resource import Resource
from engine.model.resource_kinds import Document, Kind, id_of, kind_of
from web.admin.shell.frame import Frame, Notice
from web.admin.shell.undo import drop, undo_address

ADDED = "Added to the draft. It takes effect after a second person approves it."


def into_draft(frame: Frame) -> bool:
    """Return whether changes go into a draft on this side."""
    return frame.merchant.review


async def placement_for(frame: Frame, kind: Kind, placement: str) -> str:
    """Return the placement whose draft carries a change that belongs to none.

    Budgets go with offers, fields and lists with payment methods, or with the first placement.
    """
    if scope_of(kind, "placement") or kind == "placement":
        return placement
    keys = [each.key for each in (await frame.engine.catalogue.configuration(frame.merchant.id)).placements]
    if not keys:
        raise NotFound("there is no placement whose draft could hold this change", field="placement")
    usual = "offers" if kind == "budget" else "payment_methods"
    return usual if usual in keys else keys[0]


async def read(frame: Frame, kind: Kind, placement: str, id: str) -> Resource:
    """Return a document as it is edited: as the draft has it, or as it is published."""
    if not into_draft(frame):
        return await frame.engine.catalogue.get(frame.merchant.id, kind, scope_of(kind, placement), id)
    key = await placement_for(frame, kind, placement)
    item = await frame.engine.drafts.item(frame.merchant.id, key, kind, id)
    return Resource(kind, scope_of(kind, key), id, item.revision, item.shown, item.changed_at)


async def create(frame: Frame, placement: str, document: Document) -> Resource:
    """Save a new document."""
    return (await create_all(frame, placement, [document]))[0]


async def create_all(frame: Frame, placement: str, documents: Sequence[Document]) -> list[Resource]:
    """Save new documents of one kind, at least one; in force are all or none."""
    kind = kind_of(documents[0])
    if not into_draft(frame):
        return await frame.engine.catalogue.create(frame.actor, kind, scope_of(kind, placement), documents)
    return [await _draft(frame, placement, document, 0) for document in documents]


async def update(frame: Frame, placement: str, document: Document, *, version: int | None) -> Resource:
    """Save a changed document; `Stale` where somebody else was faster."""
    kind = kind_of(document)
    if not into_draft(frame):
        return await frame.engine.catalogue.update(
            frame.actor, kind, scope_of(kind, placement), id_of(document), document, version=version
        )
    return await _draft(frame, placement, document, version)


async def _draft(frame: Frame, placement: str, document: Document, revision: int | None) -> Resource:
    kind = kind_of(document)
    key = await placement_for(frame, kind, placement)
    item = await frame.engine.drafts.save(frame.actor, key, document, revision=revision)
    return Resource(kind, scope_of(kind, key), item.id, item.revision, document, item.changed_at)


async def delete(frame: Frame, kind: Kind, placement: str, id: str, *, version: int | None) -> Notice:
    """Delete a document; return the notice, which offers to take it back."""
    if not into_draft(frame):
        deleted = await frame.engine.catalogue.delete(frame.actor, kind, scope_of(kind, placement), id, version=version)
        return Notice(f"{_name(deleted.document)} is deleted.", undo=await undo_address(frame, deleted))
    key = await placement_for(frame, kind, placement)
    item = await frame.engine.drafts.item(frame.merchant.id, key, kind, id)
    text = f"{_name(item.shown)} will be deleted when the changes are published."
    return Notice(text, undo=await drop(frame, key, item, version=version))


def _name(document: Document) -> str:
    return document.label if isinstance(document, Candidate) else id_of(document)
