"""Sums that the metrics of a placement are ratios of. Pure."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import NamedTuple

from engine.model.documents.metric import MetricName


class MetricTotals(NamedTuple):
    """Sums over decisions; amounts are minor units of the merchant's currency.

    `converted` decisions have a purchase that was not wholly refunded. `shown`, `selected`, `refunded` and `redeemed`
    have such an outcome, `timed` a known time from shown to converted, `time_ms` in all. `cost` is what redeemed offers
    took off, less what refunds gave back of it.
    """

    decisions: int = 0
    fallbacks: int = 0
    shown: int = 0
    selected: int = 0
    converted: int = 0
    refunded: int = 0
    redeemed: int = 0
    revenue: int = 0
    margin: int = 0
    cost: int = 0
    timed: int = 0
    time_ms: int = 0

    def __add__(self, other: object) -> MetricTotals:
        """Return the sums over the decisions of both."""
        if not isinstance(other, MetricTotals):
            return NotImplemented
        return MetricTotals(*map(operator.add, self, other))

    def value(self, metric: MetricName) -> float | None:
        """Return a metric over the decisions; None where its denominator is 0."""
        above, below = PARTS[metric]
        denominator = getattr(self, below)
        return getattr(self, above) / denominator if denominator else None


class HourSums(NamedTuple):
    """Sums of an epoch hour, an arm of the holdback and a value of a dimension; of hours together, `hour` is 0."""

    hour: int
    arm: str
    value: str
    totals: MetricTotals


PARTS: Mapping[MetricName, tuple[str, str]] = {
    "conversion": ("converted", "decisions"),
    "revenue": ("revenue", "decisions"),
    "margin": ("margin", "decisions"),
    "order_value": ("revenue", "converted"),
    "checkout_time": ("time_ms", "timed"),
    "redemption": ("redeemed", "decisions"),
    "shown": ("shown", "decisions"),
    "selected": ("selected", "decisions"),
    "refunded": ("refunded", "decisions"),
}
"""The sums that a metric is the ratio of, a decision as its unit."""
