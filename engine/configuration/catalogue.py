"""Read and edit what merchants configure."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from engine.clock import now_ms
from engine.configuration.configuration import Change, Configuration
from engine.configuration.configuration_cache import ConfigurationCache
from engine.configuration.publisher import Publisher
from engine.intake.tidying import in_list_order, tidied
from engine.model.actor import Actor
from engine.model.errors import Conflict
from engine.model.history import ALL_ENTRIES, AuditFilter
from engine.model.resource import Resource
from engine.model.resource_kinds import Document, Kind, id_of
from engine.store import audit, resources
from engine.store.connection.database import Database


class Catalogue:
    """Read and edit placements, candidates, rules, scenarios, fields and lists; each edit is in force at once."""

    def __init__(self, database: Database, configurations: ConfigurationCache, publisher: Publisher) -> None:
        self._database = database
        self._configurations = configurations
        self._publisher = publisher

    async def page(
        self, merchant_id: int, kind: Kind, placement: str = "", *, after: str = "", limit: int | None = None
    ) -> list[Resource]:
        """Return resources of one kind by id, those after `after`; raise `NotFound` for a missing placement."""
        async with self._database.read() as connection:
            if placement:
                await resources.get(connection, merchant_id, "placement", "", placement)
            return await resources.page(connection, merchant_id, kind, placement, after=after, limit=limit)

    async def get(self, merchant_id: int, kind: Kind, placement: str, id: str) -> Resource:
        async with self._database.read() as connection:
            return await resources.get(connection, merchant_id, kind, placement, id)

    async def configuration(self, merchant_id: int) -> Configuration:
        return await self._configurations.load(merchant_id)

    async def create(self, actor: Actor, kind: Kind, placement: str, documents: Sequence[Document]) -> list[Resource]:
        """Create all documents or none; raise `Conflict` for a taken id, `Invalid` for bad documents."""

        def edit(configuration: Configuration) -> list[Change]:
            ids: set[str] = set()
            changes = []
            if placement:
                configuration.get("placement", "", placement)
            present = configuration.documents("candidate", placement)
            for document in in_list_order([tidied(document) for document in documents], present):
                id = id_of(document)
                if id in ids or configuration.find(kind, placement, id) is not None:
                    raise Conflict(f"there is already a {kind} “{id}”", field="id")
                ids.add(id)
                changes.append(Change(None, Resource(kind, placement, id, 1, document, now_ms())))
            return changes

        return [change.resource for change in (await self._publisher.publish(actor, edit)).changes]

    async def update(
        self,
        actor: Actor,
        kind: Kind,
        placement: str,
        id: str,
        document: Document,
        *,
        version: int | None,
    ) -> Resource:
        """Replace a document; raise `Stale` unless it is at `version` (None: any)."""

        def edit(configuration: Configuration) -> list[Change]:
            old = configuration.get(kind, placement, id, version=version)
            if id_of(document) != id:
                raise Conflict(f"the id of a {kind} cannot change: “{id}”, not “{id_of(document)}”", field="id")
            return [Change(old, old._replace(version=old.version + 1, document=tidied(document), changed_at=now_ms()))]

        return (await self._publisher.publish(actor, edit)).changes[0].resource

    async def replace(self, actor: Actor, kind: Kind, placement: str, documents: Sequence[Document]) -> list[Resource]:
        """Replace all resources of a kind in a placement; return the stored ones."""

        def edit(configuration: Configuration) -> list[Change]:
            configuration.get("placement", "", placement)
            new = {id_of(document): tidied(document) for document in documents}
            if len(new) < len(documents):
                raise Conflict(f"two of these {kind}s have the same id", field="id")
            old = {each.id: each for each in configuration.inside(placement) if each.kind == kind}
            deleted = [Change(resource, None) for id, resource in old.items() if id not in new]
            return deleted + [
                _set(old.get(id), kind, placement, id, document)
                for id, document in new.items()
                if id not in old or old[id].document != document
            ]

        await self._publisher.publish(actor, edit)
        return await self.page(actor.merchant_id, kind, placement)

    async def delete(self, actor: Actor, kind: Kind, placement: str, id: str, *, version: int | None) -> Resource:
        """Delete a resource with everything in it; return what it was, so that it can be restored."""

        def edit(configuration: Configuration) -> list[Change]:
            old = configuration.get(kind, placement, id, version=version)
            inside = configuration.inside(id) if kind == "placement" else []
            return [Change(resource, None) for resource in (*inside, old)]

        return (await self._publisher.publish(actor, edit)).changes[-1].resource

    async def reorder(self, actor: Actor, placement: str, ids: Sequence[str], *, reason: str = "") -> None:
        """Put the candidates of a placement in this order; raise `Conflict` unless `ids` names all of them."""

        def edit(configuration: Configuration) -> list[Change]:
            candidates = {each.id: each for each in configuration.inside(placement) if each.kind == "candidate"}
            if sorted(ids) != sorted(candidates):
                raise Conflict("somebody else has added or deleted candidates meanwhile", field="ids")
            return [
                Change(old, _moved(old, position))
                for position, old in enumerate(candidates[id] for id in ids)
                if old.document.position != position
            ]

        await self._publisher.publish(actor, edit, reason=reason)

    async def switch(self, actor: Actor, placement: str, id: str, *, enabled: bool, reason: str) -> Resource:
        """Offer a candidate or not, and keep everything else that others changed meanwhile."""

        def edit(configuration: Configuration) -> list[Change]:
            old = configuration.get("candidate", placement, id)
            document = msgspec.structs.replace(old.document, enabled=enabled)
            return [Change(old, old._replace(version=old.version + 1, document=document, changed_at=now_ms()))]

        return (await self._publisher.publish(actor, edit, reason=reason)).changes[0].resource

    async def audit(
        self,
        merchant_id: int,
        *,
        before_id: int | None = None,
        narrowed: AuditFilter = ALL_ENTRIES,
        limit: int = 50,
    ) -> list[audit.Entry]:
        """Return the newest entries of the audit log that fit a filter."""
        async with self._database.read() as connection:
            return await audit.page(connection, merchant_id, before_id=before_id, narrowed=narrowed, limit=limit)

    async def people_in_audit(self, merchant_id: int) -> list[str]:
        """Return everybody who changed something, by name."""
        async with self._database.read() as connection:
            return await audit.people(connection, merchant_id)

    async def last_changed_by(self, merchant_id: int, kind: Kind, placement: str) -> dict[str, str]:
        """Return who changed each document of a kind in a placement last, by its id."""
        async with self._database.read() as connection:
            return await audit.last_changed_by(connection, merchant_id, kind, placement)


def _set(old: Resource | None, kind: Kind, placement: str, id: str, document: Document) -> Change:
    return Change(old, Resource(kind, placement, id, old.version + 1 if old else 1, document, now_ms()))


def _moved(old: Resource, position: int) -> Resource:
    document = msgspec.structs.replace(old.document, position=position)
    return old._replace(version=old.version + 1, document=document, changed_at=now_ms())
