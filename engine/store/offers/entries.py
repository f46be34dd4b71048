"""The ledger: entries that are only ever appended, and the sums that balances must equal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlalchemy import Integer, func, literal_column, select
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.kernel.offers.ledger import Transition
from engine.model.offers.hold import (
    ACCOUNTS,
    EVERY_ENTRY,
    Balance,
    BalanceKey,
    LedgerEntry,
    LedgerFilter,
    Movement,
    OfferEntry,
)
from engine.model.timestamps import DAY
from engine.store.connection.bulk import insert_many
from engine.store.tables import budget_balances, holds, ledger
from engine.store.tables.offers import BALANCE_KEY


async def append(connection: AsyncConnection, transitions: Sequence[Transition], *, now: int) -> None:
    """Write the movements of changed holds; writing one twice fails."""
    rows = [entry for transition in transitions for entry in _entries(transition, now)]
    await insert_many(connection, ledger, LedgerEntry._fields, rows)


async def page(
    connection: AsyncConnection,
    merchant_id: int,
    *,
    only: LedgerFilter = EVERY_ENTRY,
    before: tuple[int, str] | None = None,
    limit: int,
) -> list[OfferEntry]:
    """Return entries with their offers, the newest first; those behind `before`, a time and an id."""
    columns = [ledger.c[name] for name in LedgerEntry._fields]
    query = select(holds.c.offer, holds.c.customer, holds.c.currency, *columns)
    query = query.join_from(ledger, holds, ledger.c.hold_id == holds.c.id).where(ledger.c.merchant_id == merchant_id)
    columns_of_filter = (ledger.c.budget, ledger.c.kind, holds.c.offer, holds.c.customer)
    for column, text in zip(columns_of_filter, only, strict=True):
        query = query.where(column == text) if text else query
    if before is not None:
        recorded_at, id = before
        is_older = ledger.c.recorded_at < recorded_at
        query = query.where(is_older | ((ledger.c.recorded_at == recorded_at) & (ledger.c.id < id)))
    query = query.order_by(ledger.c.recorded_at.desc(), ledger.c.id.desc()).limit(limit)
    rows = await connection.execute(query)
    return [OfferEntry(row[0], row[1], row[2], LedgerEntry(*row[3:])) for row in rows]


async def by_day(connection: AsyncConnection, merchant_id: int, budget: str) -> list[tuple[int, str, int, int]]:
    """Return what moved from or to a budget by epoch day and kind: (day, kind, amount, uses), the oldest first."""
    # Whole numbers divide to whole numbers, in both databases.
    day = literal_column(f"recorded_at / {DAY}", Integer)
    query = select(day, ledger.c.kind, func.sum(ledger.c.amount), func.sum(ledger.c.uses))
    query = query.where(ledger.c.merchant_id == merchant_id, ledger.c.budget == budget)
    rows = await connection.execute(query.group_by(day, ledger.c.kind).order_by(day))
    return [(row[0], row[1], int(row[2]), int(row[3])) for row in rows]


async def first_at(connection: AsyncConnection, merchant_id: int, budget: str) -> int | None:
    """Return when the first entry of a budget was recorded; None without one."""
    query = select(func.min(ledger.c.recorded_at))
    query = query.where(ledger.c.merchant_id == merchant_id, ledger.c.budget == budget)
    moment: int | None = (await connection.execute(query)).scalar()
    return moment


async def sums(connection: AsyncConnection, merchant_id: int) -> dict[BalanceKey, Balance]:
    """Return what the ledger adds up to, by balance."""
    keys = [ledger.c[name] for name in BALANCE_KEY]
    amounts = (func.sum(ledger.c.amount), func.sum(ledger.c.uses))
    query = select(*keys, ledger.c.kind, *amounts).where(ledger.c.merchant_id == merchant_id)
    totals: dict[BalanceKey, Balance] = {}
    for *key, kind, amount, uses in await connection.execute(query.group_by(*keys, ledger.c.kind)):
        name = BalanceKey(*key)
        totals[name] = totals.get(name, Balance()).plus(Movement(kind, int(amount), int(uses)).change)
    return totals


async def balances(connection: AsyncConnection, merchant_id: int) -> dict[BalanceKey, Balance]:
    """Return all balances of a merchant, as they are stored."""
    columns = [budget_balances.c[name] for name in (*BALANCE_KEY, *Balance._fields)]
    query = select(*columns).where(budget_balances.c.merchant_id == merchant_id)
    return {BalanceKey(*row[:4]): Balance(*row[4:]) for row in await connection.execute(query)}


def _entries(transition: Transition, now: int) -> Iterator[LedgerEntry]:
    hold, movements, _ = transition
    for number, movement in enumerate(movements, transition.entries_before + 1):
        debit, credit = ACCOUNTS[movement.kind]
        for index, key in enumerate(hold.balances):
            yield LedgerEntry(
                f"{hold.id}.{number}.{index}",
                hold.merchant_id,
                hold.id,
                key.budget,
                key.period,
                key.customer,
                movement.kind,
                debit,
                credit,
                movement.amount,
                movement.uses,
                now,
            )
