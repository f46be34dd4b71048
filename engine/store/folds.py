"""The sums that are kept beside the log: statistics of candidates, customers' usage, and who came first."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec
from sqlalchemy import delete, func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.beliefs import Count, Counts
from engine.facts import History, Past
from engine.store.bulk import insert_many
from engine.store.tables import statistics, tallies, usage

_encode = msgspec.json.Encoder().encode

STATISTICS_COLUMNS = (
    "merchant_id",
    "placement",
    "reward",
    "bucket",
    "candidate",
    "day",
    "trials",
    "successes",
)
USAGE_COLUMNS = ("merchant_id", "customer", "placement", "candidate", "day", "trials", "successes")
TALLY_COLUMNS = ("merchant_id", "placement", "minute", "candidate", "firsts")


class Cell(NamedTuple):
    """Where statistics add up."""

    merchant_id: int
    placement: str
    reward: str
    bucket: str
    candidate: str
    day: int


class UsageCell(NamedTuple):
    merchant_id: int
    customer: str
    placement: str
    candidate: str
    day: int


class Sums:
    """Changes to the folds, gathered before they are written or compared."""

    def __init__(self) -> None:
        self.statistics: defaultdict[Cell, list[int]] = defaultdict(lambda: [0, 0])
        self.usage: defaultdict[UsageCell, list[int]] = defaultdict(lambda: [0, 0])

    def add(self, cell: Cell, customer: str | None, trials: int, successes: int) -> None:
        self._add(self.statistics[cell], trials, successes)
        if customer is not None:
            self.use(
                UsageCell(cell.merchant_id, customer, cell.placement, cell.candidate, cell.day),
                trials,
                successes,
            )

    def use(self, cell: UsageCell, trials: int, successes: int) -> None:
        self._add(self.usage[cell], trials, successes)

    @staticmethod
    def _add(sums: list[int], trials: int, successes: int) -> None:
        sums[0] += trials
        sums[1] += successes


async def add(connection: AsyncConnection, sums: Sums) -> None:
    """Add to both folds. Keys go in one order, so that two writers never wait for each other in a ring."""
    await insert_many(connection, statistics, STATISTICS_COLUMNS, _rows(sums.statistics), on_conflict="add")
    await insert_many(connection, usage, USAGE_COLUMNS, _rows(sums.usage), on_conflict="add")


def _rows(sums: dict[Cell, list[int]] | dict[UsageCell, list[int]]) -> list[tuple[object, ...]]:
    return sorted((*cell, *pair) for cell, pair in sums.items() if pair != [0, 0])


async def add_firsts(connection: AsyncConnection, firsts: dict[tuple[int, str, int, str], int]) -> None:
    rows = sorted((*cell, count) for cell, count in firsts.items())
    await insert_many(connection, tallies, TALLY_COLUMNS, rows, on_conflict="add")


async def counts(connection: AsyncConnection, merchant_id: int, placement: str, reward: str, bucket: str) -> Counts:
    """Trials and successes of every candidate in one bucket."""
    query = (
        select(
            statistics.c.candidate,
            func.sum(statistics.c.trials).label("trials"),
            func.sum(statistics.c.successes).label("successes"),
        )
        .where(
            statistics.c.merchant_id == merchant_id,
            statistics.c.placement == placement,
            statistics.c.reward == reward,
            statistics.c.bucket == bucket,
        )
        .group_by(statistics.c.candidate)
        .order_by(statistics.c.candidate)
    )
    return {row.candidate: Count(int(row.trials), int(row.successes)) for row in await connection.execute(query)}


async def buckets(connection: AsyncConnection, merchant_id: int, placement: str, reward: str) -> list[str]:
    query = (
        select(statistics.c.bucket)
        .where(
            statistics.c.merchant_id == merchant_id,
            statistics.c.placement == placement,
            statistics.c.reward == reward,
        )
        .distinct()
        .order_by(statistics.c.bucket)
    )
    return list((await connection.execute(query)).scalars())


class UsageRow(NamedTuple):
    placement: str
    candidate: str
    day: int
    trials: int
    successes: int


# On the path of every decision, where writing the query anew for each number of customers took twice as long as asking.
_USAGE_OF = {
    dialect: text(
        "SELECT customer, placement, candidate, day, trials, successes FROM usage "  # noqa: S608
        f"WHERE merchant_id = :merchant_id AND customer IN (SELECT value FROM {customers})"
    )
    for dialect, customers in {
        "sqlite": "json_each(:customers)",
        "postgresql": "json_array_elements_text(CAST(CAST(:customers AS text) AS json))",
    }.items()
}


async def usage_of(
    connection: AsyncConnection, customers: Iterable[tuple[int, str]]
) -> dict[tuple[int, str], list[UsageRow]]:
    """The usage of many customers in one query, by (merchant_id, customer)."""
    by_merchant: defaultdict[int, list[str]] = defaultdict(list)
    for merchant_id, customer in customers:
        by_merchant[merchant_id].append(customer)
    found: defaultdict[tuple[int, str], list[UsageRow]] = defaultdict(list)
    query = _USAGE_OF[connection.dialect.name]
    for merchant_id, names in by_merchant.items():
        asked = {"merchant_id": merchant_id, "customers": _encode(names).decode()}
        for customer, *rest in await connection.execute(query, asked):
            found[merchant_id, customer].append(UsageRow(*rest))
    return found


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


async def purge_usage(connection: AsyncConnection, *, before_day: int) -> int:
    result = await connection.execute(delete(usage).where(usage.c.day < before_day))
    return result.rowcount


async def purge_tallies(connection: AsyncConnection, *, before_minute: int) -> int:
    result = await connection.execute(delete(tallies).where(tallies.c.minute < before_minute))
    return result.rowcount


class Share(NamedTuple):
    minute: int
    candidate: str
    firsts: int


async def shares(connection: AsyncConnection, merchant_id: int, placement: str, *, since_minute: int) -> list[Share]:
    query = (
        select(tallies.c.minute, tallies.c.candidate, tallies.c.firsts)
        .where(
            tallies.c.merchant_id == merchant_id,
            tallies.c.placement == placement,
            tallies.c.minute >= since_minute,
        )
        .order_by(tallies.c.minute, tallies.c.candidate)
    )
    return [Share(*row) for row in await connection.execute(query)]
