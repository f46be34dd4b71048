"""What customers said, every version of it, and merchants' defaults."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import exists, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.model.documents.preferences import PreferenceDefaults
from engine.model.timestamps import DAY
from engine.store.connection.bulk import insert_many
from engine.store.connection.purging import Expired
from engine.store.customers.versions import documents, newest, put_document
from engine.store.tables import customer_setting_versions, customer_settings, preference_defaults

_KEY = ("merchant_id", "customer", "version", "sealed")


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


NO_SEALED_SETTINGS = SealedSettings(0, "")


async def get(connection: AsyncConnection, merchant_id: int, customer: str) -> SealedSettings:
    """Return what is in force."""
    c = customer_settings.c
    query = select(c.version, c.sealed).where(c.merchant_id == merchant_id, c.customer == customer)
    row = (await connection.execute(query)).one_or_none()
    return NO_SEALED_SETTINGS if row is None else SealedSettings(*row)


async def lock(connection: AsyncConnection, merchant_id: int, customer: str) -> SealedSettings:
    """Return what is in force, and hold it until the transaction ends, also where nothing was said yet."""
    await insert_many(
        connection, customer_settings, _KEY, [(merchant_id, customer, *NO_SEALED_SETTINGS)], on_conflict="nothing"
    )
    c = customer_settings.c
    query = select(c.version, c.sealed).where(c.merchant_id == merchant_id, c.customer == customer)
    return SealedSettings(*(await connection.execute(query.with_for_update())).one())


async def put(connection: AsyncConnection, merchant_id: int, customer: str, version: SettingsVersion) -> None:
    """Store the next version of what is locked, and keep it among the versions."""
    c = customer_settings.c
    change = update(customer_settings).where(c.merchant_id == merchant_id, c.customer == customer)
    seen_day = version.changed_at // DAY
    await connection.execute(change.values(version=version.version, sealed=version.sealed, seen_day=seen_day))
    columns = ("merchant_id", "customer", *SettingsVersion._fields)
    await insert_many(connection, customer_setting_versions, columns, [(merchant_id, customer, *version)])


async def versions(
    connection: AsyncConnection, merchant_id: int, customer: str, *, before: int | None, limit: int
) -> list[SettingsVersion]:
    """Return versions, the newest first; `before` is the last version of the page before."""
    key = (merchant_id, customer)
    return await newest(connection, customer_setting_versions, SettingsVersion, key, before=before, limit=limit)


def expired_versions(merchant_id: int, *, before: int) -> Expired:
    """Return the versions of a merchant's customers from before an instant, except those in force."""
    v, s = customer_setting_versions.c, customer_settings.c
    same = (s.merchant_id == v.merchant_id) & (s.customer == v.customer)
    replaced = exists().where(same, s.version > v.version)
    return Expired(customer_setting_versions, (v.merchant_id == merchant_id) & (v.changed_at < before) & replaced)


async def all_defaults(connection: AsyncConnection) -> dict[int, PreferenceDefaults]:
    """Return the defaults of all merchants that have some, by merchant."""
    return await documents(connection, preference_defaults, PreferenceDefaults)


async def put_defaults(connection: AsyncConnection, merchant_id: int, document: PreferenceDefaults) -> None:
    """Replace a merchant's defaults."""
    await put_document(connection, preference_defaults, merchant_id, document)
