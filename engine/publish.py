"""Editing: a change becomes a new immutable plan version of every placement it touches, or nothing at all.

What the change leads to is parsed and compiled before the transaction, off the event loop; the transaction then
only checks that nobody else changed the merchant's resources meanwhile, and writes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.check import check
from engine.clock import now_ms
from engine.errors import Conflict, ReviewRequired
from engine.live import Live
from engine.plan import PlanDocument
from engine.shelf import Change, Shelf
from engine.store import audit, drafts, plans, resources, shelves
from engine.store.database import Database
from engine.store.plans import PlanRow

ATTEMPTS = 8
Edit = Callable[[Shelf], Sequence[Change]]
Also = Callable[[AsyncConnection], Awaitable[None]]


class Published(NamedTuple):
    """What was changed, and the plan versions that came of it by placement."""

    changes: list[Change]
    versions: dict[str, int]


async def _nothing(_connection: AsyncConnection) -> None:
    """What most edits have to do besides."""


class Publisher:
    """The one way to change what merchants edit."""

    def __init__(self, database: Database, live: Live) -> None:
        self._database = database
        self._live = live

    async def publish(
        self,
        merchant_id: int,
        who: str,
        edit: Edit,
        *,
        why: str = "",
        reviewed: bool = False,
        also: Also = _nothing,
    ) -> Published:
        """Carry out an edit; `Invalid`, `Conflict` or `NotFound` where it cannot be, and then nothing is stored.

        `reviewed`: where the merchant wants a second person to approve changes of rules, one has. `also` is done in
        the same transaction.
        """
        for _ in range(ATTEMPTS):
            async with self._database.read() as connection:
                shelf = await shelves.load(connection, merchant_id)
            changes = list(edit(shelf))
            after = shelf.with_changes(changes)
            if shelf.review and not reviewed:
                _refuse_rules(after, changes)
            documents = {key: after.plan_document(key) for key in after.touched_by(changes)}
            await asyncio.to_thread(check, after, changes, documents)
            versions = await self._write(merchant_id, who, shelf, changes, documents, why=why, also=also)
            if versions is not None:
                await self._live.follow()
                return Published(changes, versions)
        raise Conflict("others are changing the same things right now; try again", field="version")

    async def _write(
        self,
        merchant_id: int,
        who: str,
        shelf: Shelf,
        changes: Sequence[Change],
        documents: dict[str, PlanDocument | None],
        *,
        why: str,
        also: Also,
    ) -> dict[str, int] | None:
        """One transaction: resources, audit, plan versions, pointers. None where another edit came first."""
        now, versions = now_ms(), {}
        async with self._database.write() as connection:
            if not await shelves.claim(connection, merchant_id, shelf.revision):
                return None
            for change in changes:
                await _apply(connection, merchant_id, who, change, now)
            for key, document in documents.items():
                if document is None:
                    await plans.deactivate(connection, merchant_id, key)
                    await drafts.clear(connection, merchant_id, key)
                else:
                    versions[key] = await _activate(connection, merchant_id, who, key, document, now, why)
            await also(connection)
        return versions


def _refuse_rules(after: Shelf, changes: Sequence[Change]) -> None:
    """Rules of a placement that goes as a whole go with it."""
    for one in (change.one for change in changes):
        if one.kind == "rule" and after.find("placement", "", one.place) is not None:
            raise ReviewRequired("rules are changed in the draft here, and published when a second person approves")


async def _apply(connection: AsyncConnection, merchant_id: int, who: str, change: Change, now: int) -> None:
    old, new, one = change.before, change.after, change.one
    if old is None:
        await resources.create(connection, merchant_id, one.kind, one.place, one.id, one.document, now=one.changed_at)
    elif new is None:
        await resources.remove(connection, merchant_id, old, version=old.version)
    else:
        await resources.change(connection, merchant_id, old, new.document, version=old.version, now=new.changed_at)
    await audit.write(
        connection,
        merchant_id,
        at=now,
        who=who,
        action="created" if old is None else "deleted" if new is None else "changed",
        subject=f"{one.kind} {one.id}" + (f" in {one.place}" if one.place else ""),
        before=old.document if old else None,
        after=new.document if new else None,
    )


async def _activate(
    connection: AsyncConnection, merchant_id: int, who: str, key: str, document: PlanDocument, now: int, why: str
) -> int:
    version = await plans.newest_version(connection, merchant_id, key) + 1
    text = msgspec.json.encode(document).decode()
    await plans.add(connection, PlanRow(merchant_id, key, version, text, now, who, why))
    await plans.activate(connection, merchant_id, key, version)
    return version
