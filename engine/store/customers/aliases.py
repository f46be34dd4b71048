"""Anonymous ids that became known customers; both stand here as keyed hashes."""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlalchemy import CompoundSelect, bindparam, select, union, union_all
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.store.connection.bulk import insert_many
from engine.store.tables import customer_aliases


class StoredAlias(NamedTuple):
    """An anonymous id (`alias`) of a customer, since epoch ms.

    `joined_version` is the version of what was said under the alias that the customer's own settings contain.
    """

    alias: str
    customer: str
    linked_at: int
    joined_version: int


async def around(connection: AsyncConnection, merchant_id: int, *names: str) -> list[StoredAlias]:
    """Return the aliases that any of these hashes is, or has."""
    c = customer_aliases.c
    of_merchant = select(*(c[name] for name in StoredAlias._fields)).where(c.merchant_id == merchant_id)
    # For `or`, SQLite would read all aliases of the merchant.
    either = union(of_merchant.where(c.alias.in_(names)), of_merchant.where(c.customer.in_(names)))
    return [StoredAlias(*row) for row in await connection.execute(either.order_by(c.linked_at))]


async def names_of(connection: AsyncConnection, merchant_id: int, customer: str) -> list[str]:
    """Return a customer's hash, and before it those of its aliases."""
    aliases = await around(connection, merchant_id, customer)
    return [*(each.alias for each in aliases if each.customer == customer), customer]


def names_of_customer() -> CompoundSelect[Any]:
    """Return a subquery of the names of a customer and its aliases, with the parameters `merchant` and `customer`."""
    c = customer_aliases.c
    customer = bindparam("customer", type_=c.customer.type)
    return union_all(
        select(customer), select(c.alias).where(c.merchant_id == bindparam("merchant"), c.customer == customer)
    )


async def put(connection: AsyncConnection, merchant_id: int, alias: StoredAlias) -> None:
    """Store an alias, or what is new of it."""
    columns = ("merchant_id", *StoredAlias._fields)
    await insert_many(connection, customer_aliases, columns, [(merchant_id, *alias)], on_conflict="replace")
