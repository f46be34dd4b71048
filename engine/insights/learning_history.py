"""How a placement learns: each candidate's history by day, when outcomes arrive, what outcomes are credited to whom."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

import numpy as np

from bandits.evidence.calibration import WeekCalibration, calibrations
from bandits.evidence.change import changes
from bandits.evidence.delay import EDGES
from engine.clock import now_ms
from engine.insights.arms_monitor import facts_in, known_in
from engine.insights.weight_history import WeightHistory, WeightReader
from engine.kernel.beliefs import ArmBelief, Beliefs
from engine.learning.active import Active
from engine.learning.beliefs_reader import first_open_day
from engine.learning.live import Live
from engine.model.errors import NotFound
from engine.model.placement import Placement
from engine.model.scope import Scope
from engine.model.timestamps import DAY, MINUTE
from engine.statistics.evidence import DayRow, Fit, examination_weight
from engine.store import beliefs as snapshots
from engine.store import fits, folds
from engine.store.connection.database import Database

DAYS = 90
VERSIONS = 12
"""The newest beliefs versions that the page lists."""


class DayRate(NamedTuple):
    """Trials and successes of a candidate on a day (epoch days)."""

    candidate: str
    day: int
    trials: int
    successes: int


class Jump(NamedTuple):
    """A candidate's rate changed for good: the days before `day` are forgotten."""

    candidate: str
    day: int
    before: float
    after: float


class BucketEvidence(NamedTuple):
    """A bucket: its effective trials, and the share of what is believed there that is its own, 0 to 1."""

    bucket: str
    trials: float
    own_share: float


class VersionRow(NamedTuple):
    """A beliefs version: when it was made (epoch milliseconds), for which bucket, and why."""

    version: int
    bucket: str
    made_at: int
    reason: str


class Insight(NamedTuple):
    """`arrivals` are (milliseconds since the decision, share of successes known by then); `known` is of all customers
    together; `regret` is what an answer's first place loses by trying others than the best, in successes.

    `calibration` compares what a policy that learns from facts predicted with what came, by week, and `weights` are
    those of its facts.
    """

    placement: Placement
    labels: dict[str, str]
    days: list[DayRate]
    jumps: list[Jump]
    arrivals: list[tuple[int, float]]
    outcomes: int
    pending: int
    fit: Fit
    beliefs: dict[str, ArmBelief]
    groups: list[BucketEvidence]
    regret: float | None
    versions: list[VersionRow]
    calibration: list[WeekCalibration]
    weights: WeightHistory | None


class Insights:
    def __init__(self, database: Database, live: Live) -> None:
        self._database = database
        self._live = live
        self.weights = WeightReader(database, live)

    async def of(self, merchant_id: int, placement: str) -> Insight:
        """Return how a placement learned; raise `NotFound` for an unknown one."""
        active = self._live.get(merchant_id, placement)
        if active is None:
            raise NotFound(f"there is no placement “{placement}”", field="placement")
        setup = active.plan.placement
        scope, today = Scope(merchant_id, placement, setup.reward), now_ms() // DAY
        async with self._database.read() as connection:
            rows = await folds.days(connection, scope, bucket=None, since_day=today - DAYS)
            pending = await folds.waiting_trials(connection, scope, bucket=None)
            delays = await folds.delay_counts(connection, scope)
            fit = await fits.get(connection, scope) or Fit()
            versions = await snapshots.last_versions(connection, scope, limit=VERSIONS)
        days = by_day(rows, setup.examination or fit.examination)
        return Insight(
            placement=setup,
            labels={candidate.id: candidate.label for candidate in active.plan.candidates},
            days=days,
            jumps=_jumps(active, days),
            arrivals=arrivals(delays, setup.window_minutes * MINUTE),
            outcomes=sum(won + lost for _, won, lost in delays),
            pending=sum(row.trials for row in pending),
            fit=fit,
            beliefs=known_in(active, None if setup.buckets else ""),
            groups=[
                _group(name, snapshot.knowledge.arms) for name, snapshot in sorted(active.snapshots.items()) if name
            ],
            regret=regret(active),
            versions=[VersionRow(*version) for version in versions],
            calibration=_calibration(active),
            weights=await self.weights.of(merchant_id, placement, now=now_ms()),
        )

    async def jumps(self, merchant_id: int, placement: str) -> list[Jump]:
        """Return the jumps of candidates' rates in the last 90 days; none for an unknown placement."""
        active = self._live.get(merchant_id, placement)
        if active is None:
            return []
        setup = active.plan.placement
        scope, today = Scope(merchant_id, placement, setup.reward), now_ms() // DAY
        async with self._database.read() as connection:
            rows = await folds.days(connection, scope, bucket=None, since_day=today - DAYS)
            fit = await fits.get(connection, scope) or Fit()
        return _jumps(active, by_day(rows, setup.examination or fit.examination))


def _calibration(active: Active) -> list[WeekCalibration]:
    snapshot = active.snapshots.get("")
    state = snapshot.knowledge.contextual if snapshot is not None else None
    return calibrations(state.residuals) if state is not None and active.plan.encoding is not None else []


def regret(active: Active) -> float | None:
    """Return the expected loss in a new customer's first slot, by the present beliefs; None without frozen draws.

    It is the expected reward of the best candidate, were it known, less that of those shown. Buckets weigh by their
    evidence.
    """
    lost, weight = 0.0, 0.0
    for bucket, snapshot in active.snapshots.items():
        beliefs, plan = active.beliefs_for(bucket), active.plan
        exclusions = plan.eligibility.exclusions(facts_in(plan, bucket))
        offered = tuple(number for number in range(len(plan.ids)) if number not in exclusions)
        trials = snapshot.knowledge.trials
        if not isinstance(beliefs, Beliefs) or not offered or not trials:
            continue
        candidates = beliefs.candidates(offered)
        best = float(candidates.draws[0, candidates.rows].max(axis=0).mean())
        lost += trials * max(0.0, best - float(beliefs.first_chances(offered) @ candidates.means[0]))
        weight += trials
    return lost / weight if weight else None


def by_day(rows: Sequence[DayRow], examination: tuple[float, ...] = ()) -> list[DayRate]:
    """Return the sum over slots, where a trial weighs as much as its slot is examined."""
    sums: dict[tuple[str, int], list[float]] = {}
    for row in rows:
        cell = sums.setdefault((row.candidate, row.day), [0.0, 0.0])
        cell[0] += max(row.successes, row.trials * examination_weight(examination, row.slot))
        cell[1] += row.successes
    return [DayRate(*where, round(n), round(s)) for where, (n, s) in sorted(sums.items())]


def _jumps(active: Active, days: Sequence[DayRate]) -> list[Jump]:
    """Return the jumps that a model found; without a model, those of raw rates."""
    if not active.plan.learns_choices and active.plan.encoding is None:
        return jumps(days, before_day=first_open_day(now_ms(), active.plan.placement))
    snapshot = active.snapshots.get("")
    by_candidate = snapshot.knowledge.jumps if snapshot else {}
    first_day = min((row.day for row in days), default=0)
    return [_jump(days, name, day) for name, day in sorted(by_candidate.items()) if day > first_day]


def _jump(days: Sequence[DayRate], candidate: str, day: int) -> Jump:
    """Return a jump with the rates before it and since."""
    rows = [row for row in days if row.candidate == candidate]
    parts = [row for row in rows if row.day < day], [row for row in rows if row.day >= day]
    before, after = (sum(row.successes for row in part) / max(sum(row.trials for row in part), 1) for part in parts)
    return Jump(candidate, day, before, after)


def jumps(days: Sequence[DayRate], *, before_day: int) -> list[Jump]:
    """Return the last jump of each candidate against the rest, in the days whose outcomes are in."""
    complete = [row for row in days if row.day < before_day]
    names, dates = sorted({row.candidate for row in complete}), sorted({row.day for row in complete})
    trials, successes = np.zeros((2, len(dates), len(names)))
    for row in complete:
        cell = dates.index(row.day), names.index(row.candidate)
        trials[cell], successes[cell] = row.trials, row.successes
    firsts = zip(names, changes(trials, successes).firsts.tolist(), strict=True)
    return [_jump(complete, name, dates[first]) for name, first in firsts if first]


def arrivals(delays: Sequence[tuple[int, int, int]], window_ms: int) -> list[tuple[int, float]]:
    """Return the share of successes that came within a delay, at the upper edge of each bin, up to the window."""
    won = {bin: successes for bin, successes, _ in delays}
    total, last = sum(won.values()), max(won, default=-1)
    if not total:
        return []
    sums = accumulate(won.get(bin, 0) for bin in range(last + 1))
    return [(0, 0.0), *((min(EDGES[bin + 1], window_ms), count / total) for bin, count in enumerate(sums))]


def _group(bucket: str, arms: dict[str, ArmBelief]) -> BucketEvidence:
    trials = sum(belief.trials for belief in arms.values())
    weight = trials + sum(belief.strength for belief in arms.values())
    return BucketEvidence(bucket, trials, trials / weight if weight else 0.0)
