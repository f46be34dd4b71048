"""Fit the parameters of a placement to its statistics: strengths, examination and delays. A job repeats it."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Sequence

import msgspec
import numpy as np

import bandits
from bandits.evidence.delay import ENOUGH, bin_of
from engine.learning.pending_delays import PendingCounts, read_pending_counts
from engine.learning.slot_reader import needs_slots, read_slot_evidence
from engine.model.placement import Placement
from engine.model.scope import Scope
from engine.model.timestamps import DAY, MINUTE
from engine.statistics.evidence import DayRow, Fit, PendingRow, pending_step
from engine.statistics.slots import examination_of
from engine.store import fits, folds
from engine.store.connection.database import Database
from engine.store.folds import SiblingRow

MOST_CUSTOMERS = 20_000
LOOK_BACK_DAYS = 90
NO_PENDING = PendingCounts()


async def fit_placement(database: Database, merchant_id: int, placement: Placement, now: int) -> Fit:
    """Fit a placement, store the fit and return it; `now` is in epoch milliseconds."""
    scope = Scope(merchant_id, placement.key, placement.reward)
    async with database.read() as connection:
        buckets = await folds.siblings(connection, scope) if placement.buckets else []
        customers = await folds.customers(connection, merchant_id, placement.key, most=MOST_CUSTOMERS)
        slots = await folds.days(connection, scope, bucket=None, since_day=now // DAY - LOOK_BACK_DAYS)
        delays = await folds.delay_counts(connection, scope)
        few = sum(successes for _, successes, _ in delays) < ENOUGH
        pending = await read_pending_counts(connection, merchant_id, placement, now) if few else PendingCounts()
        arrivals = await folds.arrival_counts(connection, scope)
        pending_rows = await folds.waiting_trials(connection, scope, bucket=None)
        last = await fits.get(connection, scope) or Fit()
    fit = await asyncio.to_thread(fit_from, buckets, customers, slots, delays, pending)
    step = pending_step(placement.window_minutes) * MINUTE
    fit = msgspec.structs.replace(
        fit,
        arrivals=tuple(arrivals),
        settled=settled_by_candidate(slots),
        unresolved=unresolved_by_age(pending_rows, step, now),
    )
    if needs_slots(placement):
        evidence = await read_slot_evidence(database, merchant_id, placement, last.slots, now)
        examination = () if placement.learns_choices else examination_of(evidence)
        fit = msgspec.structs.replace(fit, slots=evidence, examination=examination or fit.examination)
    async with database.write() as connection:
        await fits.put(connection, scope, fit, now=now)
    return fit


def fit_from(
    buckets: Sequence[SiblingRow],
    customers: Sequence[SiblingRow],
    slots: Sequence[DayRow],
    delays: Sequence[tuple[int, int, int]],
    pending: PendingCounts = NO_PENDING,
) -> Fit:
    """Return the fit to these rows; a strength without rows keeps its default."""
    default = Fit()
    return Fit(
        bucket_strength=_strength(buckets) or default.bucket_strength,
        customer_strength=_strength(customers) or default.customer_strength,
        examination=_examination(slots),
        delays=tuple(delays),
        pending=pending.common,
        candidates_pending=dict(pending.by_candidate),
    )


def settled_by_candidate(rows: Sequence[DayRow]) -> dict[str, tuple[int, int]]:
    """Return (trials, successes) of each candidate."""
    sums: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0])
    for row in rows:
        sums[row.candidate][0] += row.trials
        sums[row.candidate][1] += row.successes
    return {name: (trials, successes) for name, (trials, successes) in sorted(sums.items())}


def unresolved_by_age(rows: Sequence[PendingRow], step_ms: int, now: int) -> dict[str, tuple[tuple[int, int], ...]]:
    """Return the (bin of age, trials) of each candidate, from rows of steps; the middle of a step counts."""
    counts: defaultdict[str, Counter[int]] = defaultdict(Counter)
    for row in rows:
        oldest = max(0, now - row.minute * MINUTE)
        counts[row.candidate][bin_of(oldest - min(step_ms, oldest) // 2)] += row.trials
    return {name: tuple(sorted(own.items())) for name, own in sorted(counts.items())}


def _strength(rows: Sequence[SiblingRow]) -> float | None:
    """Return the strength under which siblings of the same candidate are likeliest; None if none has two siblings."""
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
    """Return the probability that each slot is examined; empty if credit does not depend on slots."""
    slots, names = max((row.slot for row in rows), default=0), sorted({row.candidate for row in rows})
    if not slots:
        return ()
    trials, successes = np.zeros((2, len(names), slots))
    for row in rows:
        if row.slot:
            trials[names.index(row.candidate), row.slot - 1] += row.trials
            successes[names.index(row.candidate), row.slot - 1] += row.successes
    return tuple(round(weight, 4) for weight in bandits.estimate_weights(trials, successes).tolist())
