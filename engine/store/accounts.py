"""Merchants and their API keys. Secrets stand here only as hashes."""

from __future__ import annotations

import msgspec
from sqlalchemy import insert, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.model.account import Key as Key
from engine.model.account import Kind as Kind
from engine.model.account import Merchant as Merchant
from engine.model.errors import Conflict
from engine.store.tables.accounts import keys, merchants


async def add_merchant(connection: AsyncConnection, merchant: Merchant) -> Merchant:
    """The id is given by the database; `Conflict` where the slug is taken."""
    values = {name: getattr(merchant, name) for name in Merchant.__struct_fields__ if name != "id"}
    try:
        result = await connection.execute(insert(merchants).values(values).returning(merchants.c.id))
    except IntegrityError:
        raise Conflict(f"there is already a merchant “{merchant.slug}”", field="slug") from None
    return msgspec.structs.replace(merchant, id=result.scalar_one())


async def all_merchants(connection: AsyncConnection) -> list[Merchant]:
    columns = (merchants.c[name] for name in Merchant.__struct_fields__)
    rows = await connection.execute(select(*columns).order_by(merchants.c.slug, merchants.c.mode))
    return [Merchant(*row) for row in rows]


async def currency_of(connection: AsyncConnection, merchant_id: int) -> str:
    query = select(merchants.c.currency).where(merchants.c.id == merchant_id)
    return str((await connection.execute(query)).scalar_one())


async def timezone_of(connection: AsyncConnection, merchant_id: int) -> str:
    """Return the merchant's time zone."""
    return str(await connection.scalar(select(merchants.c.timezone).where(merchants.c.id == merchant_id)))


async def has_review(connection: AsyncConnection, merchant_id: int) -> bool:
    """Return whether a second person must approve changes."""
    query = select(merchants.c.review).where(merchants.c.id == merchant_id)
    return bool((await connection.execute(query)).scalar_one())


async def set_review(connection: AsyncConnection, merchant_id: int, *, on: bool) -> None:
    """Whoever is publishing right now starts again, under the new rule."""
    change = {"review": on, "revision": merchants.c.revision + 1}
    await connection.execute(update(merchants).where(merchants.c.id == merchant_id).values(change))


async def set_browser_purchase_limit(connection: AsyncConnection, merchant_id: int, limit: int) -> None:
    query = update(merchants).where(merchants.c.id == merchant_id)
    await connection.execute(query.values(browser_purchase_limit=limit))


async def add_key(connection: AsyncConnection, key: Key) -> None:
    await connection.execute(insert(keys).values(msgspec.structs.asdict(key)))


async def keys_in_force(connection: AsyncConnection, *, now: int) -> list[Key]:
    rows = await connection.execute(select(keys).where(or_(keys.c.expires_at.is_(None), keys.c.expires_at > now)))
    return [Key(*row) for row in rows]


async def keys_of(connection: AsyncConnection, merchant_id: int) -> list[Key]:
    query = select(keys).where(keys.c.merchant_id == merchant_id).order_by(keys.c.created_at, keys.c.id)
    return [Key(*row) for row in await connection.execute(query)]


async def expire_key(connection: AsyncConnection, key: Key, ends_at: int, *, now: int) -> bool:
    """End a key at a time; False where it is not in force, or another change of its end came first."""
    before = keys.c.expires_at.is_(None) if key.expires_at is None else keys.c.expires_at == key.expires_at
    in_force = or_(keys.c.expires_at.is_(None), keys.c.expires_at > now)
    query = update(keys).where(keys.c.id == key.id, keys.c.merchant_id == key.merchant_id, before, in_force)
    return (await connection.execute(query.values(expires_at=ends_at))).rowcount == 1
