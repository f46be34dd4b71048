"""Snapshots of statistics, one for each beliefs version, so that its draws can be made again."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import msgspec
from sqlalchemy import func, insert, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.kernel.beliefs import Knowledge
from engine.model.scope import Scope
from engine.store.connection.purging import Expired
from engine.store.tables import beliefs


class Snapshot(NamedTuple):
    merchant_id: int
    placement: str
    version: int
    reward: str
    bucket: str
    knowledge: Knowledge
    made_at: int
    reason: str = ""


_decode = msgspec.json.Decoder(Knowledge).decode


def _snapshot(row: tuple[object, ...]) -> Snapshot:
    merchant_id, placement, version, reward, bucket, statistics, made_at, reason = row
    knowledge = _decode(statistics)  # type: ignore[arg-type]
    return Snapshot(merchant_id, placement, version, reward, bucket, knowledge, made_at, reason)  # type: ignore[arg-type]


async def add(connection: AsyncConnection, snapshot: Snapshot) -> None:
    """`IntegrityError` where another worker has made this version."""
    values = snapshot._asdict()
    values["statistics"] = msgspec.json.encode(values.pop("knowledge")).decode()
    await connection.execute(insert(beliefs).values(values))


async def newest_version(connection: AsyncConnection, merchant_id: int, placement: str) -> int:
    query = select(func.max(beliefs.c.version)).where(
        beliefs.c.merchant_id == merchant_id, beliefs.c.placement == placement
    )
    return (await connection.execute(query)).scalar() or 0


async def get(connection: AsyncConnection, merchant_id: int, placement: str, version: int) -> Snapshot | None:
    query = select(beliefs).where(
        beliefs.c.merchant_id == merchant_id, beliefs.c.placement == placement, beliefs.c.version == version
    )
    row = (await connection.execute(query)).first()
    return _snapshot(tuple(row)) if row else None


async def some(
    connection: AsyncConnection, merchant_id: int, placement: str, versions: Iterable[int]
) -> dict[int, Snapshot]:
    """Snapshots by version; those no longer kept are missing."""
    query = select(beliefs).where(
        beliefs.c.merchant_id == merchant_id,
        beliefs.c.placement == placement,
        beliefs.c.version.in_(sorted(versions)),
    )
    return {row.version: _snapshot(tuple(row)) for row in await connection.execute(query)}


class Version(NamedTuple):
    """A beliefs version without its statistics; `made_at` in epoch milliseconds."""

    version: int
    bucket: str
    made_at: int
    reason: str


async def last_versions(connection: AsyncConnection, scope: Scope, *, limit: int) -> list[Version]:
    """Return the newest versions of (merchant, placement, reward), the newest first."""
    merchant_id, placement, reward = scope
    query = (
        select(*(beliefs.c[name] for name in Version._fields))
        .where(beliefs.c.merchant_id == merchant_id, beliefs.c.placement == placement, beliefs.c.reward == reward)
        .order_by(beliefs.c.version.desc())
        .limit(limit)
    )
    return [Version(*row) for row in await connection.execute(query)]


async def newest(
    connection: AsyncConnection, merchant_id: int, placement: str, reward: str, *, after_version: int = 0
) -> list[Snapshot]:
    """The last snapshot of each bucket that is newer than a version."""
    last = (
        select(func.max(beliefs.c.version))
        .where(
            beliefs.c.merchant_id == merchant_id,
            beliefs.c.placement == placement,
            beliefs.c.reward == reward,
            beliefs.c.version > after_version,
        )
        .group_by(beliefs.c.bucket)
    )
    query = (
        select(beliefs)
        .where(
            beliefs.c.merchant_id == merchant_id,
            beliefs.c.placement == placement,
            beliefs.c.version.in_(last),
        )
        .order_by(beliefs.c.version)
    )
    return [_snapshot(tuple(row)) for row in await connection.execute(query)]


async def in_force_at(connection: AsyncConnection, scope: Scope, instant: int) -> Snapshot | None:
    """Return the last snapshot of the bucket "" that was made before an instant, or None."""
    merchant_id, placement, reward = scope
    query = (
        select(beliefs)
        .where(
            beliefs.c.merchant_id == merchant_id,
            beliefs.c.placement == placement,
            beliefs.c.reward == reward,
            beliefs.c.bucket == "",
            beliefs.c.made_at < instant,
        )
        .order_by(beliefs.c.version.desc())
        .limit(1)
    )
    row = (await connection.execute(query)).first()
    return _snapshot(tuple(row)) if row else None


async def newest_versions(connection: AsyncConnection) -> dict[tuple[int, str], int]:
    query = select(beliefs.c.merchant_id, beliefs.c.placement, func.max(beliefs.c.version)).group_by(
        beliefs.c.merchant_id, beliefs.c.placement
    )
    return {(merchant, placement): version for merchant, placement, version in await connection.execute(query)}


def expired(*, before: int, merchant_id: int | None = None) -> Expired:
    """Return the snapshots that no decision since an instant can name: those that had a successor by then."""
    where = (beliefs.c.merchant_id, beliefs.c.placement)
    successor = func.lead(beliefs.c.made_at).over(
        partition_by=(*where, beliefs.c.reward, beliefs.c.bucket), order_by=beliefs.c.version
    )
    versions = select(*where, beliefs.c.version, successor.label("replaced_at"))
    own = versions if merchant_id is None else versions.where(beliefs.c.merchant_id == merchant_id)
    named = own.subquery()
    replaced = select(named.c.merchant_id, named.c.placement, named.c.version).where(named.c.replaced_at < before)
    return Expired(beliefs, tuple_(*where, beliefs.c.version).in_(replaced))
