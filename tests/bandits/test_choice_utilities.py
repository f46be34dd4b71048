from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest

from bandits import Candidates, first_chances
from bandits.choice.model import inverse_of_root, root_of
from bandits.choice.utilities import best_earned, chosen, make_utilities, own_offsets, value_scores
from tests.bandits.test_choice_model import IDS, learned, observed


@pytest.fixture(scope="module")
def belief():
    return learned(observed(400)).belief()


def test_draws_have_the_posterior_spread(belief):
    drawn = make_utilities(IDS, belief, "s0", seed=1, width=1.0, count=20_000)
    at = np.array([list(own) for own in belief.numbers(IDS, "s0")])
    select = np.zeros((3, len(belief.mean)))
    np.put_along_axis(select, at, 1.0, axis=1)
    covariance = select @ np.linalg.inv(belief.precision) @ select.T
    assert np.cov(drawn.draws) == pytest.approx(covariance, rel=0.15, abs=0.01)
    assert drawn.draws.mean(axis=1) == pytest.approx(drawn.means, abs=0.02)


def test_draws_are_the_same_bits_in_any_order(belief):
    drawn, turned = (make_utilities(names, belief, "s0", seed=7).draws for names in (IDS, IDS[::-1]))
    assert drawn.tobytes() == turned[::-1].tobytes()


def test_draws_can_be_raced(belief):
    drawn = make_utilities(IDS, belief, "s1", seed=2)
    chances = first_chances(Candidates.of(IDS, drawn.draws, floor=0.01))
    assert chances.sum() == pytest.approx(1.0)
    assert chances.argmax() == 0


def test_a_stratum_never_seen_has_the_common_utilities(belief):
    assert make_utilities(IDS, belief, "never", seed=2).means == pytest.approx(belief.utilities(IDS, "none"), abs=1e-6)


def test_roots_are_those_of_linear_algebra():
    a = np.random.default_rng(0).normal(size=(9, 30))
    root = root_of(a @ a.T)
    assert root == pytest.approx(np.linalg.cholesky(a @ a.T))
    assert inverse_of_root(root) @ root == pytest.approx(np.eye(9), abs=1e-9)


def test_chances_of_choices_sum_to_one(belief):
    shares = chosen(belief, IDS, "s0")
    assert shares.shape == (4,)
    assert shares.sum() == pytest.approx(1.0)


def test_a_favourite_moves_a_customer_as_a_dirichlet_would():
    utilities, own = np.array([1.0, 0.0, -1.0]), np.array([0.0, 0.0, 6.0])
    moved = np.exp(utilities + own_offsets(utilities, own, strength=4.0))
    everybody = np.exp(utilities) / np.exp(utilities).sum()
    assert moved / moved.sum() == pytest.approx((4 * everybody + own) / 10)
    assert own_offsets(utilities, np.zeros(3)) == pytest.approx(0.0)


def test_the_best_order_of_money_is_the_best_of_all(belief):
    belief = replace(belief, mean=np.concatenate((-0.4 * np.arange(1, 7), belief.mean[6:])))
    values = {"card": 1.0, "invoice": 6.0, "paypal": 1.4}

    def earns(order):
        return chosen(belief, order, "s0")[:-1] @ [values[name] for name in order]

    earned = best_earned(belief, IDS, values, "s0")
    assert earned == pytest.approx(max(map(earns, permutations(IDS))))
    means = belief.utilities(IDS, "s0").astype(np.float32)[:, None]
    scores = value_scores(means, np.array([[values[name]] for name in IDS]), earned)[:, 0]
    assert earns([IDS[number] for number in np.argsort(-scores)]) == pytest.approx(earned)
