"""Reading and editing what merchants configure."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from engine.clock import now_ms
from engine.configuration.configuration import Change, Configuration
from engine.configuration.configuration_cache import ConfigurationCache
from engine.configuration.publisher import Publisher
from engine.model.actor import Actor
from engine.model.errors import Conflict
from engine.model.resource import Resource
from engine.model.resource_kinds import Document, Kind, id_of
from engine.store import audit, resources
from engine.store.connection.database import Database


class Catalogue:
    """Placements, candidates, rules, fields and lists of merchants. `who` goes into the audit log."""

    def __init__(self, database: Database, configurations: ConfigurationCache, publisher: Publisher) -> None:
        self._database = database
        self._configurations = configurations
        self._publisher = publisher

    async def page(
        self, merchant_id: int, kind: Kind, place: str = "", *, after: str = "", limit: int | None = None
    ) -> list[Resource]:
        """Resources of one kind by id; `NotFound` where the placement is not there."""
        async with self._database.read() as connection:
            if place:
                await resources.get(connection, merchant_id, "placement", "", place)
            return await resources.page(connection, merchant_id, kind, place, after=after, limit=limit)

    async def get(self, merchant_id: int, kind: Kind, place: str, id: str) -> Resource:
        async with self._database.read() as connection:
            return await resources.get(connection, merchant_id, kind, place, id)

    async def configuration(self, merchant_id: int) -> Configuration:
        return await self._configurations.load(merchant_id)

    async def create(self, actor: Actor, kind: Kind, place: str, documents: Sequence[Document]) -> list[Resource]:
        """Create some at once, or none; `Conflict` where an id is taken, `Invalid` where something is wrong."""

        def edit(configuration: Configuration) -> list[Change]:
            seen: set[str] = set()
            changes = []
            if place:
                configuration.get("placement", "", place)
            for document in documents:
                id = id_of(document)
                if id in seen or configuration.find(kind, place, id) is not None:
                    raise Conflict(f"there is already a {kind} “{id}”", field="id")
                seen.add(id)
                changes.append(Change(None, Resource(kind, place, id, 1, document, now_ms())))
            return changes

        return [change.one for change in (await self._publisher.publish(actor, edit)).changes]

    async def update(
        self,
        actor: Actor,
        kind: Kind,
        place: str,
        id: str,
        document: Document,
        *,
        version: int | None,
    ) -> Resource:
        """Replace a document edited from `version` (None: whichever it is at)."""

        def edit(configuration: Configuration) -> list[Change]:
            old = configuration.get(kind, place, id, version=version)
            if id_of(document) != id:
                raise Conflict(f"a {kind}'s id stays: “{id}”, not “{id_of(document)}”", field="id")
            return [Change(old, old._replace(version=old.version + 1, document=document, changed_at=now_ms()))]

        return (await self._publisher.publish(actor, edit)).changes[0].one

    async def replace(self, actor: Actor, kind: Kind, place: str, documents: Sequence[Document]) -> list[Resource]:
        """Let a placement have these things of a kind and no others; returns them as they are stored."""

        def edit(configuration: Configuration) -> list[Change]:
            configuration.get("placement", "", place)
            wanted = {id_of(document): document for document in documents}
            if len(wanted) < len(documents):
                raise Conflict(f"two of these {kind}s have the same id", field="id")
            known = {one.id: one for one in configuration.inside(place) if one.kind == kind}
            gone = [Change(one, None) for id, one in known.items() if id not in wanted]
            return gone + [
                _set(known.get(id), kind, place, id, document)
                for id, document in wanted.items()
                if id not in known or known[id].document != document
            ]

        await self._publisher.publish(actor, edit)
        return await self.page(actor.merchant_id, kind, place)

    async def delete(self, actor: Actor, kind: Kind, place: str, id: str, *, version: int | None) -> Resource:
        """Delete one, with all that is in it; returns what it was, so that it can be made again."""

        def edit(configuration: Configuration) -> list[Change]:
            old = configuration.get(kind, place, id, version=version)
            inside = configuration.inside(id) if kind == "placement" else []
            return [Change(one, None) for one in (*inside, old)]

        return (await self._publisher.publish(actor, edit)).changes[-1].one

    async def reorder(self, actor: Actor, place: str, ids: Sequence[str]) -> None:
        """Put the candidates of a placement in this order, in one edit; `Conflict` unless all of them are named."""

        def edit(configuration: Configuration) -> list[Change]:
            known = {one.id: one for one in configuration.inside(place) if one.kind == "candidate"}
            if sorted(ids) != sorted(known):
                raise Conflict("others have added or deleted candidates meanwhile", field="ids")
            return [
                Change(old, _moved(old, position))
                for position, old in enumerate(known[id] for id in ids)
                if old.document.position != position
            ]

        await self._publisher.publish(actor, edit)

    async def audit(
        self, merchant_id: int, *, before_id: int | None = None, subject: str = "", limit: int = 50
    ) -> list[audit.Entry]:
        async with self._database.read() as connection:
            return await audit.page(connection, merchant_id, before_id=before_id, subject=subject, limit=limit)


def _set(old: Resource | None, kind: Kind, place: str, id: str, document: Document) -> Change:
    return Change(old, Resource(kind, place, id, old.version + 1 if old else 1, document, now_ms()))


def _moved(old: Resource, position: int) -> Resource:
    document = msgspec.structs.replace(old.document, position=position)
    return old._replace(version=old.version + 1, document=document, changed_at=now_ms())
