"""Published versions of a plan: what each was, how two differ, and going back to one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.clock import now_ms
from engine.configuration.configuration import Change, Configuration
from engine.configuration.emergencies import noting, refuse_without_reason
from engine.configuration.plan_difference import Difference, differences
from engine.configuration.publisher import Publisher
from engine.kernel.plan import PlanDocument
from engine.model.actor import Actor
from engine.model.errors import Conflict, NotFound, ReviewRequired, invalid
from engine.model.resource import Resource
from engine.model.resource_kinds import Kind, id_of
from engine.model.standard_vocabulary import ENGINE_FIELD_NAMES
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

    async def roll_back(
        self, actor: Actor, placement: str, version: int, *, reason: str = "", emergency: bool = False
    ) -> int:
        """Publish an earlier version again, as a new one; returns its number.

        What is edited follows. What came since is switched off, not lost. No scenario stands in the way: going back
        to what was in force before must always be possible. Where changes need a second person, it is an emergency:
        `ReviewRequired` where it is not named so, `Invalid` where an emergency has no reason.

        `NotFound` where the placement is gone, `Invalid` where it has no such version, `Conflict` where nothing
        differs from it.
        """
        if emergency:
            refuse_without_reason(reason)
        async with self._database.read() as connection:
            await resources.get(connection, actor.merchant_id, "placement", "", placement)
        try:
            old = await self.document(actor.merchant_id, placement, version)
        except NotFound as missing:
            raise invalid("version", missing.detail) from None

        def edit(configuration: Configuration) -> list[Change]:
            configuration.get("placement", "", placement)
            if configuration.review and not emergency:
                raise ReviewRequired("one person can roll back only in an emergency: mark it as one, and give a reason")
            changes = changes_back(configuration, old, now=now_ms())
            if not changes:
                raise Conflict(f"nothing differs from version {version}", field="version")
            return changes

        async def also(connection: AsyncConnection) -> None:
            subject, shown = f"placement {placement}", {"version": version}
            entry = NewEntry(actor, now_ms(), "rolled back", subject, None, shown, reason, emergency)
            await audit.write(connection, entry)
            if emergency:
                await noting(actor, placement, f"rolled back to version {version}", reason)(connection)

        title = f"Rolled back to version {version}"
        done = await self._publisher.publish(
            actor,
            edit,
            reason=f"{title}: {reason}" if reason else title,
            approval="emergency" if emergency else "needed",
            scenarios="ignored",
            also=also,
        )
        return done.versions[placement]


def changes_back(configuration: Configuration, old: PlanDocument, *, now: int) -> list[Change]:
    """The placement, its candidates and rules as they were; those that came since are switched off.

    Fields, lists and budgets belong to all placements: only those that are gone are made again.
    """
    placement = old.placement.key
    own_fields = [field for field in old.fields if field.name not in ENGINE_FIELD_NAMES]
    return [
        *_missing(configuration, "field", own_fields, now),
        *_missing(configuration, "list", old.lists, now),
        *_missing(configuration, "budget", old.budgets, now),
        *_as_before(configuration, "placement", "", [old.placement], now),
        *_as_before(configuration, "candidate", placement, old.candidates, now),
        *_as_before(configuration, "rule", placement, old.rules, now),
        *_off(configuration, "candidate", placement, old.candidates, now),
        *_off(configuration, "rule", placement, old.rules, now),
    ]


def _missing(configuration: Configuration, kind: Kind, documents: Iterable[Any], now: int) -> Iterator[Change]:
    for document in documents:
        if configuration.find(kind, "", id_of(document)) is None:
            yield Change(None, Resource(kind, "", id_of(document), 1, document, now))


def _as_before(
    configuration: Configuration, kind: Kind, placement: str, documents: Iterable[Any], now: int
) -> Iterator[Change]:
    for document in documents:
        live = configuration.find(kind, placement, id_of(document))
        if live is None or live.document != document:
            version = live.version + 1 if live else 1
            yield Change(live, Resource(kind, placement, id_of(document), version, document, now))


def _off(
    configuration: Configuration, kind: Kind, placement: str, documents: Iterable[Any], now: int
) -> Iterator[Change]:
    """A rule that was switched off then is in no plan, so it is switched off like one that came since."""
    document_ids = {id_of(document) for document in documents}
    for live in configuration.inside(placement):
        if live.kind == kind and live.id not in document_ids and live.document.enabled:
            document = msgspec.structs.replace(live.document, enabled=False)
            yield Change(live, live._replace(version=live.version + 1, document=document, changed_at=now))
