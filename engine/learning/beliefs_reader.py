"""Reads the sums and fits of a placement, and keeps what its buckets have in common."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import bandits
from engine.kernel.beliefs import ArmBelief, Knowledge
from engine.kernel.plan import Plan
from engine.model.placement import Placement
from engine.model.timestamps import DAY, MINUTE
from engine.statistics.evidence import (
    FORGOTTEN_AFTER,
    DayRow,
    Fit,
    Memory,
    Reading,
    WaitingRow,
    arms,
    children,
    memory,
    waiting_step,
)
from engine.store import fits, folds
from engine.store.connection.database import Database

MOST_COMMON_AGE = 60_000
ENOUGH_COMMON_NEWS = 0.02


class BeliefsReader:
    """What is known in a placement, read anew for each beliefs version; one for each placement in force."""

    def __init__(self, merchant_id: int, plan: Plan) -> None:
        placement = plan.placement
        self._place = (merchant_id, placement.key, placement.reward)
        self._placement = placement
        self._fit = Fit()
        self._parents: dict[str, ArmBelief] = {}
        self._read_at = 0
        self._news = 0
        self._memories: dict[tuple[str | None, int], Memory] = {}

    def heard(self, trials: int) -> None:
        """Somewhere in the placement there is so much new evidence."""
        self._news += trials

    def is_common_due(self, now: int) -> bool:
        """Whether what all buckets have in common should be read again."""
        if not self._placement.buckets or not self._news:
            return False
        known = sum(parent.trials for parent in self._parents.values())
        return self._news > ENOUGH_COMMON_NEWS * known or now - self._read_at > MOST_COMMON_AGE

    async def read_common(self, database: Database, now: int) -> Knowledge:
        """Read what all buckets have in common; returns what is known in a bucket that was never seen."""
        self._read_at, self._news = now, 0
        self._parents = await self._arms(database, None, now)
        nothing = {name: ArmBelief(0.0, 0.0, p.mean, p.strength) for name, p in self._priors().items()}
        return Knowledge(nothing, self._fit.customer_strength)

    async def read(self, database: Database, bucket: str, now: int) -> Knowledge:
        """What is known in a bucket."""
        return Knowledge(await self._arms(database, bucket, now), self._fit.customer_strength)

    def delays(self) -> bandits.DelayCurve:
        """How much a decision tells by its age, as far as was read."""
        return delay_curve(self._fit, self._placement)

    def _priors(self) -> dict[str, bandits.Prior]:
        return children(self._parents, self._fit.bucket_strength)

    async def _arms(self, database: Database, bucket: str | None, now: int) -> dict[str, ArmBelief]:
        """What is known in a bucket, on top of what all have in common; without `bucket`, of all together."""
        first = now // DAY - int(FORGOTTEN_AFTER * self._placement.half_life_days)
        async with database.read() as connection:
            self._fit = await fits.get(connection, self._place) or Fit()
            days = await folds.days(connection, self._place, bucket=bucket, since_day=first)
            waiting = await folds.waiting_trials(connection, self._place, bucket=bucket)
        return await asyncio.to_thread(self._known, bucket, days, waiting, now)

    def _known(
        self, bucket: str | None, days: Sequence[DayRow], waiting: Sequence[WaitingRow], now: int
    ) -> dict[str, ArmBelief]:
        priors = self._priors() if bucket is not None and self._placement.buckets else {}
        before = first_open_day(now, self._placement)
        reading = Reading(
            self._placement.half_life_days,
            self._examination,
            self.delays(),
            self._memory(bucket, days, before),
            now,
            waiting_step(self._placement.window_minutes),
        )
        return arms(days, waiting, priors, reading)

    def _memory(self, bucket: str | None, days: Sequence[DayRow], before: int) -> Memory:
        """The verdicts on days that are over stay what they are, so they are looked for once a day."""
        known = self._memories.get((bucket, before))
        if known is None:
            self._memories = {key: kept for key, kept in self._memories.items() if key[1] == before}
            known = self._memories[bucket, before] = memory(days, self._examination, before_day=before)
        return known

    @property
    def _examination(self) -> tuple[float, ...]:
        return self._placement.examination or self._fit.examination


def first_open_day(now: int, placement: Placement) -> int:
    """The first day of which outcomes may still come."""
    return (now - placement.window_minutes * MINUTE) // DAY


def delay_curve(fit: Fit, placement: Placement) -> bandits.DelayCurve:
    most = max((bin for bin, *_ in fit.delays), default=-1) + 1
    successes, failures = [0] * most, [0] * most
    for bin, won, lost in fit.delays:
        successes[bin], failures[bin] = won, lost
    window = placement.window_minutes * MINUTE
    return bandits.DelayCurve(successes, failures, window_ms=window, young=fit.young)
