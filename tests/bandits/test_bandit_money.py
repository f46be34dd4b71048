import numpy as np
import pytest

from bandits import DRAWS, Amounts, Candidates, Statistics, first_chances, make_amount_draws, make_draws, mean_amount
from bandits.drawing.money import TYPICAL_STRENGTH

IDS = ["card", "paypal", "klarna"]
AMOUNTS = [Amounts(400, 400 * 8_000), Amounts(40, 40 * 8_000), Amounts()]
MANY = 200_000


def chances(scores):
    return first_chances(Candidates.of(["a", "b"], scores))


def amount_draws(amounts=AMOUNTS, ids=IDS, *, seed=812, typical=5_000.0, **options):
    return make_amount_draws(ids, amounts, seed=seed, typical=typical, **options)


def test_mean_amount_is_between_prior_and_data():
    assert mean_amount(Amounts(), typical=5_000) == 5_000
    assert mean_amount(Amounts(TYPICAL_STRENGTH, TYPICAL_STRENGTH * 8_000), typical=5_000) == 6_500
    assert mean_amount(Amounts(10**6, 10**6 * 8_000), typical=5_000) == pytest.approx(8_000, rel=1e-4)


def test_draws_follow_the_mean_amount():
    made = amount_draws(count=MANY)
    assert made.draws.mean(axis=1) == pytest.approx(made.means, rel=0.02)
    assert made.means == pytest.approx([mean_amount(learned, typical=5_000) for learned in AMOUNTS])


def test_draws_narrow_with_more_amounts():
    card, paypal, klarna = amount_draws(count=MANY).draws.std(axis=1)
    assert card == pytest.approx(8_000 / np.sqrt(400), rel=0.05)
    assert paypal == pytest.approx(8_000 / np.sqrt(40), rel=0.1)
    assert klarna > 3_000


def test_value_of_a_success_is_margin_minus_fee():
    whole, part = amount_draws(), amount_draws(margin=0.3, fees=[35, 0, 10_000])
    fees = np.array([35, 0, 10_000])
    assert part.means == pytest.approx(0.3 * whole.means - fees)
    assert part.draws == pytest.approx(0.3 * whole.draws - fees[:, None], rel=1e-5, abs=0.01)
    assert part.means[2] < 0


def test_draws_depend_only_on_seed_and_id():
    assert (amount_draws().draws == amount_draws().draws).all()
    assert (amount_draws(seed=813).draws != amount_draws().draws).any()
    assert (amount_draws(AMOUNTS[1:2], IDS[1:2]).draws[0] == amount_draws().draws[1]).all()


def test_the_noise_of_amounts_and_rates_is_independent():
    rates = make_draws(IDS, [Statistics(100, 30)] * 3, seed=812, count=20_000).rates
    amounts = amount_draws([Amounts(30, 90_000)] * 3, count=20_000).draws
    assert np.abs(np.corrcoef(np.vstack([rates, amounts])) - np.eye(6)).max() < 0.05


def test_draws_of_amounts_are_read_only_single_precision():
    made = amount_draws()
    assert made.draws.shape == (3, DRAWS)
    assert made.draws.dtype == np.float32
    with pytest.raises(ValueError, match="read-only"):
        made.draws[0, 0] = 1


def test_typical_amount_of_zero_is_refused():
    with pytest.raises(ValueError, match="typical must be positive"):
        amount_draws(typical=0)


def test_a_rarer_success_that_brings_more_is_preferred():
    ids, rates = ["many", "much"], [Statistics(1_000, 300), Statistics(1_000, 100)]
    draws = make_draws(ids, rates, seed=1).rates
    brings = make_amount_draws(ids, [Amounts(300, 300 * 2_000), Amounts(100, 100 * 9_000)], seed=1, typical=3_000)
    assert chances(draws)[0] > 0.99
    assert chances(draws * brings.draws)[1] > 0.99


def test_the_cheaper_of_two_arms_is_preferred_when_minimising():
    draws = make_draws(["cheap", "dear"], [Statistics(1_000, 100), Statistics(1_000, 300)], seed=1).rates
    assert list(chances(draws)) == [0, 1]
    assert list(chances(-draws)) == [1, 0]


def test_minimising_two_arms_swaps_their_chances():
    draws = make_draws(["a", "b"], [Statistics(40, 12), Statistics(50, 12)], seed=2).rates
    most, least = chances(draws), chances(-draws)
    assert 0.5 < most[0] < 1
    assert list(least) == list(most[::-1])
