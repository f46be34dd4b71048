"""What the bandit of a placement knows right now, for the arms monitor."""

from __future__ import annotations

from typing import NamedTuple

import bandits
from engine.beliefs import Count
from engine.clock import MINUTE, now_ms
from engine.errors import NotFound
from engine.live import Active, Live
from engine.store import folds
from engine.store.database import Database
from engine.store.folds import Share


class Arm(NamedTuple):
    """A candidate in one bucket; shares and rates are 0 to 1, `share` is of first places in the time shown."""

    id: str
    label: str
    position: int
    chance: float
    mean: float
    low: float
    high: float
    trials: int
    successes: int
    share: float


class Arms(NamedTuple):
    """All candidates of a placement in one bucket, in the merchant's order."""

    bucket: str
    buckets: list[str]
    beliefs_version: int
    plan_version: int
    arms: list[Arm]
    shares: list[Share]
    decisions: int


class Monitor:
    def __init__(self, database: Database, live: Live) -> None:
        self._database = database
        self._live = live

    async def arms(self, merchant_id: int, placement: str, *, bucket: str | None = None, minutes: int = 60) -> Arms:
        """Without `bucket`: the one with the most evidence. `NotFound` for an unknown placement or bucket."""
        active = self._live.get(merchant_id, placement)
        if active is None:
            raise NotFound(f"there is no placement “{placement}”", field="placement")
        chosen = _chosen(active, bucket)
        async with self._database.read() as connection:
            shares = await folds.shares(connection, merchant_id, placement, since_minute=now_ms() // MINUTE - minutes)
        return _arms(active, chosen, shares)


def _chosen(active: Active, bucket: str | None) -> str:
    if bucket is None:
        return max(active.known, key=lambda name: _evidence(active, name), default="")
    if bucket and bucket not in active.known:
        raise NotFound(f"nothing is known about “{bucket}”", field="bucket")
    return bucket


def _evidence(active: Active, bucket: str) -> int:
    return sum(count.trials for count in active.known[bucket].counts.values())


def _arms(active: Active, bucket: str, shares: list[Share]) -> Arms:
    plan, snapshot = active.plan, active.known.get(bucket)
    beliefs = active.beliefs.get(bucket, active.flat)
    counts = snapshot.counts if snapshot else {}
    everyone = tuple(range(len(plan.ids)))
    chances = beliefs.lane(everyone).race.chances(()).tolist() if everyone else []
    total = sum(share.firsts for share in shares)
    firsts = {name: sum(s.firsts for s in shares if s.candidate == name) for name in plan.ids}
    arms = []
    for number, name in enumerate(plan.ids):
        count = counts.get(name, Count(0, 0))
        known = bandits.Statistics(count.trials, count.successes)
        low, high = bandits.interval(known)
        arms.append(
            Arm(
                name,
                plan.candidates[number].label,
                number,
                chances[number],
                bandits.mean(known),
                low,
                high,
                count.trials,
                count.successes,
                firsts[name] / total if total else 0.0,
            )
        )
    return Arms(bucket, sorted(active.known), beliefs.version, plan.version, arms, shares, total)
