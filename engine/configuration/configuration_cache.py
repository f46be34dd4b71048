"""The shelves of merchants, kept in memory and read again once an edit, here or in another process, moved them on."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from engine.configuration.configuration import Configuration
from engine.model.documents.colours import Colours
from engine.model.resource import Resource
from engine.model.resource_kinds import Document, Kind
from engine.store import configuration_rows
from engine.store.configuration_rows import Mark
from engine.store.connection.database import Database
from engine.store.releases import colours
from engine.store.resources import decode

MOST_KEPT = 16

Written = tuple[Kind, str]
"""A document as it is stored."""


class CachedConfiguration(NamedTuple):
    mark: Mark
    configuration: Configuration
    documents: Mapping[Written, Document]


NOTHING: Mapping[Written, Document] = MappingProxyType({})


class ConfigurationCache:
    """Caches decoded configurations; documents that did not change are not decoded again."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._cache: dict[int, CachedConfiguration] = {}

    async def load(self, merchant_id: int) -> Configuration:
        """Return everything that the merchant edits, as it is now."""
        async with self._database.read() as connection:
            # The mark first: a change that comes between the two makes an edit try again, never pass unseen.
            mark = await configuration_rows.mark(connection, merchant_id)
            cached = self._cache.get(merchant_id)
            if cached is None or cached.mark != mark:
                rows = await configuration_rows.rows(connection, merchant_id)
                numbers = await colours.of_merchant(connection, merchant_id)
                # Decoding thousands of documents takes longer than a decision should wait.
                cached = await asyncio.to_thread(_decoded, mark, rows, numbers, cached.documents if cached else NOTHING)
        self._keep(merchant_id, cached)
        return cached.configuration

    def _keep(self, merchant_id: int, cached: CachedConfiguration) -> None:
        """Cache a configuration; drop the least recently used one."""
        self._cache.pop(merchant_id, None)
        self._cache[merchant_id] = cached
        if len(self._cache) > MOST_KEPT:
            del self._cache[next(iter(self._cache))]


def _decoded(
    mark: Mark, rows: Sequence[Any], numbers: Colours, decoded: Mapping[Written, Document]
) -> CachedConfiguration:
    documents: dict[Written, Document] = {}
    resources = []
    for row in rows:
        written = (row.kind, row.document)
        document = documents[written] = decoded.get(written) or decode(*written)
        resources.append(Resource(row.kind, row.placement, row.id, row.version, document, row.changed_at))
    configuration = Configuration(resources, mark.revision, review=mark.review, currency=mark.currency, colours=numbers)
    return CachedConfiguration(mark, configuration, documents)
