"""The incremental effect of an offer, compared with customers who would have seen it."""

from __future__ import annotations

import numpy as np
import pytest

from bandits.experiments.incrementality import CustomerTotals, holdback_share, incremental_effect
from benchmarks.checks import incrementality


def customers(orders: list[int], margin: float, cost: float = 0.0) -> CustomerTotals:
    counts = np.array(orders, np.float64)
    return CustomerTotals(counts, counts * (margin - cost))


def test_extra_orders_and_margin_are_those_of_a_customer():
    held_back, shown = customers([1] * 100 + [0] * 900, 1_500), customers([1] * 200 + [0] * 800, 1_500, 500)
    effect = incremental_effect(held_back, shown, cost=100.0)
    assert effect.orders.value == pytest.approx(0.1)
    assert effect.margin.value == pytest.approx(0.2 * 1_000 - 0.1 * 1_500)
    assert effect.cost_per_order[0] == pytest.approx(1_000)
    low, high = effect.cost_per_order[1:]
    assert low < 1_000 < high
    assert effect.verdict == "gains"


def test_offer_to_certain_buyers_loses_money():
    held_back, shown = customers([1] * 200 + [0] * 800, 1_500), customers([1] * 200 + [0] * 800, 1_500, 1_000)
    effect = incremental_effect(held_back, shown, cost=200.0)
    assert effect.verdict == "loses"
    assert effect.margin.high < 0
    assert effect.cost_per_order == (None, pytest.approx(200 / effect.orders.high), None)


def test_few_orders_give_no_verdict():
    effect = incremental_effect(customers([1] * 9 + [0] * 900, 1_500), customers([1] * 300, 1_500), cost=0.0)
    assert effect.verdict == "too_few"


def test_a_group_of_one_customer_has_no_effect():
    assert incremental_effect(customers([1], 1.0), customers([1, 0], 1.0), cost=0.0) is None


def test_the_share_to_hold_back_falls_with_the_customers():
    small, large = (holdback_share(0.1, 0.01, count) for count in (50_000, 1_000_000))
    assert 0 < large < small < 0.5
    assert holdback_share(0.1, 0.01, 10_000) is None


def test_the_share_to_hold_back_is_enough_for_the_effect():
    share = holdback_share(0.1, 0.02, 40_000)
    random, n = np.random.default_rng(1), 40_000
    held = int(share * n)
    lows = []
    for _ in range(200):
        first = CustomerTotals(random.binomial(1, 0.1, held).astype(float), np.zeros(held))
        second = CustomerTotals(random.binomial(1, 0.12, n - held).astype(float), np.zeros(n - held))
        lows.append(incremental_effect(first, second, cost=1.0).orders.low)
    assert 0.7 < np.mean(np.array(lows) > 0) < 0.9


def test_intervals_cover_the_effect_of_returning_customers():
    assert incrementality.coverage(incrementality.GAINING, 100).orders > 0.86
