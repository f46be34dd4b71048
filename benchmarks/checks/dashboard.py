"""The overview's interval against the holdback in simulated months: `python -m benchmarks.verify dashboard`."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from engine.model.documents.metric import MetricName
from engine.statistics.lift import CLUSTERS, lift_of
from engine.statistics.metric_totals import MetricTotals

MONTHS = 2_000
CUSTOMERS, HELD_BACK = 8_000, 0.05
BASE, EFFECT = 0.30, 0.03

Totals = dict[str, MetricTotals]
Floats = NDArray[np.float64]


def figures() -> Iterator[tuple[str, ...]]:
    """Yield (what, goal, measured)."""
    for name, sigma in (("customers decide alike", 0.0), ("customers differ and come back", 1.5)):
        shares = coverage(np.random.default_rng(16), months=MONTHS, sigma=sigma)
        for metric, share in shares.items():
            what = f"{MONTHS:,} months, {name}: intervals of {metric} that cover the true lift"
            yield what, "93% to 97%", f"{100 * share:.1f}%"


def coverage(random: np.random.Generator, *, months: int, sigma: float) -> dict[MetricName, float]:
    """Return the share of months whose interval covers the true lift.

    A customer's chance to buy has a normal part of its own on the scale of logits, with deviation `sigma`. Those who
    are likelier to buy also come more often.
    """
    true_values = _true_values(random, sigma)
    hits: dict[MetricName, int] = dict.fromkeys(true_values, 0)
    for _ in range(months):
        arms = [_month(random, round(CUSTOMERS * share), lift, sigma) for share, lift in _ARMS]
        for metric, value in true_values.items():
            lift = lift_of(metric, arms[0], arms[1])
            hits[metric] += lift is not None and lift.low <= value <= lift.high
    return {metric: count / months for metric, count in hits.items()}


_ARMS = ((1 - HELD_BACK, EFFECT), (HELD_BACK, 0.0))


def _true_values(random: np.random.Generator, sigma: float) -> dict[MetricName, float]:
    """Return the lift among very many customers."""
    sums = []
    for _, lift in _ARMS:
        total = MetricTotals()
        for each in _month(random, 3_000_000, lift, sigma).values():
            total += each
        sums.append(total)
    metrics: tuple[MetricName, ...] = ("conversion", "revenue")
    return {metric: (sums[0].value(metric) or 0.0) - (sums[1].value(metric) or 0.0) for metric in metrics}


def _month(random: np.random.Generator, customers: int, lift: float, sigma: float) -> Totals:
    """Return the sums of customers by cluster."""
    taste: Floats = random.normal(0.0, sigma, customers)
    visits = 1 + random.poisson(np.exp(0.5 * taste)) if sigma else np.ones(customers, np.int64) * 3
    chance = 1 / (1 + np.exp(-(np.log(BASE / (1 - BASE)) + taste)))
    bought = random.binomial(visits, np.clip(chance + lift, 0.0, 1.0))
    revenue = np.round(bought * random.lognormal(8.0, 0.8, customers)).astype(np.int64)
    cluster = random.integers(CLUSTERS, size=customers)
    parts = [np.bincount(cluster, weights=each, minlength=CLUSTERS).astype(int) for each in (visits, bought, revenue)]
    return {
        f"{number:02}": MetricTotals(decisions=n, converted=b, revenue=r)
        for number, (n, b, r) in enumerate(zip(*(part.tolist() for part in parts), strict=True))
    }
