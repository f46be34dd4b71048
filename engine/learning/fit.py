"""Fits what the statistics of a placement say about how to read them; a job does it again from time to time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import numpy as np

import bandits
from bandits.evidence.delay import ENOUGH, PendingDelays
from engine.learning import pending_delays
from engine.model.placement import Placement
from engine.model.timestamps import DAY
from engine.statistics.evidence import DayRow, Fit
from engine.store import fits, folds
from engine.store.connection.database import Database
from engine.store.folds import SiblingRow

MOST_CUSTOMERS = 20_000
LOOK_BACK_DAYS = 90


async def fit_placement(database: Database, merchant_id: int, placement: Placement, now: int) -> Fit:
    """Fit the strengths of buckets and customers, the slots' examination and the delays; the fit is stored."""
    place = (merchant_id, placement.key, placement.reward)
    async with database.read() as connection:
        buckets = await folds.siblings(connection, place) if placement.buckets else []
        customers = await folds.customers(connection, merchant_id, placement.key, most=MOST_CUSTOMERS)
        slots = await folds.days(connection, place, bucket=None, since_day=now // DAY - LOOK_BACK_DAYS)
        delays = await folds.delay_counts(connection, place)
        few = sum(won for _, won, _ in delays) < ENOUGH
        opened = await pending_delays.of(connection, merchant_id, placement, now) if few else ()
    fit = await asyncio.to_thread(fit_from, buckets, customers, slots, delays, opened)
    async with database.write() as connection:
        await fits.put(connection, place, fit, now=now)
    return fit


def fit_from(
    buckets: Sequence[SiblingRow],
    customers: Sequence[SiblingRow],
    slots: Sequence[DayRow],
    delays: Sequence[tuple[int, int, int]],
    opened: Sequence[PendingDelays] = (),
) -> Fit:
    """Where there is nothing to fit a strength to, it stays what it is for new placements."""
    nothing = Fit()
    return Fit(
        bucket_strength=_strength(buckets) or nothing.bucket_strength,
        customer_strength=_strength(customers) or nothing.customer_strength,
        examination=_examination(slots),
        delays=tuple(delays),
        young=tuple(opened),
    )


def _strength(rows: Sequence[SiblingRow]) -> float | None:
    """Siblings are alike in their candidate; None where no candidate has two of them."""
    groups = []
    for name in sorted({row.candidate for row in rows}):
        tried = [row for row in rows if row.candidate == name and row.trials > 0]
        if len(tried) < 2:
            continue
        trials, successes = [row.trials for row in tried], [row.successes for row in tried]
        mean = bandits.mean(bandits.Evidence(sum(trials), sum(successes)))
        groups.append(bandits.Siblings(mean, trials, successes))
    return bandits.fit_strength(groups) if groups else None


def _examination(rows: Sequence[DayRow]) -> tuple[float, ...]:
    """How likely each slot is looked at; nothing where credit does not depend on it."""
    slots, names = max((row.slot for row in rows), default=0), sorted({row.candidate for row in rows})
    if not slots:
        return ()
    trials, successes = np.zeros((2, len(names), slots))
    for row in rows:
        if row.slot:
            trials[names.index(row.candidate), row.slot - 1] += row.trials
            successes[names.index(row.candidate), row.slot - 1] += row.successes
    return tuple(round(weight, 4) for weight in bandits.estimate_weights(trials, successes).tolist())
