"""A merchant with short ways to create resources, decide and report outcomes."""

from __future__ import annotations

import itertools
from typing import Any

from engine.clock import now_ms
from engine.decisions.outcome_processor import Receipt
from engine.decisions.requests.answers import DecisionAnswer
from engine.model.actor import Actor
from engine.model.placement import Placement
from engine.model.scope import Scope
from engine.model.timestamps import DAY
from engine.service import Engine
from engine.store import folds
from engine.store.accounts import Merchant
from engine.store.folds import STATISTICS, Cell, NewTrials, Sums
from engine.store.outcomes import OutcomeRow
from tests import factories


class Shop:
    """A merchant of an engine, with short ways to create resources, decide and report outcomes."""

    def __init__(self, engine: Engine, merchant: Merchant) -> None:
        self.engine = engine
        self.merchant = merchant
        self.id = merchant.id
        self._events = itertools.count(1)

    def actor(self, name: str = "tester") -> Actor:
        return Actor(self.id, name)

    async def add_placement(self, placement: Placement | None = None, *candidates: Any) -> None:
        placement = placement or factories.placement()
        await self.create("placement", placement)
        await self.create("candidate", *(candidates or factories.candidates()), placement=placement.key)

    async def create(self, kind: Any, *documents: Any, placement: str | None = None) -> None:
        """Create resources; candidates and rules go into `payment_methods` unless a placement is named."""
        if placement is None:
            placement = "payment_methods" if kind in ("candidate", "rule") else ""
        await self.engine.catalogue.create(self.actor(), kind, placement, documents)

    async def decide(
        self, customer: str | None = None, *, placement: str = "payment_methods", **facts: Any
    ) -> DecisionAnswer:
        """Decide for a customer; name facts as in `cart_total=1`, where the first `_` is the dot of `cart.total`."""
        context: dict[str, dict[str, Any]] = {}
        for name, value in facts.items():
            group, _, leaf = name.partition("_")
            context.setdefault(group, {})[leaf] = value
        return (await self.engine.decider.decide(self.id, [placement], customer, context))[0]

    def outcome(
        self,
        answer: DecisionAnswer | str | None,
        type: str,
        candidate: str | None = None,
        *,
        event: str | None = None,
        occurred_at: int | None = None,
        customer: str | None = None,
        amount: int | None = None,
        currency: str = "EUR",
    ) -> OutcomeRow:
        now = now_ms()
        decision = answer.decision.decision_id if isinstance(answer, DecisionAnswer) else answer
        return OutcomeRow(
            self.id,
            event or f"event_{next(self._events)}",
            decision,
            self.engine.hasher(self.id, customer) if customer else None,
            "" if decision else "payment_methods",
            type,
            candidate,
            amount,
            None if amount is None else currency,
            now if occurred_at is None else occurred_at,
            now,
        )

    async def report(
        self, answer: DecisionAnswer | str | None, type: str, candidate: str | None = None, **fields: Any
    ) -> Receipt:
        return (await self.engine.recorder.outcomes([self.outcome(answer, type, candidate, **fields)]))[0]

    async def update_state(self, bucket: str = "", **counts: tuple[int, int]) -> None:
        """Add trials and successes of candidates to the statistics, and refresh the draws."""
        sums = Sums()
        for candidate, (trials, successes) in counts.items():
            cell = Cell(self.id, "payment_methods", "converted", bucket, candidate, 0, now_ms() // DAY)
            sums.add(STATISTICS, cell, trials, successes, 0, 0)
        async with self.engine.database.write() as connection:
            await folds.add(connection, sums)
        self.engine.live.add_new_trials(NewTrials({(self.id, "payment_methods", "converted", bucket): 1}))
        await self.engine.live.refresh(at_once=True)

    async def counts(self, bucket: str = "", *, reward: str = "converted") -> dict[str, tuple[int, int]]:
        """Return the stored trials and successes by candidate."""
        async with self.engine.database.read() as connection:
            rows = await folds.days(connection, Scope(self.id, "payment_methods", reward), bucket=bucket, since_day=0)
        names = sorted({row.candidate for row in rows})
        by_candidate = {name: [row for row in rows if row.candidate == name] for name in names}
        return {
            name: (sum(day.trials for day in days), sum(day.successes for day in days))
            for name, days in by_candidate.items()
        }
