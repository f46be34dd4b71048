import numpy as np
import pytest

from bandits import DRAWS, FLAT, Evidence, Prior, Statistics, make_draws, mean
from benchmarks.checks.bandits import largest_correlation, spread_slope

IDS = ["card", "paypal", "klarna"]
PINNED = [0.3965149223804474, 0.45642927289009094, 0.36328959465026855]
STATISTICS = [Statistics(100, 40), Statistics(10, 2), Statistics()]


def test_draws_are_made_again_from_the_same_seed():
    again = make_draws(IDS, STATISTICS, seed=812)
    assert (make_draws(IDS, STATISTICS, seed=812).rates == again.rates).all()
    assert (make_draws(IDS, STATISTICS, seed=813).rates != again.rates).any()


def test_draws_of_a_candidate_do_not_depend_on_other_candidates():
    alone = make_draws(["klarna"], STATISTICS[2:], seed=1).rates[0]
    assert (make_draws(IDS, STATISTICS, seed=1).rates[2] == alone).all()


def test_draws_have_a_row_for_each_candidate():
    draws = make_draws(IDS, STATISTICS, seed=1)
    assert draws.rates.shape == (3, DRAWS)
    assert draws.rates.dtype == np.float32
    assert draws.rates.flags.c_contiguous
    assert list(draws.means) == [mean(learned) for learned in STATISTICS]


def test_draws_cannot_be_changed_by_accident():
    draws = make_draws(IDS, STATISTICS, seed=1)
    with pytest.raises(ValueError, match="read-only"):
        draws.rates[0, 0] = 1


def test_draws_follow_the_posterior():
    rates = make_draws(IDS, STATISTICS, seed=1, count=100_000).rates
    assert rates.mean(axis=1) == pytest.approx([mean(learned) for learned in STATISTICS], abs=0.005)


def test_draws_follow_the_prior_with_little_data():
    priors = [Prior(0.1, 50), Prior(0.9, 50), FLAT]
    draws = make_draws(IDS, [Evidence(2.5, 1.5)] * 3, seed=1, priors=priors, count=100_000)
    assert list(draws.means) == [mean(Evidence(2.5, 1.5), prior) for prior in priors]
    assert draws.rates.mean(axis=1) == pytest.approx(draws.means, abs=0.005)


def test_missing_priors_are_flat():
    assert (
        make_draws(IDS, STATISTICS, seed=7, priors=[FLAT] * 3).rates == make_draws(IDS, STATISTICS, seed=7).rates
    ).all()


def test_a_prior_too_faint_to_draw_from_gives_numbers():
    rates = make_draws(IDS, [Statistics()] * 3, seed=1, priors=[Prior(1e-9, 1e-3)] * 3).rates
    assert ((rates >= 0) & (rates <= 1)).all()


def test_a_list_of_statistics_of_another_length_is_refused():
    with pytest.raises(ValueError, match="shorter"):
        make_draws(IDS, STATISTICS[:2], seed=1)


def test_the_noise_of_arms_is_independent():
    assert largest_correlation(10, 20_000) < 0.05


def test_the_posterior_narrows_with_the_root_of_the_trials():
    assert spread_slope() == pytest.approx(-0.5, abs=0.02)


def test_draws_equal_the_specified_values_on_every_numpy():
    rates = make_draws(["card"], [Statistics(7, 3)], seed=812).rates[0, :3]
    assert rates.tolist() == pytest.approx(PINNED, rel=1e-6)
