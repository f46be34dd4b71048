"""Emergencies: what one person may do alone where a second person must approve changes.

Only what takes something away at once, or goes back to what was in force. Each needs a reason, stands in the audit log
as an emergency, and is shown until another person has seen it.
"""

from __future__ import annotations

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.clock import now_ms
from engine.configuration.configuration import Change, Configuration
from engine.configuration.publisher import Also, Edit, Publisher
from engine.model.actor import Actor
from engine.model.errors import Conflict, Forbidden, NotFound, invalid
from engine.model.history import Emergency
from engine.model.timestamps import MINUTE
from engine.store import accounts, audit, emergencies
from engine.store.audit import NewEntry
from engine.store.connection.database import Database

LONGEST_REASON = 500
UNDO_MS = 10 * MINUTE


class Emergencies:
    def __init__(self, database: Database, publisher: Publisher) -> None:
        self._database = database
        self._publisher = publisher

    async def pause(self, actor: Actor, placement: str, id: str, *, reason: str) -> int:
        """Take a candidate out of all answers at once; return the plan version.

        `Invalid` without a reason, `NotFound` where there is no such candidate, `Conflict` where it is off already.
        """
        refuse_without_reason(reason)

        def edit(configuration: Configuration) -> list[Change]:
            old = configuration.get("candidate", placement, id)
            if not old.document.enabled:
                raise Conflict(f"candidate “{id}” is off already", field="id")
            document = msgspec.structs.replace(old.document, enabled=False)
            return [Change(old, old._replace(version=old.version + 1, document=document, changed_at=now_ms()))]

        return await self._publish(actor, placement, edit, f"paused {id}", reason)

    async def undo_pause(self, actor: Actor, placement: str, id: str) -> int:
        """Offer a candidate again that the same person paused within 10 minutes; return the plan version.

        `NotFound` where they did not, or another person has seen it; `Conflict` where it was changed since.
        """
        action, earliest = f"paused {id}", now_ms() - UNDO_MS
        pauses = [
            emergency
            for emergency in await self.unseen(actor.merchant_id)
            if (emergency.placement, emergency.action) == (placement, action)
            and emergency.person == actor.person
            and emergency.occurred_at > earliest
        ]
        if not pauses:
            raise NotFound("there is no pause of yours to undo", field="id")

        def edit(configuration: Configuration) -> list[Change]:
            old = configuration.get("candidate", placement, id)
            if old.document.enabled or old.changed_at > pauses[0].occurred_at:
                raise Conflict(f"candidate “{id}” has changed since then", field="id")
            document = msgspec.structs.replace(old.document, enabled=True)
            return [Change(old, old._replace(version=old.version + 1, document=document, changed_at=now_ms()))]

        reason = f"Undone: {pauses[0].reason}"[:LONGEST_REASON]
        return await self._publish(actor, placement, edit, f"resumed {id}", reason)

    async def _publish(self, actor: Actor, placement: str, edit: Edit, action: str, reason: str) -> int:
        also = noting(actor, placement, action, reason)
        done = await self._publisher.publish(
            actor, edit, reason=reason, approval="emergency", scenarios="ignored", also=also
        )
        return done.versions[placement]

    async def unseen(self, merchant_id: int) -> list[Emergency]:
        """Return what no other person has seen yet, the newest first."""
        async with self._database.read() as connection:
            return await emergencies.unseen(connection, merchant_id)

    async def count_unseen(self) -> int:
        """Return how many of all merchants nobody else has seen yet."""
        async with self._database.read() as connection:
            return await emergencies.count_unseen(connection)

    async def acknowledge(self, actor: Actor, id: int) -> None:
        """Note that a person has seen it; `Forbidden` for the one who did it, where changes need a second person."""
        async with self._database.write() as connection:
            by_id = {emergency.id: emergency for emergency in await emergencies.unseen(connection, actor.merchant_id)}
            if id not in by_id:
                raise NotFound("there is no such emergency to confirm", field="id")
            review = await accounts.has_review(connection, actor.merchant_id)
            if review and actor.person in (by_id[id].person, by_id[id].actor):
                raise Forbidden("You did this, so another person must confirm it.")
            await emergencies.acknowledge(connection, actor, id, acknowledged_at=now_ms())
            subject = f"emergency in {by_id[id].placement}"
            shown = {"action": by_id[id].action, "by": by_id[id].actor, "why": by_id[id].reason}
            await audit.write(connection, NewEntry(actor, now_ms(), "acknowledged", subject, after=shown))


def refuse_without_reason(reason: str, *, field: str = "why") -> None:
    """Raise `Invalid` about `field` unless there is a reason that can be kept."""
    if not reason.strip():
        raise invalid(field, "give a reason: other people will read it")
    if len(reason) > LONGEST_REASON:
        raise invalid(field, f"must have at most {LONGEST_REASON} characters")


def noting(actor: Actor, placement: str, action: str, reason: str) -> Also:
    """Return what notes an emergency in the transaction that publishes it."""

    async def note(connection: AsyncConnection) -> None:
        await emergencies.add(connection, actor, now_ms(), placement, action=action, reason=reason)

    return note
