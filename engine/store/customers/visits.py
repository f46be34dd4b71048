"""When customers were last seen, and what is left of those who did not come back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import ColumnElement, bindparam, delete, exists, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.store.connection.purging import Expired
from engine.store.tables import customer_aliases, customer_consents, customer_setting_versions, customer_settings

NOT_KNOWN, REST = 0, -1
"""Instead of a day: nobody has noted a visit yet; the customer is inactive, and this row is what stays."""
DAYS_LATE = 7
"""A visit is noted so many days after the last one that was, so that few decisions lead to a write."""

_settings = customer_settings.c


class SeenCustomer(NamedTuple):
    """A customer of a merchant, seen on a day since 1970."""

    merchant_id: int
    customer: str
    day: int


class InactiveCustomer(NamedTuple):
    """The settings, encrypted, of a customer who was last seen on a day since 1970."""

    customer: str
    sealed: str
    seen_day: int


async def note(connection: AsyncConnection, rows: Sequence[SeenCustomer]) -> None:
    """Note visits, of customers who have settings."""
    own = (_settings.merchant_id == bindparam("own_merchant"), _settings.customer == bindparam("own_customer"))
    change = update(customer_settings).where(*own, _settings.seen_day < bindparam("day"))
    values = [{"own_merchant": row.merchant_id, "own_customer": row.customer, "day": row.day} for row in rows]
    await connection.execute(change.values(seen_day=bindparam("day")), values)


async def begin(connection: AsyncConnection, merchant_id: int, *, today: int, limit: int) -> int:
    """Count from today for customers of whom no visit is known; return how many there were, at most `limit`."""
    unknown = select(_settings.customer).where(_settings.merchant_id == merchant_id, _settings.seen_day == NOT_KNOWN)
    chosen = _settings.customer.in_(unknown.limit(limit))
    change = update(customer_settings).where(_settings.merchant_id == merchant_id, chosen)
    return int((await connection.execute(change.values(seen_day=today))).rowcount)


async def inactive(
    connection: AsyncConnection, merchant_id: int, *, before_day: int, limit: int
) -> list[InactiveCustomer]:
    """Return customers who were last seen before a day."""
    query = select(_settings.customer, _settings.sealed, _settings.seen_day)
    query = query.where(*inactive_before(merchant_id, before_day)).order_by(_settings.seen_day).limit(limit)
    return [InactiveCustomer(*row) for row in await connection.execute(query)]


def inactive_before(merchant_id: int, day: int) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions for customers who were last seen before a day."""
    return _settings.merchant_id == merchant_id, _settings.seen_day > NOT_KNOWN, _settings.seen_day < day


async def reduce(connection: AsyncConnection, merchant_id: int, before: InactiveCustomer, refusals: str) -> bool:
    """Keep the refusals of an inactive customer; delete versions and links to other ids.

    Return false, and change nothing, where the customer came back or said something meanwhile.
    """
    customer, sealed, seen_day = before
    own = (_settings.merchant_id == merchant_id, _settings.customer == customer)
    unchanged = (_settings.sealed == sealed, _settings.seen_day == seen_day)
    change = update(customer_settings).where(*own, *unchanged).values(sealed=refusals, seen_day=REST)
    if not (await connection.execute(change)).rowcount:
        return False
    v, a = customer_setting_versions.c, customer_aliases.c
    await connection.execute(
        delete(customer_setting_versions).where(v.merchant_id == merchant_id, v.customer == customer)
    )
    linked = or_(a.alias == customer, a.customer == customer)
    await connection.execute(delete(customer_aliases).where(a.merchant_id == merchant_id, linked))
    return True


def expired_rests(merchant_id: int, *, consents_before: int) -> tuple[Expired, Expired]:
    """Return inactive customers' consents from before an instant (epoch ms), and rows from which nothing is left."""
    c = customer_consents.c
    is_inactive = exists().where(
        _settings.merchant_id == c.merchant_id, _settings.customer == c.customer, _settings.seen_day == REST
    )
    has_consents = exists().where(c.merchant_id == _settings.merchant_id, c.customer == _settings.customer)
    empty = (_settings.merchant_id == merchant_id, _settings.seen_day == REST, _settings.sealed == "")
    return (
        Expired(customer_consents, (c.merchant_id == merchant_id) & (c.recorded_at < consents_before) & is_inactive),
        Expired(customer_settings, empty[0] & empty[1] & empty[2] & ~has_consents),
    )
