"""Reads the sums and fits of a placement, and keeps what its buckets have in common."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import bandits
from engine.beliefs import Knowledge, Known
from engine.clock import DAY, MINUTE
from engine.evidence import FORGOTTEN_AFTER, DayRow, Fit, Reading, WaitingRow, arms, children, since
from engine.placement import Placement
from engine.store import fits, folds
from engine.store.database import Database

MOST_COMMON_AGE = 60_000
ENOUGH_COMMON_NEWS = 0.02


class Knower:
    """What is known in a placement, read anew for each beliefs version; one for each placement in force."""

    def __init__(self, merchant_id: int, placement: Placement) -> None:
        self._place = (merchant_id, placement.key, placement.reward)
        self._placement = placement
        self._fit = Fit()
        self._parents: dict[str, Known] = {}
        self._read_at = 0
        self._news = 0
        self._since: dict[tuple[str, int], dict[str, int]] = {}

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
        self._parents = await self._arms(database, None, {}, now)
        nothing = {name: Known(0.0, 0.0, p.mean, p.strength) for name, p in self._priors().items()}
        return Knowledge(nothing, self._fit.customer_strength)

    async def read(self, database: Database, bucket: str, now: int) -> Knowledge:
        """What is known in a bucket."""
        return Knowledge(await self._arms(database, bucket, self._priors(), now), self._fit.customer_strength)

    def _priors(self) -> dict[str, bandits.Prior]:
        return children(self._parents, self._fit.bucket_strength)

    async def _arms(
        self, database: Database, bucket: str | None, priors: dict[str, bandits.Prior], now: int
    ) -> dict[str, Known]:
        today = now // DAY
        first = today - int(FORGOTTEN_AFTER * self._placement.half_life_days)
        async with database.read() as connection:
            self._fit = await fits.get(connection, self._place) or Fit()
            days = await folds.days(connection, self._place, bucket=bucket, since_day=first)
            waiting = await folds.waiting_trials(connection, self._place, bucket=bucket)
        return await asyncio.to_thread(self._known, days, waiting, priors, bucket, now)

    def _known(
        self,
        days: Sequence[DayRow],
        waiting: Sequence[WaitingRow],
        priors: dict[str, bandits.Prior],
        bucket: str | None,
        now: int,
    ) -> dict[str, Known]:
        begun = self._begun("*" if bucket is None else bucket, days, now // DAY)
        counted = [row for row in days if row.day >= begun.get(row.candidate, 0)]
        return arms(counted, waiting, priors, self._reading(now))

    def _begun(self, bucket: str, days: Sequence[DayRow], today: int) -> dict[str, int]:
        """The verdicts on days that are over stay what they are, so they are looked for once a day."""
        known = self._since.get((bucket, today))
        if known is None:
            self._since = {key: found for key, found in self._since.items() if key[1] == today}
            known = self._since[bucket, today] = since(days, today)
        return known

    def _reading(self, now: int) -> Reading:
        placement = self._placement
        examination = placement.examination or self._fit.examination
        return Reading(placement.half_life_days, examination, delay_curve(self._fit, placement), now)


def delay_curve(fit: Fit, placement: Placement) -> bandits.DelayCurve:
    most = max((bin for bin, *_ in fit.delays), default=-1) + 1
    successes, failures = [0] * most, [0] * most
    for bin, won, lost in fit.delays:
        successes[bin], failures[bin] = won, lost
    return bandits.DelayCurve(successes, failures, window_ms=placement.window_minutes * MINUTE)
