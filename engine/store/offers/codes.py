"""Codes of offers: each is given to one hold at a time, in the transaction that takes the hold."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import case, delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.kernel.offers.ledger import Transition
from engine.model.errors import Conflict
from engine.model.offers.code import CodeCounts, CodeState, StoredCode
from engine.model.offers.hold import Hold
from engine.store.connection.bulk import insert_many
from engine.store.connection.customer_names import names_of
from engine.store.tables import holds, offer_codes

ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
"""Without 0, 1, I and O, which people mistake for one another."""
LENGTH = 10
_COLUMNS = ("merchant_id", *StoredCode._fields)
_encode = msgspec.json.Encoder().encode
_FREE = {
    dialect: f"SELECT r.value FROM {offers} WHERE EXISTS (SELECT 1 FROM offer_codes AS c "  # noqa: S608
    f"WHERE c.merchant_id = {merchant} AND c.placement = {placement} AND c.offer = r.value AND c.state = 'free')"
    for dialect, (merchant, placement, offers) in {
        "sqlite": ("?1", "?2", "json_each(?3) AS r"),
        "postgresql": ("$1", "$2", "json_array_elements_text(CAST(CAST($3 AS text) AS json)) AS r(value)"),
    }.items()
}
# Without statistics SQLite would read all codes of the merchant instead of this index.
_OF_CUSTOMER = {"sqlite": ("INDEXED BY ix_offer_codes_customer", "?"), "postgresql": ("", "$")}
_USED = {
    dialect: f"SELECT offer FROM offer_codes {indexed} WHERE merchant_id = {p}1 AND placement = {p}2 "  # noqa: S608
    f"AND state = 'used' AND customer <> '' AND customer IN (SELECT CAST({p}3 AS text) UNION ALL "
    f"SELECT alias FROM customer_aliases WHERE merchant_id = {p}1 AND customer = {p}3)"
    for dialect, (indexed, p) in _OF_CUSTOMER.items()
}
_OWN = {
    dialect: f"SELECT code FROM offer_codes {indexed} WHERE merchant_id = {p}1 AND placement = {p}2 "  # noqa: S608
    f"AND customer <> '' AND customer = {p}3 AND offer = {p}4"
    for dialect, (indexed, p) in _OF_CUSTOMER.items()
}


class PoolKey(NamedTuple):
    """The offer that a pool of codes belongs to."""

    merchant_id: int
    placement: str
    offer: str


def new_code(prefix: str = "") -> str:
    """Return a code that nobody can guess."""
    return prefix + "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))


async def add(connection: AsyncConnection, pool: PoolKey, codes: Iterable[str], *, now: int) -> int:
    """Add free codes to a pool; return how many were new to the merchant."""
    rows = [(pool.merchant_id, code, pool.placement, pool.offer, "free", "", "", now) for code in codes]
    return len(await insert_many(connection, offer_codes, _COLUMNS, rows, on_conflict="nothing", returning="code"))


async def remove_free(connection: AsyncConnection, pool: PoolKey) -> int:
    """Remove the codes of a pool that nobody has; return how many."""
    result = await connection.execute(delete(offer_codes).where(*_of_pool(pool), offer_codes.c.state == "free"))
    return result.rowcount


async def counts(connection: AsyncConnection, pool: PoolKey) -> CodeCounts:
    """Return how many codes of an offer are in each state."""
    table = offer_codes.c
    query = select(table.state, func.count()).where(*_of_pool(pool)).group_by(table.state)
    by_state = {row[0]: row[1] for row in await connection.execute(query)}
    return CodeCounts(*(by_state.get(state, 0) for state in CodeCounts._fields))


async def page(
    connection: AsyncConnection, pool: PoolKey, *, after: str = "", state: CodeState | None = None, limit: int
) -> list[StoredCode]:
    """Return the codes of an offer behind `after`, in alphabetical order."""
    query = select(*(offer_codes.c[name] for name in StoredCode._fields)).where(*_of_pool(pool))
    query = query.where(offer_codes.c.code > after) if after else query
    query = query.where(offer_codes.c.state == state) if state else query
    rows = await connection.execute(query.order_by(offer_codes.c.code).limit(limit))
    return [StoredCode(*row) for row in rows]


async def find(connection: AsyncConnection, merchant_id: int, code: str) -> StoredCode | None:
    """Return a code of a merchant, or None."""
    table = offer_codes.c
    query = select(*(table[name] for name in StoredCode._fields))
    row = (await connection.execute(query.where(table.merchant_id == merchant_id, table.code == code))).first()
    return StoredCode(*row) if row is not None else None


async def taken(connection: AsyncConnection, merchant_id: int) -> list[StoredCode]:
    """Return the codes of a merchant that are held or used."""
    query = select(*(offer_codes.c[name] for name in StoredCode._fields))
    rows = await connection.execute(
        query.where(offer_codes.c.merchant_id == merchant_id, offer_codes.c.state != "free")
    )
    return [StoredCode(*row) for row in rows]


async def without_free(
    connection: AsyncConnection, merchant_id: int, placement: str, offers: Sequence[str]
) -> set[str]:
    """Return those of some offers whose pools have no free code."""
    parameters = (merchant_id, placement, _encode(offers).decode())
    rows: Iterable[Any] = await connection.exec_driver_sql(_FREE[connection.dialect.name], parameters)
    return {*offers} - {row[0] for row in rows}


async def used_by(connection: AsyncConnection, merchant_id: int, placement: str, customer: str) -> set[str]:
    """Return the offers whose own code a customer has used, also under an alias."""
    parameters = (merchant_id, placement, names_of(connection.dialect).stored(customer))
    rows: Iterable[Any] = await connection.exec_driver_sql(_USED[connection.dialect.name], parameters)
    return {row[0] for row in rows}


async def give(connection: AsyncConnection, transitions: Sequence[Transition], *, now: int) -> dict[str, str]:
    """Give codes to the holds that request one; return them by hold, without those for which none is free."""
    assigned: dict[str, str] = {}
    pools: dict[PoolKey, list[Hold]] = {}
    for hold, _, request in transitions:
        if request is None:
            continue
        if request.code and await _take(connection, hold, request.code):
            assigned[hold.id] = request.code
        elif request.exact:
            continue
        elif request.kind == "customer":
            assigned |= await _give_own(connection, hold, now)
        else:
            pools.setdefault(_pool_of(hold), []).append(hold)
    for pool, pending in pools.items():
        assigned |= await _give_from_pool(connection, pool, pending)
    return assigned


async def settle(connection: AsyncConnection, transitions: Sequence[Transition]) -> None:
    """Use up the codes of holds that are redeemed, and free those of holds that end otherwise.

    Raise `Conflict` where the code of a redeemed hold has gone to another one, as its time was over.
    """
    for hold, movements, _ in transitions:
        if not hold.code or hold.state == "live":
            continue
        if hold.state != "redeemed":
            await _set(connection, hold, state="free", hold_id="")
        elif any(movement.kind == "commit" for movement in movements) and not await _set(
            connection, hold, state="used"
        ):
            raise Conflict(f"hold “{hold.id}” is over, and its code was given to another customer", field="hold_id")


async def _set(connection: AsyncConnection, hold: Hold, **values: str) -> bool:
    statement = update(offer_codes).where(*_named(hold, hold.code), offer_codes.c.hold_id == hold.id)
    return (await connection.execute(statement.values(**values))).rowcount == 1


async def _take(connection: AsyncConnection, hold: Hold, code: str) -> bool:
    """Take a code if it is free, or was held by a hold that is over."""
    over = select(holds.c.id).where(
        holds.c.merchant_id == hold.merchant_id,
        holds.c.id == offer_codes.c.hold_id,
        or_(holds.c.state != "live", holds.c.expires_at <= hold.created_at),
    )
    is_free = or_(offer_codes.c.state == "free", (offer_codes.c.state == "held") & over.exists())
    statement = update(offer_codes).where(*_named(hold, code), is_free)
    return (await connection.execute(statement.values(state="held", hold_id=hold.id))).rowcount == 1


async def _give_own(connection: AsyncConnection, hold: Hold, now: int) -> dict[str, str]:
    """Give the customer's own code, which is made the first time; nothing where it is used or held."""
    row = (hold.merchant_id, new_code(), hold.placement, hold.offer, "held", hold.id, hold.customer, now)
    made = await insert_many(connection, offer_codes, _COLUMNS, [row], on_conflict="nothing", returning="code")
    if made:
        return {hold.id: made[0]}
    parameters = (hold.merchant_id, hold.placement, names_of(connection.dialect).stored(hold.customer), hold.offer)
    rows: Iterable[Any] = await connection.exec_driver_sql(_OWN[connection.dialect.name], parameters)
    [(code,)] = [*rows] or [(None,)]
    return {hold.id: code} if code is not None and await _take(connection, hold, code) else {}


async def _give_from_pool(connection: AsyncConnection, pool: PoolKey, pending: Sequence[Hold]) -> dict[str, str]:
    table = offer_codes.c
    free = select(table.code).where(*_of_pool(pool), table.state == "free").order_by(table.added_at, table.code)
    rows = await connection.execute(free.limit(len(pending)).with_for_update(skip_locked=True))
    assigned = {hold.id: code for hold, code in zip(pending, rows.scalars().all(), strict=False)}
    if assigned:
        codes = {code: hold_id for hold_id, code in assigned.items()}
        statement = update(offer_codes).where(
            table.merchant_id == pool.merchant_id, table.code.in_(codes), table.state == "free"
        )
        values = {"state": "held", "hold_id": case(codes, value=table.code)}
        taken = await connection.execute(statement.values(**values))
        if taken.rowcount != len(codes):
            raise RuntimeError("a code that was locked is no longer free")
    return assigned


def _of_pool(pool: PoolKey) -> tuple[Any, ...]:
    return tuple(offer_codes.c[name] == value for name, value in pool._asdict().items())


def _named(hold: Hold, code: str) -> tuple[Any, ...]:
    return offer_codes.c.merchant_id == hold.merchant_id, offer_codes.c.code == code, offer_codes.c.state != "used"


def _pool_of(hold: Hold) -> PoolKey:
    return PoolKey(hold.merchant_id, hold.placement, hold.offer)
