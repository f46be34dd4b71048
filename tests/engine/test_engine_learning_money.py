"""The gain of learning and the cost of exploration: intervals cover true amounts, and little data is reported."""

from __future__ import annotations

import numpy as np
import pytest

from engine.model.timestamps import DAY
from engine.statistics.learning_money import learning_money
from engine.statistics.like_for_like import SampledDecision

WORLDS = 60
BEST, OTHER, GREEDY = 0.6, 0.3, 0.8
"""Shares of purchases if the likeliest candidate comes first, or another one, and the chance of the former."""
OWN_ORDER = 0.4
AMOUNT = 5_000


def shopped(seed, *, count=4_000, held=0.1, customers=900):
    """Customers return; some are held back and get the merchant's own order."""
    luck = np.random.default_rng(seed)
    is_held = luck.random(customers) < held
    habit = luck.normal(0, 0.1, customers)
    rows = []
    for number in range(count):
        customer = int(luck.integers(customers))
        is_greedy = luck.random() < GREEDY
        share = OWN_ORDER if is_held[customer] else BEST if is_greedy else OTHER
        bought = bool(luck.random() < share + habit[customer])
        greedy = 1.0 if is_held[customer] else is_greedy / GREEDY
        rows.append(
            SampledDecision(
                20_000 * DAY + number * DAY // 200, "DE", f"c{customer}", frozenset(), frozenset(), "", {}, bought,
                AMOUNT * bought, bool(is_held[customer]), greedy,
            )
        )  # fmt: skip
    return rows


@pytest.mark.long
def test_the_gain_is_that_over_the_held_back_customers():
    true_amount = AMOUNT * (GREEDY * BEST + (1 - GREEDY) * OTHER - OWN_ORDER)
    gains = [learning_money(shopped(3_000 + seed)).gain for seed in range(WORLDS)]
    covered = np.mean([gain.low <= true_amount <= gain.high for gain in gains])
    # Three standard errors of a share of 0.95 among 60 are 0.084.
    assert covered >= 0.866
    assert np.mean([gain.value for gain in gains]) == pytest.approx(true_amount, rel=0.1)


@pytest.mark.long
def test_cost_is_the_difference_to_the_best_candidate():
    true_amount = AMOUNT * (BEST - GREEDY * BEST - (1 - GREEDY) * OTHER)
    costs = [learning_money(shopped(5_000 + seed)).cost for seed in range(WORLDS)]
    assert np.mean([cost.low <= true_amount <= cost.high for cost in costs]) >= 0.866
    assert np.mean([cost.value for cost in costs]) == pytest.approx(true_amount, rel=0.1)


def test_the_course_ends_with_the_gain_of_all_decisions():
    money = learning_money(shopped(1))
    assert money.course[-1].gain == money.gain
    ends = [point.end for point in money.course]
    assert ends == sorted(ends)
    first, last = money.course[0].gain, money.course[-1].gain
    assert last.high - last.low < first.high - first.low
    assert money.gain.times(100).value == pytest.approx(100 * money.gain.value)


def test_result_requires_a_holdback_amounts_and_enough_decisions():
    rows = shopped(2)
    none = learning_money([row._replace(held_back=None) for row in rows])
    assert (none.gain, none.course, none.held_back, none.personalized) == (None, [], 0, 1.0)
    assert none.cost is not None
    assert not learning_money([row._replace(revenue=0) for row in rows]).has_amounts
    few = learning_money(rows[:60])
    assert few.gain is None
    assert few.cost_refused
    assert learning_money([]).has_amounts is False
    repeated = learning_money([row._replace(customer=f"c{number % 5}") for number, row in enumerate(rows)])
    assert (repeated.gain, repeated.cost) == (None, None)


def test_an_order_that_is_never_drawn_costs_nothing():
    fixed = learning_money([row._replace(greedy=1.0) for row in shopped(4)])
    assert (fixed.cost.value, fixed.cost.low, fixed.cost.high) == (0.0, 0.0, 0.0)
