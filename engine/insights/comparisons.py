"""What a sample of a placement's decisions says: of candidates, group by group, and of whole checkouts."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from engine.clock import now_ms
from engine.insights.decision_sample import DecisionSample, SampleReader
from engine.learning.live import Live
from engine.model.timestamps import MINUTE
from engine.statistics.checkouts import CheckoutBin, CheckoutFigures, bins_of, checkout_figures
from engine.statistics.learning_money import LearningMoney, learning_money
from engine.statistics.like_for_like import GroupComparison, SampledDecision, SampleTable, compare_groups
from engine.store.connection.database import Database

MOST_GROUPS = 6
"""The largest customer groups that are compared beside each other."""
MOST_KEPT = 50


class Performance(NamedTuple):
    """The results of the candidates and the checkouts of a placement; the first of `groups` is all customers.

    `sampled` of `total` decisions were read; `days` are those that were asked for, or fewer, where the placement is
    younger. `more_groups` are too small to stand here.
    """

    days: int
    begin: int
    end: int
    sampled: int
    total: int
    groups: Sequence[GroupComparison]
    more_groups: int
    checkouts: CheckoutFigures


class Comparisons:
    """Compares candidates of placements, and keeps each result for a minute."""

    def __init__(self, database: Database, live: Live) -> None:
        self._samples = SampleReader(database, live)
        self._cache: dict[tuple[object, ...], tuple[int, Performance]] = {}

    async def of(self, merchant_id: int, placement: str, *, days: int, bucket: str | None = None) -> Performance:
        """Compare over the last days: the largest groups, or `bucket` alone. Raise `NotFound` for no placement."""
        sample = await self._samples.of(merchant_id, placement, days=days)
        key, now = (merchant_id, placement, days, bucket, len(sample.decisions)), now_ms()
        kept_until, performance = self._cache.get(key, (0, None))
        if performance is None or kept_until <= now:
            earlier = await self._samples.of(merchant_id, placement, days=sample.days, back=1)
            performance = await asyncio.to_thread(_performance, sample, earlier, bucket)
            if len(self._cache) >= MOST_KEPT:
                self._cache.clear()
            self._cache[key] = now + MINUTE, performance
        return performance

    async def money(self, merchant_id: int, placement: str, *, days: int) -> tuple[int, int, LearningMoney]:
        """Return the days that were looked at, all decisions in them, and what learning brought and cost."""
        sample = await self._samples.of(merchant_id, placement, days=days)
        money = await asyncio.to_thread(learning_money, sample.decisions)
        return sample.days, sample.total, money

    async def course(
        self, merchant_id: int, placement: str, candidate: str, *, days: int, bucket: str | None = None
    ) -> list[CheckoutBin]:
        """Return how often a candidate was chosen when it was seen, over time; nothing for too few decisions."""
        sample = await self._samples.of(merchant_id, placement, days=days)
        decisions = [each for each in _of_group(sample.decisions, bucket) if candidate in each.impressions]
        return bins_of(decisions, lambda each: float(each.impressions[candidate]), begin=sample.begin, end=sample.end)


def _performance(sample: DecisionSample, earlier: DecisionSample, bucket: str | None) -> Performance:
    decisions, before = _of_group(sample.decisions, bucket), _of_group(earlier.decisions, bucket)
    sizes = Counter(each.bucket for each in decisions)
    names = [name for name, _ in sizes.most_common(MOST_GROUPS)]
    is_divided = bucket is None and len(sizes) > 1
    table = SampleTable.of(decisions, sample.candidates)
    return Performance(
        sample.days,
        sample.begin,
        sample.end,
        len(decisions),
        sample.total,
        compare_groups(table, [None, *sorted(names)] if is_divided else [bucket]),
        len(sizes) - len(names) if is_divided else 0,
        checkout_figures(decisions, before, begin=sample.begin, end=sample.end),
    )


def _of_group(decisions: Sequence[SampledDecision], bucket: str | None) -> list[SampledDecision]:
    return [each for each in decisions if bucket is None or each.bucket == bucket]
