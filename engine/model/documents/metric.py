"""The metrics that experiments compare, and what is measured of each unit for them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

MetricName = Literal[
    "conversion", "orders", "revenue", "order_value", "margin", "checkout_time", "redemption",
    "shown", "selected", "declined", "abandoned", "refunded",
]  # fmt: skip
"""Per unit: share with a purchase, purchases, their amount, their margin; `order_value` is revenue over orders.

Amounts are in the merchant's currency, in minor units. `checkout_time` is the mean time in milliseconds from the first
`shown` to the first `converted` of a decision. `redemption` and the types of outcomes are shares of units with any.
"""

MetricKind = Literal["share", "count", "amount", "ratio"]
"""Of a unit's measure: whether there is any, how often, the amount; `ratio` is the amount of all over how often."""

Quantity = Literal["share", "number", "money", "time"]
"""What the values of a metric are, to be read: times are milliseconds, money minor units."""

PURCHASES = ""
"""The measure that every unit has: how often it bought, and for how much."""


class Metric(NamedTuple):
    """The reading of a unit's measure by a metric; where it `falls`, less is better."""

    kind: MetricKind
    measure: str = PURCHASES
    quantity: Quantity = "share"
    falls: bool = False


METRICS: Mapping[MetricName, Metric] = {
    "conversion": Metric("share"),
    "orders": Metric("count", quantity="number"),
    "revenue": Metric("amount", quantity="money"),
    "order_value": Metric("ratio", quantity="money"),
    "margin": Metric("amount", "margin", "money"),
    "checkout_time": Metric("ratio", "checkout_time", "time", falls=True),
    "redemption": Metric("share", "redeemed"),
    "shown": Metric("share", "shown"),
    "selected": Metric("share", "selected"),
    "declined": Metric("share", "declined", falls=True),
    "abandoned": Metric("share", "abandoned", falls=True),
    "refunded": Metric("share", "refunded", falls=True),
}
ALWAYS_MEASURED: frozenset[MetricName] = frozenset(
    name for name, metric in METRICS.items() if metric.measure == PURCHASES
)
"""What is known of the units of every experiment; other metrics are measured where the experiment names them."""

CAPPED: tuple[MetricName, ...] = ("revenue", "margin", "checkout_time")
"""Metrics whose largest values are capped. Capped revenue is a measure of its own, under the metric's name."""


def better_by(metric: MetricName, change: float) -> float:
    """Return a change with its sign turned where less is better."""
    return -change if METRICS[metric].falls else change
