"""What customers said, every version of it, and merchants' defaults."""

from __future__ import annotations

from typing import NamedTuple

import msgspec
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.model.documents.preferences import PreferenceDefaults
from engine.store.connection.bulk import insert_many
from engine.store.tables import customer_setting_versions, customer_settings, preference_defaults

_KEY = ("merchant_id", "customer", "version", "sealed")
_decode_defaults = msgspec.json.Decoder(PreferenceDefaults).decode


class SealedSettings(NamedTuple):
    """The settings of a customer, encrypted; version 0 and an empty text where nothing was said yet."""

    version: int
    sealed: str


class SettingsVersion(NamedTuple):
    """A version of what a customer said: when it was changed, from where, and by whom."""

    version: int
    changed_at: int
    source: str
    actor: str
    sealed: str


NOTHING_SAID = SealedSettings(0, "")


async def get(connection: AsyncConnection, merchant_id: int, customer: str) -> SealedSettings:
    """Return what is in force."""
    c = customer_settings.c
    query = select(c.version, c.sealed).where(c.merchant_id == merchant_id, c.customer == customer)
    row = (await connection.execute(query)).one_or_none()
    return NOTHING_SAID if row is None else SealedSettings(*row)


async def lock(connection: AsyncConnection, merchant_id: int, customer: str) -> SealedSettings:
    """Return what is in force, and hold it until the transaction ends, also where nothing was said yet."""
    await insert_many(
        connection, customer_settings, _KEY, [(merchant_id, customer, *NOTHING_SAID)], on_conflict="nothing"
    )
    c = customer_settings.c
    query = select(c.version, c.sealed).where(c.merchant_id == merchant_id, c.customer == customer)
    return SealedSettings(*(await connection.execute(query.with_for_update())).one())


async def put(connection: AsyncConnection, merchant_id: int, customer: str, version: SettingsVersion) -> None:
    """Store the next version of what is locked, and keep it among the versions."""
    c = customer_settings.c
    change = update(customer_settings).where(c.merchant_id == merchant_id, c.customer == customer)
    await connection.execute(change.values(version=version.version, sealed=version.sealed))
    columns = ("merchant_id", "customer", *SettingsVersion._fields)
    await insert_many(connection, customer_setting_versions, columns, [(merchant_id, customer, *version)])


async def versions(
    connection: AsyncConnection, merchant_id: int, customer: str, *, before: int | None, limit: int
) -> list[SettingsVersion]:
    """Return versions, the newest first; `before` is the last version of the page before."""
    c = customer_setting_versions.c
    query = select(*(c[name] for name in SettingsVersion._fields))
    query = query.where(c.merchant_id == merchant_id, c.customer == customer)
    if before is not None:
        query = query.where(c.version < before)
    rows = await connection.execute(query.order_by(c.version.desc()).limit(limit))
    return [SettingsVersion(*row) for row in rows]


async def all_defaults(connection: AsyncConnection) -> dict[int, PreferenceDefaults]:
    """Return the defaults of all merchants that have some, by merchant."""
    c = preference_defaults.c
    rows = await connection.execute(select(c.merchant_id, c.document))
    return {row.merchant_id: _decode_defaults(row.document) for row in rows}


async def put_defaults(connection: AsyncConnection, merchant_id: int, document: PreferenceDefaults) -> int:
    """Replace a merchant's defaults; return their version."""
    c = preference_defaults.c
    query = select(c.version).where(c.merchant_id == merchant_id).with_for_update()
    version = ((await connection.execute(query)).scalar_one_or_none() or 0) + 1
    values = (merchant_id, version, msgspec.json.encode(document).decode())
    columns = ("merchant_id", "version", "document")
    await insert_many(connection, preference_defaults, columns, [values], on_conflict="replace")
    return version
