"""What the bandit of a placement knows right now, for the arms monitor."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

import bandits
from engine.clock import now_ms
from engine.insights.strata import StrataCounts, count_strata, first_chances, rates
from engine.kernel.beliefs import ArmBelief
from engine.kernel.choice_beliefs import ChoiceBeliefs
from engine.kernel.contextual_beliefs import ContextualBeliefs
from engine.kernel.plan import Plan
from engine.learning.active import Active
from engine.learning.live import Live
from engine.model.errors import NotFound
from engine.model.timestamps import DAY, MINUTE
from engine.statistics.findings import ColdStart, Finding, cold_starts, findings
from engine.statistics.share import Share
from engine.store import rollups
from engine.store.connection.database import Database

MINUTES_A_DAY = DAY // MINUTE
STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 2880)
"""Minutes that are added up."""
MOST_STEPS = 60


class Arm(NamedTuple):
    """A candidate among some customers; rates and shares are 0 to 1.

    `chance` is of being first for a new customer, None where no single bucket is looked at; `share` is of first places
    among all customers in the time shown; `exclusion` says why the catalogue never offers it to these customers.
    """

    id: str
    label: str
    position: int
    chance: float | None
    mean: float
    low: float
    high: float
    trials: float
    successes: float
    share: float
    exclusion: str


class Arms(NamedTuple):
    """All candidates of a placement in the merchant's order; `bucket` is None for all customers together."""

    bucket: str | None
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
        """Return the beliefs about a bucket, or about all customers. Raise `NotFound` for an unknown one."""
        active = self._live.get(merchant_id, placement)
        if active is None:
            raise NotFound(f"there is no placement “{placement}”", field="placement")
        async with self._database.read() as connection:
            shares = await rollups.shares(connection, merchant_id, placement, since_minute=now_ms() // MINUTE - minutes)
            strata = StrataCounts()
            if bucket is not None and active.plan.learns_choices:
                strata = await count_strata(connection, merchant_id, active.plan, bucket)
        return _arms(active, _chosen(active, bucket), shares, strata)

    async def first_places(self, merchant_id: int, placement: str, *, days: int) -> list[Share]:
        """Return who came first in the last days, added up over steps of minutes, of which there are at most 60."""
        now = now_ms() // MINUTE
        async with self._database.read() as connection:
            first = await rollups.first_minute(connection, merchant_id, placement)
            since = max(now - days * MINUTES_A_DAY, now if first is None else first)
            step = next(step for step in STEPS if (now - since) <= MOST_STEPS * step or step == STEPS[-1])
            return await rollups.shares(connection, merchant_id, placement, since_minute=since, step=step)

    def findings(self, merchant_id: int, placement: str) -> list[Finding]:
        """Return what was learned about facts, the clearest first; nothing where the policy learns from none."""
        active = self._live.get(merchant_id, placement)
        beliefs = active.beliefs_for("") if active is not None else None
        if active is None or not isinstance(beliefs, ContextualBeliefs):
            return []
        return findings(beliefs.encoding, beliefs.evidence, active.plan.ids)

    def cold_starts(self, merchant_id: int, placement: str) -> list[ColdStart]:
        """Return where new candidates would begin, by their traits; nothing where the policy learns from no facts."""
        active = self._live.get(merchant_id, placement)
        beliefs = active.beliefs_for("") if active is not None else None
        if not isinstance(beliefs, ContextualBeliefs):
            return []
        return cold_starts(beliefs.encoding, beliefs.evidence, beliefs.typical())


def _chosen(active: Active, bucket: str | None) -> str | None:
    if bucket is None:
        return None if active.plan.placement.buckets else ""
    if bucket and bucket not in active.snapshots:
        raise NotFound(f"nothing is known about “{bucket}”", field="bucket")
    return bucket


def _arms(active: Active, bucket: str | None, shares: list[Share], strata: StrataCounts) -> Arms:
    plan = active.plan
    exclusions = plan.eligibility.exclusions(facts_in(plan, bucket)) if bucket is not None else {}
    beliefs = known_in(active, bucket)
    chances = _chances(active, bucket, exclusions, strata)
    firsts = Counter[str]()
    for share in shares:
        firsts[share.candidate] += share.firsts
    by_choice = _choice_rates(active, strata)
    arms = []
    for number, candidate in enumerate(plan.candidates):
        belief = beliefs.get(candidate.id, ArmBelief())
        mean, low, high = by_choice[number] if by_choice else _rate(belief)
        arms.append(
            Arm(
                candidate.id,
                candidate.label,
                number,
                chances.get(number),
                mean,
                low,
                high,
                belief.trials,
                belief.successes,
                firsts[candidate.id] / firsts.total() if firsts else 0.0,
                exclusions.get(number, ""),
            )
        )
    buckets = [name for name in sorted(active.snapshots) if name or not plan.placement.buckets]
    return Arms(bucket, buckets, active.version, plan.version, arms, shares, firsts.total())


def _rate(belief: ArmBelief) -> tuple[float, float, float]:
    return (bandits.mean(belief.evidence, belief.prior), *bandits.interval(belief.evidence, prior=belief.prior))


def _choice_rates(active: Active, strata: StrataCounts) -> list[tuple[float, float, float]]:
    """Return by candidate the chance to be chosen if it stood alone in the first slot, and its 95% interval.

    Counts would compare candidates that were offered to different customers.
    """
    beliefs = active.beliefs_for("")
    return [tuple(column) for column in rates(beliefs, strata).T.tolist()] if isinstance(beliefs, ChoiceBeliefs) else []


def facts_in(plan: Plan, bucket: str) -> dict[str, str]:
    """Return the facts that all customers of a bucket share."""
    parts = zip(plan.placement.buckets, bucket.split("|"), strict=False)
    return {name: value for name, value in parts if value not in ("", "-")}


def known_in(active: Active, bucket: str | None) -> dict[str, ArmBelief]:
    """Return the beliefs about candidates in a bucket, on the prior that decisions use there.

    Without a bucket: the evidence of all customers together, on a flat prior.
    """
    if bucket is not None or active.plan.learns_choices:
        snapshot = active.snapshots.get(bucket or "")
        return snapshot.knowledge.arms if snapshot else {}
    sums: dict[str, ArmBelief] = {}
    for snapshot in active.snapshots.values():
        for name, belief in snapshot.knowledge.arms.items():
            so_far = sums.get(name, ArmBelief())
            sums[name] = ArmBelief(so_far.trials + belief.trials, so_far.successes + belief.successes)
    return sums


def _chances(
    active: Active, bucket: str | None, exclusions: Mapping[int, str], strata: StrataCounts
) -> dict[int, float]:
    """Return the chance of being first among those that the catalogue offers, by candidate number."""
    offered = tuple(number for number in range(len(active.plan.ids)) if number not in exclusions)
    if bucket is None or not offered:
        return {}
    beliefs = active.beliefs_for(bucket)
    if isinstance(beliefs, ChoiceBeliefs) and strata:
        averages = first_chances(beliefs, strata, len(active.plan.ids)).tolist()
        return {number: averages[number] for number in offered}
    return dict(zip(offered, beliefs.first_chances(offered).tolist(), strict=True))
