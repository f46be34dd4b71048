"""Published versions of a plan: what each was, how two differ, and going back to one."""

from __future__ import annotations

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.clock import now_ms
from engine.configuration.configuration import Change, Configuration
from engine.configuration.plan_difference import Difference, differences
from engine.configuration.publisher import Publisher
from engine.configuration.roll_back import changes_back
from engine.kernel.plan import PlanDocument
from engine.model.actor import Actor
from engine.model.errors import Conflict, NotFound, invalid
from engine.store import accounts, audit, plans, resources
from engine.store.audit import NewEntry
from engine.store.connection.database import Database
from engine.store.plans import PlanRow, Version
from rules import Wording

POSSIBLE = range(1, 2**31)


class VersionHistory:
    def __init__(self, database: Database, publisher: Publisher) -> None:
        self._database = database
        self._publisher = publisher

    async def page(
        self, merchant_id: int, placement: str, *, before: int | None = None, limit: int = 50
    ) -> list[Version]:
        """The newest first, from behind `before`; `NotFound` where the placement is not there."""
        async with self._database.read() as connection:
            await resources.get(connection, merchant_id, "placement", "", placement)
            return await plans.history(connection, merchant_id, placement, before=before, limit=limit)

    async def get(self, merchant_id: int, placement: str, version: int) -> PlanRow:
        async with self._database.read() as connection:
            row = await plans.get(connection, merchant_id, placement, version) if version in POSSIBLE else None
        if row is None:
            raise NotFound(f"“{placement}” has no version {version}", field="version")
        return row

    async def document(self, merchant_id: int, placement: str, version: int) -> PlanDocument:
        """The plan as it was published; `NotFound` where there is no such version."""
        row = await self.get(merchant_id, placement, version)
        return msgspec.json.decode(row.document, type=PlanDocument)

    async def compare(
        self, merchant_id: int, placement: str, old: int, new: int, wording: Wording | None = None
    ) -> list[Difference]:
        """Return what version `new` changed of version `old`; `wording` formats amounts and countries."""
        first = await self.document(merchant_id, placement, old)
        second = await self.document(merchant_id, placement, new)
        async with self._database.read() as connection:
            wording = wording or Wording(currency=await accounts.currency_of(connection, merchant_id))
        return differences(first, second, wording)

    async def roll_back(self, actor: Actor, placement: str, version: int) -> int:
        """Publish an earlier version again, as a new one; returns its number.

        What is edited follows. What came since is switched off, not lost. No scenario stands in the way: going back
        to what was in force before must always be possible. `NotFound` where the placement is gone, `Invalid` where
        it has no such version, `Conflict` where nothing differs from it.
        """
        async with self._database.read() as connection:
            await resources.get(connection, actor.merchant_id, "placement", "", placement)
        try:
            old = await self.document(actor.merchant_id, placement, version)
        except NotFound as missing:
            raise invalid("version", missing.detail) from None

        def edit(configuration: Configuration) -> list[Change]:
            configuration.get("placement", "", placement)
            changes = changes_back(configuration, old, now=now_ms())
            if not changes:
                raise Conflict(f"nothing differs from version {version}", field="version")
            return changes

        async def also(connection: AsyncConnection) -> None:
            entry = NewEntry(actor, now_ms(), "rolled back", f"placement {placement}", after={"version": version})
            await audit.write(connection, entry)

        reason = f"Rolled back to version {version}"
        done = await self._publisher.publish(actor, edit, reason=reason, reviewed=True, scenarios="ignored", also=also)
        return done.versions[placement]
