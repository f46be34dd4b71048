from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest

from bandits import Candidates, first_chances
from bandits.choice.model import inverse_of_root, root_of
from bandits.choice.utilities import (
    OWN_STRENGTH,
    attractions_of,
    best_earned,
    chosen,
    make_utilities,
    own_offsets,
    slot_factors,
    weigh,
)
from tests.bandits import numpy_choice as oracle
from tests.bandits.test_choice_model import IDS, learned, observed


@pytest.fixture(scope="module")
def belief():
    return learned(observed(400)).belief()


def test_draws_have_the_posterior_spread(belief):
    drawn = make_utilities(IDS, belief, "s0", seed=1, width=1.0, count=20_000)
    moment = np.array([list(own) for own in belief.numbers(IDS, "s0")])
    select = np.zeros((3, len(belief.mean)))
    np.put_along_axis(select, moment, 1.0, axis=1)
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
    all_chances = np.exp(utilities) / np.exp(utilities).sum()
    assert moved / moved.sum() == pytest.approx((4 * all_chances + own) / 10)
    assert own_offsets(utilities, np.zeros(3)) == pytest.approx(0.0)


def test_the_best_order_of_money_is_the_best_of_all(belief):
    belief = replace(belief, mean=np.concatenate((-0.4 * np.arange(1, 7), belief.mean[6:])))
    values = {"card": 1.0, "invoice": 6.0, "paypal": 1.4}

    def earns(order):
        return chosen(belief, order, "s0")[:-1] @ [values[name] for name in order]

    attractions = attractions_of(belief.utilities(IDS, "s0"), belief.outside("s0"))
    values_by_candidate = np.array([values[name] for name in IDS])
    earned = best_earned(attractions, values_by_candidate, slot_factors(belief))
    assert earned == pytest.approx(max(map(earns, permutations(IDS))))
    assert earns(
        [IDS[number] for number in np.argsort(-attractions * (values_by_candidate - earned))]
    ) == pytest.approx(earned)


def test_weights_move_as_a_dirichlet_would():
    attractions, own = np.array([0.4, 0.2, 0.1]), np.array([0.0, 0.0, 6.0])
    means, weights = weigh(attractions, own, np.empty((0, 0)), np.empty(0), np.zeros((3, 3)))
    assert np.log(weights[0]) == pytest.approx(own_offsets(np.log(attractions), own))
    assert means[0] == pytest.approx(attractions * weights[0] / (1 + attractions * weights[0]))


@pytest.mark.parametrize("block", range(4))
def test_compiled_weights_are_numpys_bit_for_bit(block):
    for number in range(block * 1_000, block * 1_000 + 1_000):
        rng = np.random.default_rng(number)
        count = int(rng.choice([1, 2, 3, 8, 9, 40]))
        attractions = np.round(np.exp(rng.normal(-2, 1.5, count)), int(rng.choice([1, 17]))) + 1e-3
        own = np.round(rng.random(count) * 4) if rng.random() < 0.6 else np.empty(0)
        values = rng.normal(20, 30, (1, count)) if rng.random() < 0.7 else np.empty((0, 0))
        slots = np.exp(-rng.random(9)) if values.size and rng.random() < 0.6 else np.empty(0)
        before = rng.random((3, count))
        means, weights = weigh(attractions, own, values, slots, before)
        expected_means, expected_weights = oracle.weigh(attractions, own, OWN_STRENGTH, values, slots, before)
        assert means.tobytes() == expected_means.tobytes(), number
        assert weights.tobytes() == expected_weights.tobytes(), number
