"""Trying a checkout out: what a plan would answer to some facts. Nothing is logged, and nothing is learned."""

from __future__ import annotations

import asyncio
import hashlib
from typing import NamedTuple

import msgspec

from engine.configuration.validation import compiled
from engine.kernel.kernel import Draw, decide
from engine.kernel.plan import Plan, PlanDocument
from engine.kernel.scores import AnyBeliefs
from engine.kernel.trace import chances_by_slot
from engine.learning.active import Active
from engine.learning.live import Live
from engine.model.decision import Decision
from engine.model.facts import Facts

KEY = "trial"
MOST_KEPT = 8


class Trial(NamedTuple):
    """The likeliest answer, with the chances of every candidate in each slot that is drawn (empty: it is pinned)."""

    plan: Plan
    decision: Decision
    slots: list[dict[str, float]]


class Trials:
    """Answers with what is believed now, on plans that need not be published."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._plans: dict[bytes, Plan] = {}

    async def answer(self, merchant_id: int, document: PlanDocument, facts: Facts) -> Trial:
        """`Invalid` where the document makes no plan."""
        active = self._live.get(merchant_id, document.placement.key)
        plan = await self._plan(document, active.plan if active else None)
        return await asyncio.to_thread(answer, plan, active, facts)

    async def _plan(self, document: PlanDocument, like: Plan | None) -> Plan:
        """Compiled once while only the facts change."""
        digest = hashlib.blake2b(msgspec.json.encode(document)).digest()
        plan = self._plans.pop(digest, None)
        if plan is None:
            plan = await asyncio.to_thread(compiled, document.placement.key, document, 0, like=like)
        while len(self._plans) >= MOST_KEPT:
            del self._plans[next(iter(self._plans))]
        self._plans[digest] = plan
        return plan


def answer(plan: Plan, active: Active | None, facts: Facts) -> Trial:
    """`active` is the placement in force, whose beliefs are taken over."""
    beliefs = beliefs_for(plan, active, facts)
    decision = decide(plan, beliefs, facts, KEY, expires_at="", arrange=Draw.likeliest)
    return Trial(plan, decision, chances_by_slot(plan, beliefs, facts, decision))


def beliefs_for(plan: Plan, active: Active | None, facts: Facts) -> AnyBeliefs:
    """Return the present beliefs about the plan's candidates, which may be others than those in force."""
    bucket = plan.bucket(facts.values)
    if active and (plan.ids, plan.placement) == (active.plan.ids, active.plan.placement):
        return active.beliefs_for(bucket)
    active_plan = Active(plan)
    snapshot = active.snapshots.get(bucket) or active.snapshots.get("") if active else None
    return active_plan.make(snapshot) if snapshot else active_plan.flat
