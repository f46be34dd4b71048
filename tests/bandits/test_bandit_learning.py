import numpy as np
import pytest

from benchmarks.checks.bandits import POPULATION, engine_regret, favourite_first, textbook_regrets


def test_regret_is_close_to_that_of_immediate_learning():
    ours = np.mean([engine_regret(seed, horizon=4_000) for seed in range(8)])
    assert ours < 1.25 * textbook_regrets(8, horizon=4_000).mean()


def test_a_floor_costs_regret():
    without, with_floor = (engine_regret(1, horizon=3_000, floor=floor) for floor in (0.0, 0.1))
    assert with_floor > without + 20


@pytest.mark.parametrize("favourite", POPULATION)
def test_a_returning_customers_favourite_is_first_after_5_purchases(favourite):
    assert favourite_first(favourite, loyalty=1.0, purchases=5, customers=20) > 0.9


def test_new_customer_gets_the_most_popular_candidate():
    assert favourite_first("card", loyalty=1.0, purchases=0, customers=3) > 0.9
    assert favourite_first("wero", loyalty=1.0, purchases=0, customers=3) < 0.1
