"""Dictionaries that compress the records of a placement. A record names the one that it was compressed with."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

from sqlalchemy import and_, exists, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.store.connection.bulk import insert_many
from engine.store.connection.purging import Expired
from engine.store.log.records import NO_DICTIONARY, WITHOUT, Dictionary
from engine.store.tables.log import log_dictionaries

PlacementKey = tuple[int, str]
"""A merchant's id and the key of a placement."""

MOST_KEPT = 1_024


class DictionaryHead(NamedTuple):
    """A stored dictionary without its content, and the plan version of the records that it was trained on."""

    merchant_id: int
    placement: str
    id: int
    plan_version: int
    made_at: int


_COLUMNS = (*DictionaryHead._fields, "content")


_loaded: dict[int, Dictionary] = {NO_DICTIONARY: WITHOUT}


async def load(connection: AsyncConnection, ids: Collection[int]) -> Mapping[int, Dictionary]:
    """Return dictionaries by id, at least those asked for; raise `LookupError` for one that is not stored."""
    missing = set(ids) - _loaded.keys()
    if missing:
        c = log_dictionaries.c
        query = select(c.id, c.content).where(c.id.in_(missing)).distinct()
        loaded = {row[0]: Dictionary(row[0], row[1]) for row in await connection.execute(query)}
        if lost := missing - loaded.keys():
            raise LookupError(f"the dictionaries {sorted(lost)} of the log are gone")
        while len(_loaded) + len(loaded) > MOST_KEPT and len(_loaded) > 1:
            _loaded.pop(next(id for id in _loaded if id != NO_DICTIONARY))
        _loaded.update(loaded)
    return _loaded


async def newest(connection: AsyncConnection) -> dict[PlacementKey, DictionaryHead]:
    """Return the dictionary in use of each placement that has any."""
    c = log_dictionaries.c
    last = select(c.merchant_id, c.placement, func.max(c.made_at).label("made_at")).group_by(c.merchant_id, c.placement)
    latest = last.subquery()
    same = and_(*(c[name] == latest.c[name] for name in ("merchant_id", "placement", "made_at")))
    query = select(*(c[name] for name in DictionaryHead._fields)).select_from(log_dictionaries.join(latest, same))
    rows = [DictionaryHead(*row) for row in await connection.execute(query)]
    return {(row.merchant_id, row.placement): row for row in rows}


async def add(connection: AsyncConnection, head: DictionaryHead, content: bytes) -> None:
    await insert_many(connection, log_dictionaries, _COLUMNS, [(*head, content)], on_conflict="nothing")


def expired(*, before: int) -> Expired:
    """Return the dictionaries that were replaced before an instant: no record is as old as what they compressed."""
    c, later = log_dictionaries.c, log_dictionaries.alias()
    replaced = exists().where(
        later.c.merchant_id == c.merchant_id,
        later.c.placement == c.placement,
        later.c.made_at > c.made_at,
        later.c.made_at < before,
    )
    return Expired(log_dictionaries, replaced)
