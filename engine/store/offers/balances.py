"""Balances of budgets: one conditional update for all that moves together, so that no cap is ever exceeded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import TextClause, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.model.offers.hold import TOTAL, Balance, BalanceKey
from engine.store.connection.bulk import insert_many
from engine.store.connection.customer_names import CustomerNames, names_of
from engine.store.tables import budget_balances, budget_caps
from engine.store.tables.offers import BALANCE_KEY

_COLUMNS = (*BALANCE_KEY, *Balance._fields)
_encode = msgspec.json.Encoder().encode

# On the path of every decision about offers, where writing the query anew would take longer than asking. What aliases
# only hold does not count for the customer, or a log-in would take the offer away that was shown. SQLite keeps the
# order of a CROSS JOIN; else it might read the balances of all customers before it looks for aliases.
_OWN = f"b.customer, {', '.join(f'b.{name}' for name in Balance._fields)} FROM {{keys}}"
_OF_ALIASES = (
    "r.value ->> 3, 0, b.spent, 0, b.spent_uses FROM {keys} {join} customer_aliases AS a "
    "ON r.value ->> 3 <> '' AND a.merchant_id = CAST(r.value ->> 0 AS bigint) AND a.customer = r.value ->> 3"
)
_READ = {
    dialect: " UNION ALL ".join(
        f"SELECT b.merchant_id, b.budget, b.period, {columns.format(keys=keys, join=join)} {join} budget_balances AS b "
        "ON b.merchant_id = CAST(r.value ->> 0 AS bigint) AND b.budget = r.value ->> 1 "
        f"AND b.period = CAST(r.value ->> 2 AS bigint) AND b.customer = {customer}"
        for columns, customer in ((_OWN, "r.value ->> 3"), (_OF_ALIASES, "a.alias"))
    )
    for dialect, keys, join in (
        ("sqlite", "json_each(?1) AS r", "CROSS JOIN"),
        ("postgresql", "json_array_elements(CAST(CAST($1 AS text) AS json)) AS r(value)", "JOIN"),
    )
}

_SPENT_BY_ALIASES = (
    "CASE budget_balances.customer WHEN '' THEN 0 ELSE (SELECT COALESCE(SUM(("
    "SELECT b.{column} FROM budget_balances AS b WHERE b.merchant_id = a.merchant_id AND b.customer = a.alias "
    "AND b.budget = budget_balances.budget AND b.period = budget_balances.period)), 0) "
    "FROM customer_aliases AS a "
    "WHERE a.merchant_id = budget_balances.merchant_id AND a.customer = budget_balances.customer) END"
)
UNDER_THE_CAP = f"""
AND EXISTS (
    SELECT 1 FROM budget_caps
    WHERE budget_caps.merchant_id = budget_balances.merchant_id AND budget_caps.budget = budget_balances.budget
    AND (budget_caps.amount IS NULL
         OR budget_balances.spent + budget_balances.held + changes.held + changes.spent
            + {_SPENT_BY_ALIASES.format(column="spent")} <= budget_caps.amount)
    AND (budget_caps.uses IS NULL
         OR budget_balances.spent_uses + budget_balances.held_uses + changes.held_uses + changes.spent_uses
            + {_SPENT_BY_ALIASES.format(column="spent_uses")} <= budget_caps.uses)
)"""  # noqa: S608
"""The condition that keeps spent + held at or below the cap; a budget without a row of caps allows nothing."""


async def lock(connection: AsyncConnection, keys: Iterable[BalanceKey]) -> None:
    """Create balances that are not there and lock all of them, in one order, so that writers wait in no ring."""
    rows = [(*key, *Balance()) for key in sorted(set(keys))]
    await insert_many(connection, budget_balances, _COLUMNS, rows, on_conflict="add")


async def try_take(connection: AsyncConnection, changes: Mapping[BalanceKey, Balance]) -> bool:
    """Add to locked balances what stays under the caps; return whether all did. If not, roll back to a savepoint."""
    return await _add(connection, changes, UNDER_THE_CAP) == len(changes)


async def add(connection: AsyncConnection, changes: Mapping[BalanceKey, Balance]) -> None:
    """Add changes that take nothing from what is available."""
    await _add(connection, changes, "")


async def read(connection: AsyncConnection, keys: Sequence[BalanceKey]) -> dict[BalanceKey, Balance]:
    """Return the balances of keys, with what aliases of a customer spent; those that are not there are missing."""
    if not keys:
        return {}
    stored = {_stored(names_of(connection.dialect), key): key for key in keys}
    parameters = (_encode([*stored]).decode(),)
    rows: Iterable[Any] = await connection.exec_driver_sql(_READ[connection.dialect.name], parameters)
    balances: dict[BalanceKey, Balance] = {}
    for row in rows:
        key, balance = stored[BalanceKey(*row[:4])], Balance(*row[4:])
        balances[key] = balances[key].plus(balance) if key in balances else balance
    return balances


def _stored(names: CustomerNames, key: BalanceKey) -> BalanceKey:
    return key._replace(customer=names.stored(key.customer)) if names.keys else key


async def totals(connection: AsyncConnection, merchant_id: int) -> dict[BalanceKey, Balance]:
    """Return the balances of all budgets by period, those of all customers together."""
    columns = (budget_balances.c.budget, budget_balances.c.period)
    sums = [func.sum(budget_balances.c[name]) for name in Balance._fields]
    query = select(*columns, *sums).where(budget_balances.c.merchant_id == merchant_id).group_by(*columns)
    rows = await connection.execute(query)
    return {BalanceKey(merchant_id, row[0], row[1], ""): Balance(*map(int, row[2:])) for row in rows}


class WatchedBalance(NamedTuple):
    """A balance that customers share, with the caps in force and the percentage of the last alert."""

    key: BalanceKey
    balance: Balance
    amount: int | None
    uses: int | None
    alerted: int


async def watched(connection: AsyncConnection, *, day: int) -> list[WatchedBalance]:
    """Return the balances that all customers share: of whole budgets, and of an epoch day."""
    b, c = budget_balances.c, budget_caps.c
    columns = [b[name] for name in _COLUMNS]
    query = select(*columns, c.amount, c.uses, b.alerted).join_from(
        budget_balances, budget_caps, (b.merchant_id == c.merchant_id) & (b.budget == c.budget)
    )
    rows = await connection.execute(query.where(b.customer == "", b.period.in_((TOTAL, day))))
    return [WatchedBalance(BalanceKey(*row[:4]), Balance(*row[4:8]), *row[8:]) for row in rows]


async def set_alerted(connection: AsyncConnection, key: BalanceKey, *, before: int, level: int) -> bool:
    """Keep the percentage of an alert; return False where another process was faster."""
    is_balance = [budget_balances.c[name] == value for name, value in key._asdict().items()]
    statement = update(budget_balances).where(*is_balance, budget_balances.c.alerted == before)
    return (await connection.execute(statement.values(alerted=level))).rowcount == 1


async def _add(connection: AsyncConnection, changes: Mapping[BalanceKey, Balance], condition: str) -> int:
    if not changes:
        return 0
    names = names_of(connection.dialect)
    rows = [(*_stored(names, key), *change) for key, change in sorted(changes.items())]
    statement = _statement(connection.dialect.name, condition)
    result = await connection.execute(statement, {"changes": _encode(rows).decode()})
    return result.rowcount


@cache
def _statement(dialect: str, condition: str) -> TextClause:
    rows = "json_each(:changes) AS r"
    if dialect != "sqlite":
        rows = "json_array_elements(CAST(CAST(:changes AS text) AS json)) AS r(value)"
    columns = ", ".join(
        f"value ->> {index} AS {name}"
        if name in ("budget", "customer")
        else f"CAST(value ->> {index} AS bigint) AS {name}"
        for index, name in enumerate(_COLUMNS)
    )
    sums = ", ".join(f"{name} = budget_balances.{name} + changes.{name}" for name in Balance._fields)
    same = " AND ".join(f"budget_balances.{name} = changes.{name}" for name in BALANCE_KEY)
    return text(
        f"UPDATE budget_balances SET {sums} FROM (SELECT {columns} FROM {rows}) AS changes "  # noqa: S608
        f"WHERE {same} {condition}"
    )
