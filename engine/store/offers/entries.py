"""The ledger: entries that are only ever appended, and the sums that balances must equal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.kernel.offers.ledger import Transition
from engine.model.offers.hold import ACCOUNTS, Balance, BalanceKey, LedgerEntry, Movement
from engine.store.connection.bulk import insert_many
from engine.store.tables import budget_balances, ledger
from engine.store.tables.offers import BALANCE_KEY


async def append(connection: AsyncConnection, transitions: Sequence[Transition], *, now: int) -> None:
    """Write the movements of changed holds; writing one twice fails."""
    rows = [entry for transition in transitions for entry in _entries(transition, now)]
    await insert_many(connection, ledger, LedgerEntry._fields, rows)


async def page(
    connection: AsyncConnection,
    merchant_id: int,
    *,
    budget: str = "",
    before: tuple[int, str] | None = None,
    limit: int,
) -> list[LedgerEntry]:
    """Return entries, the newest first, of all budgets or one; those behind `before`, a time and an id."""
    query = select(*(ledger.c[name] for name in LedgerEntry._fields)).where(ledger.c.merchant_id == merchant_id)
    if budget:
        query = query.where(ledger.c.budget == budget)
    if before is not None:
        recorded_at, id = before
        is_older = ledger.c.recorded_at < recorded_at
        query = query.where(is_older | ((ledger.c.recorded_at == recorded_at) & (ledger.c.id < id)))
    query = query.order_by(ledger.c.recorded_at.desc(), ledger.c.id.desc()).limit(limit)
    return [LedgerEntry(*row) for row in await connection.execute(query)]


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
    hold, movements = transition
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
