"""The overview's interval against the holdback in simulated months, and what a page costs at two sizes of the log."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.metrics.dashboard import Dashboards, TimeSpan
from engine.migrate import upgrade
from engine.model.documents.metric import MetricName
from engine.model.timestamps import DAY, HOUR
from engine.statistics.lift import CLUSTERS, lift_of
from engine.statistics.metric_totals import MetricTotals
from engine.store import folds
from engine.store.connection.database import open_database, sqlite_url
from engine.store.folds import HOURS, Sums
from engine.store.metrics.hours import HourCell
from engine.store.tables.accounts import merchants

MONTHS = 2_000
CUSTOMERS, HELD_BACK = 8_000, 0.05
BASE, EFFECT = 0.30, 0.03
SIZES = (50_000, 5_000_000)
COUNTRIES = ("AT", "BE", "CH", "DE", "ES", "FR", "GB", "IT", "NL", "PL")
READS = 7

Totals = dict[str, MetricTotals]
Floats = NDArray[np.float64]


def figures() -> Iterator[tuple[str, ...]]:
    """Yield (what, goal, measured)."""
    for name, sigma in (("customers decide alike", 0.0), ("customers differ and come back", 1.5)):
        shares = coverage(np.random.default_rng(16), months=MONTHS, sigma=sigma)
        for metric, share in shares.items():
            what = f"{MONTHS:,} months, {name}: intervals of {metric} that cover the true lift"
            yield what, "93% to 97%", f"{100 * share:.1f}%"
    times = [asyncio.run(read_time(size)) for size in SIZES]
    yield (
        f"overview's read of 90 days at {SIZES[0]:,} and {SIZES[1]:,} decisions: rows of sums, never the log",
        "at most 1.5 times (whole page)",
        f"{1000 * times[0]:.0f} ms, {1000 * times[1]:.0f} ms",
    )


def coverage(random: np.random.Generator, *, months: int, sigma: float) -> dict[MetricName, float]:
    """Return the share of months whose interval covers the true lift.

    A customer's chance to buy has a normal part of its own on the scale of logits, with deviation `sigma`. Those who
    are likelier to buy also come more often.
    """
    truth = _truth(random, sigma)
    hits: dict[MetricName, int] = dict.fromkeys(truth, 0)
    for _ in range(months):
        arms = [_month(random, round(CUSTOMERS * share), lift, sigma) for share, lift in _ARMS]
        for metric, value in truth.items():
            lift = lift_of(metric, arms[0], arms[1])
            hits[metric] += lift is not None and lift.low <= value <= lift.high
    return {metric: count / months for metric, count in hits.items()}


_ARMS = ((1 - HELD_BACK, EFFECT), (HELD_BACK, 0.0))


def _truth(random: np.random.Generator, sigma: float) -> dict[MetricName, float]:
    """Return the lift among very many customers."""
    sums = []
    for _, lift in _ARMS:
        total = MetricTotals()
        for each in _month(random, 3_000_000, lift, sigma).values():
            total += each
        sums.append(total)
    metrics: tuple[MetricName, ...] = ("conversion", "revenue")
    return {metric: (sums[0].value(metric) or 0.0) - (sums[1].value(metric) or 0.0) for metric in metrics}


def _month(random: np.random.Generator, customers: int, lift: float, sigma: float) -> Totals:
    """Return the sums of customers by cluster."""
    taste: Floats = random.normal(0.0, sigma, customers)
    visits = 1 + random.poisson(np.exp(0.5 * taste)) if sigma else np.ones(customers, np.int64) * 3
    chance = 1 / (1 + np.exp(-(np.log(BASE / (1 - BASE)) + taste)))
    bought = random.binomial(visits, np.clip(chance + lift, 0.0, 1.0))
    revenue = np.round(bought * random.lognormal(8.0, 0.8, customers)).astype(np.int64)
    cluster = random.integers(CLUSTERS, size=customers)
    parts = [np.bincount(cluster, weights=each, minlength=CLUSTERS).astype(int) for each in (visits, bought, revenue)]
    return {
        f"{number:02}": MetricTotals(decisions=n, converted=b, revenue=r)
        for number, (n, b, r) in enumerate(zip(*(part.tolist() for part in parts), strict=True))
    }


async def read_time(decisions: int) -> float:
    """Return the least seconds of a dashboard's reads over 90 days with so many decisions."""
    with tempfile.TemporaryDirectory() as folder:
        await upgrade(sqlite_url(folder))
        database = open_database(sqlite_url(folder))
        now = 20_000 * DAY
        async with database.write() as connection:
            await _merchant(connection)
            await folds.add(connection, _sums(np.random.default_rng(5), decisions, now))
        reader, times = Dashboards(database), []
        for _ in range(READS):
            start = time.perf_counter()
            await reader.of(1, "payment_methods", TimeSpan(now - 90 * DAY, now, 90 * DAY))
            times.append(time.perf_counter() - start)
        await database.close()
    return min(times)


async def _merchant(connection: AsyncConnection) -> None:
    """Insert the merchant whose sums these are."""
    columns = [column for column in merchants.columns if not column.nullable and column.server_default is None]
    values: dict[str, object] = {column.name: "x" if column.type.python_type is str else 1 for column in columns}
    await connection.execute(insert(merchants).values(values | {"id": 1}))


def _sums(random: np.random.Generator, decisions: int, now: int) -> Sums:
    """Return sums as so many decisions leave them, evenly spread over 90 days."""
    sums, an_hour = Sums(), decisions / (90 * 24)
    for hour in range((now - 90 * DAY) // HOUR, now // HOUR):
        for dimension, values in _DIMENSIONS.items():
            for arm, share in _SHARES if dimension in ("", "cluster") else (("", 1.0),):
                counts = random.poisson(an_hour * share / len(values), len(values))
                for value, count in zip(values, counts.tolist(), strict=True):
                    if count:
                        totals = MetricTotals(decisions=count, converted=count // 2, revenue=3_000 * count)
                        sums.add(HOURS, HourCell(1, "payment_methods", dimension, hour, arm, value), *totals)  # type: ignore[arg-type]
    return sums


_SHARES = (("", 0.2), ("personalized", 0.75), ("not_personalized", 0.05))
_DIMENSIONS: dict[str, Sequence[str]] = {
    "": ("",),
    "cluster": [f"{number:02}" for number in range(CLUSTERS)],
    "device": ("desktop", "mobile", "tablet"),
    "country": COUNTRIES,
    "visit": ("guest", "new", "returning"),
    "candidate": [f"method{number}" for number in range(8)],
    "currency": ("EUR", "GBP"),
    "delay": [f"{number:02}" for number in range(14)],
}
