"""Find the variants of a customer in all running experiments, without enrolling anybody."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from engine.clock import now_ms
from engine.decisions.customers import Hasher
from engine.decisions.requests.answers import decision_id
from engine.decisions.requests.customer_reader import CustomerReader
from engine.decisions.requests.scope import RequestScope, facts_of, read_facts
from engine.learning.live import Live
from engine.learning.settled_variants import SettledVariants
from engine.model.experiment import Assignment


class GivenVariant(msgspec.Struct, frozen=True):
    """The variant that a customer has; `counted`: the variants could answer differently for these facts."""

    placement: str
    experiment: str
    phase: int
    variant: str
    counted: bool


class VariantReader:
    """Assigns as decisions do, from the plans in force; stores nothing."""

    def __init__(
        self, live: Live, customers: CustomerReader, settled: SettledVariants, hasher: Hasher, weights: Sequence[float]
    ) -> None:
        self._live = live
        self._customers = customers
        self._settled = settled
        self._hasher = hasher
        self._weights = weights

    async def of_customer(
        self, merchant_id: int, customer_id: str | None, context: Mapping[str, Any], *, personal: bool = True
    ) -> list[GivenVariant]:
        """Return the variants by placement, in the order of the experiments.

        Experiments that assign each decision anew are left out. Whoever refuses personalization has none.
        """
        customer = self._hasher(merchant_id, customer_id) if customer_id else None
        request, usage = await self._customers.read(
            RequestScope(merchant_id, customer, context, now_ms(), personal=personal)
        )
        if not request.personal:
            return []
        variants = []
        for placement, active in sorted(self._live.placements(merchant_id).items()):
            if not active.experiments.is_empty:
                values, _ = read_facts(active.plan, request)
                facts = facts_of(active.plan, values, request, usage, self._weights)
                settled = await self._settled.of_request(merchant_id, active, facts)
                key = decision_id(request.now)
                lasting = [each for each in active.pick(facts, key, settled)[1] if each.unit != key]
                variants += [_variant_of(placement, assignment) for assignment in lasting]
        return variants


def _variant_of(placement: str, each: Assignment) -> GivenVariant:
    return GivenVariant(placement, each.experiment, each.phase, each.variant, each.differs)
