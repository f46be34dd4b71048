"""What beliefs about choices say of a bucket: averaged over the strata that its latest new customers were in."""

from __future__ import annotations

from collections import Counter

import msgspec
import numpy as np
from numpy.typing import NDArray
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.kernel.choice_beliefs import ChoiceBeliefs, Eligible
from engine.kernel.plan import Plan
from engine.model.decision import Excluded
from engine.store import decisions

Floats = NDArray[np.float64]

MOST_READ = 1_000
"""The latest decisions of a placement that are looked at."""

StrataCounts = Counter[tuple[str, Eligible]]
"""How many decisions were in a stratum, with the candidates that were left by rules and limits."""


class _Exclusions(msgspec.Struct):
    """The part of a logged answer that names the candidates that rules and limits left out."""

    excluded: list[Excluded] = []


async def count_strata(connection: AsyncConnection, merchant_id: int, plan: Plan, bucket: str) -> StrataCounts:
    """Count the strata of the latest customers of a bucket who had no history."""
    rows = await decisions.answers_without_past(
        connection, merchant_id, placement=plan.placement.key, bucket=bucket, limit=MOST_READ
    )
    strata: StrataCounts = Counter()
    for stratum, answer in rows:
        excluded = {each.id for each in msgspec.json.decode(answer, type=_Exclusions).excluded}
        eligible = tuple(number for number, name in enumerate(plan.ids) if name not in excluded)
        if eligible:
            strata[stratum, eligible] += 1
    return strata


def first_chances(beliefs: ChoiceBeliefs, strata: StrataCounts, size: int) -> Floats:
    """Return each candidate's chance of the first slot, (size,), before rules move any."""
    chances = np.zeros(size)
    for (stratum, eligible), count in strata.items():
        chances[list(eligible)] += count * beliefs.first_chances(eligible, stratum)
    return chances / strata.total()


def rates(beliefs: ChoiceBeliefs, strata: StrataCounts) -> Floats:
    """Return the chance to be chosen alone and the ends of its interval, (3, K), where the candidate was offered.

    The common rate stands for one that was offered to nobody.
    """
    common = beliefs.rates()
    totals, counts = np.zeros_like(common), np.zeros(common.shape[1])
    for (stratum, eligible), count in strata.items():
        totals[:, list(eligible)] += count * beliefs.rates(stratum)[:, list(eligible)]
        counts[list(eligible)] += count
    return np.where(counts > 0, totals / np.maximum(counts, 1), common)
