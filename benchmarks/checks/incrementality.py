"""Check the coverage of intervals for incremental orders, and that an offer without an effect is named as such.

`python -m benchmarks.verify incrementality`. Customers come back, and how often one buys differs from customer to
customer, so purchases of the same customer depend on each other. Carts are log-normal. A tenth is held back.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.random import Generator, default_rng

from bandits.experiments.incrementality import CustomerTotals, incremental_effect

RUNS = 2_000
CUSTOMERS, HELD_BACK, VISITS = 20_000, 0.1, 3.0
MARGIN, DISCOUNT, REDEEMS = 0.3, 500, 0.8
CART = 5_000


class OfferTruth(NamedTuple):
    """An offer: how much more often customers buy who see it."""

    name: str
    lift: float


class Coverage(NamedTuple):
    """Shares of runs whose intervals cover the true extra orders and margin, and that call the offer a loss."""

    orders: float
    margin: float
    loses: float


GAINING = OfferTruth("raises orders by 40%", 0.4)
SUBSIDISING = OfferTruth("only pays those who buy anyway", 0.0)


class Month(NamedTuple):
    """Purchases of a month in the holdback and after seeing the offer, and the offer's cost for a customer."""

    held_back: CustomerTotals
    shown: CustomerTotals
    cost: float


def month(random: Generator, offer: OfferTruth) -> Month:
    """Draw a month: customers come a Poisson number of times, some of them often."""
    visits = 1 + random.poisson(random.gamma(1.0, VISITS - 1, CUSTOMERS))
    held = random.random(CUSTOMERS) < HELD_BACK
    likely = np.minimum(0.6, random.beta(1.0, 9.0, CUSTOMERS)) * np.where(held, 1.0, 1 + offer.lift)
    customer = np.repeat(np.arange(CUSTOMERS), visits)
    buyers = customer[random.random(len(customer)) < likely[customer]]
    costs = np.where(held[buyers], 0.0, DISCOUNT * (random.random(len(buyers)) < REDEEMS))
    margins = MARGIN * random.lognormal(np.log(CART) - 0.32, 0.8, len(buyers)) - costs
    orders = np.bincount(buyers, minlength=CUSTOMERS).astype(np.float64)
    kept = np.bincount(buyers, weights=margins, minlength=CUSTOMERS)
    groups = (CustomerTotals(orders[group], kept[group]) for group in (held, ~held))
    return Month(*groups, float(costs.sum() / (~held).sum()))


def true_effect(offer: OfferTruth) -> tuple[float, float]:
    """Return the extra orders and margin of a customer who sees the offer."""
    random = default_rng(0)
    likely = np.minimum(0.6, random.beta(1.0, 9.0, 4_000_000))
    orders = VISITS * float(likely.mean())
    extra = orders * offer.lift
    return extra, extra * MARGIN * CART - (orders + extra) * REDEEMS * DISCOUNT


def coverage(offer: OfferTruth, runs: int) -> Coverage:
    """Return how often intervals cover the truth."""
    orders, margin = true_effect(offer)
    hits = []
    for run in range(runs):
        held_back, shown, cost = month(default_rng((run, 7)), offer)
        effect = incremental_effect(held_back, shown, cost=cost)
        assert effect is not None
        hits.append(
            (
                effect.orders.low <= orders <= effect.orders.high,
                effect.margin.low <= margin <= effect.margin.high,
                effect.verdict == "loses",
            )
        )
    return Coverage(*np.array(hits).mean(axis=0).tolist())


def figures(runs: int = RUNS) -> list[tuple[str, str, str]]:
    """Return (subject, goal, measured) for the table of docs/verification.md."""
    rows = []
    for offer in (GAINING, SUBSIDISING):
        result = coverage(offer, runs)
        what = f"an offer that {offer.name}, {runs:,} runs"
        rows.append((f"{what}: intervals that cover the extra orders", "93 to 97%", f"{result.orders:.1%}"))
        rows.append((f"{what}: intervals that cover the extra margin", "93 to 97%", f"{result.margin:.1%}"))
        goal = "at least 95%" if offer is SUBSIDISING else ""
        rows.append((f"{what}: said to lose money", goal, f"{result.loses:.1%}"))
    return rows
