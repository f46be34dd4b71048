"""What customers tried and chose before, and what they said, read on the path of every decision."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.model.facts import History, Past
from engine.store.connection.customer_names import names_of
from engine.store.connection.purging import Expired
from engine.store.tables import usage

_encode = msgspec.json.Encoder().encode


class UsageRow(NamedTuple):
    placement: str
    candidate: str
    day: int
    trials: int
    successes: int


class StoredCustomer(NamedTuple):
    """A customer's usage, and what the customer said, encrypted; empty without any.

    `seen_day` is that of the settings, None where there are none.
    """

    usage: Sequence[UsageRow] = ()
    sealed: str = ""
    seen_day: int | None = None


NO_CUSTOMER = StoredCustomer()
NO_STORED_SETTINGS = ("", None)
_SETTINGS_ROW = ""
"""Stands for the placement in the row of what a customer said."""

# A customer's past is that of their aliases too. This is on the path of every decision: writing the query anew for each
# number of customers took twice as long as asking. SQLite keeps the order of a CROSS JOIN: aliases are looked up by
# customer first, whatever a planner thinks, which costs 1 to 2 us where nobody has one. PostgreSQL expects 100 elements
# of any JSON text, for which it reads all of a small table; an array's it looks up by index.
_SQLITE = "IN (SELECT value FROM json_each(?2))"
_SQLITE_ALIASES = (
    "json_each(?2) AS n CROSS JOIN customer_aliases AS a ON a.merchant_id = ?1 AND a.customer = n.value CROSS JOIN"
)
_POSTGRESQL = "= ANY(ARRAY(SELECT json_array_elements_text(CAST(CAST($2 AS text) AS json))))"
_POSTGRESQL_ALIASES = (
    "(SELECT alias, customer FROM customer_aliases "  # noqa: S608
    f"WHERE merchant_id = $1 AND customer {_POSTGRESQL}) AS a JOIN"
)
_CUSTOMERS = {
    dialect: "SELECT customer, placement, candidate, day, trials, successes FROM usage "  # noqa: S608
    f"WHERE merchant_id = {merchant} AND customer {named} "
    "UNION ALL SELECT a.customer, u.placement, u.candidate, u.day, u.trials, u.successes "
    f"FROM {aliases} usage AS u ON u.merchant_id = {merchant} AND u.customer = a.alias "
    f"UNION ALL SELECT customer, '{_SETTINGS_ROW}', sealed, seen_day, 0, 0 FROM customer_settings "
    f"WHERE merchant_id = {merchant} AND customer {named}"
    for dialect, (merchant, named, aliases) in {
        "sqlite": ("?1", _SQLITE, _SQLITE_ALIASES),
        "postgresql": ("$1", _POSTGRESQL, _POSTGRESQL_ALIASES),
    }.items()
}


async def customers_of(
    connection: AsyncConnection, customers: Iterable[tuple[int, str]]
) -> dict[tuple[int, str], StoredCustomer]:
    """Return many customers in one query, by (merchant_id, customer); those of whom nothing is known are left out."""
    by_merchant: defaultdict[int, list[str]] = defaultdict(list)
    for merchant_id, customer in customers:
        by_merchant[merchant_id].append(customer)
    usage_rows: defaultdict[tuple[int, str], list[UsageRow]] = defaultdict(list)
    settings: dict[tuple[int, str], tuple[str, int]] = {}
    query, names = _CUSTOMERS[connection.dialect.name], names_of(connection.dialect)
    for merchant_id, own in by_merchant.items():
        by_stored_name = {names.stored(customer): customer for customer in own}
        rows: Iterable[Any] = await connection.exec_driver_sql(
            query, (merchant_id, _encode([*by_stored_name]).decode())
        )
        for row in rows:
            key = (merchant_id, by_stored_name[row[0]])
            if row[1] == _SETTINGS_ROW:
                settings[key] = (row[2], row[3])
            else:
                usage_rows[key].append(UsageRow(*row[1:]))
    return {
        key: StoredCustomer(usage_rows.get(key, ()), *settings.get(key, NO_STORED_SETTINGS))
        for key in usage_rows.keys() | settings
    }


def history(rows: Sequence[UsageRow], placement: str, *, today: int, weight: Sequence[float]) -> History:
    """A customer's past in one placement; `weight[age in days]` says how much a day still counts."""
    sums: dict[str, list[float]] = {}
    for row in rows:
        if row.placement != placement:
            continue
        factor = weight[min(max(today - row.day, 0), len(weight) - 1)]
        total = sums.setdefault(row.candidate, [0.0, 0.0, 0])
        total[0] += factor * row.trials
        total[1] += factor * row.successes
        total[2] += row.successes
    return {name: Past(trials, successes, int(purchases)) for name, (trials, successes, purchases) in sums.items()}


def expired(*, before_day: int) -> Expired:
    """Return the purchases of customers before a day."""
    return Expired(usage, usage.c.day < before_day)
