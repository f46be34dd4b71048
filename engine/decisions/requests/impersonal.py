"""Answer those who refuse personalization: the merchant's own order, of which nothing is stored."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from engine.kernel.kernel import decide
from engine.kernel.offers.availability import OPTED_OUT
from engine.learning.active import Active
from engine.model.decision import Decision, Excluded
from engine.model.facts import Facts


async def impersonal_decision(active: Active, values: dict[str, Any], key: str, *, expires_at: str) -> Decision:
    """Return the merchant's own order with the rules that hide, require or set, and no offers.

    `values` are the facts of the request itself: nothing of the customer but the methods that they excluded.
    """
    deciding = active.impersonal
    if deciding is None:
        deciding = await asyncio.to_thread(active.compile_impersonal)
    decision = decide(deciding.plan, deciding.flat, Facts(values, {}, None), key, expires_at=expires_at)
    offers = [Excluded(id, OPTED_OUT) for id in active.plan.offers]
    return msgspec.structs.replace(decision, excluded=[*decision.excluded, *offers]) if offers else decision
