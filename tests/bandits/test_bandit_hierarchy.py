import numpy as np
import pytest

from bandits import FLAT, Evidence, Prior, Siblings, Statistics, fit_prior, fit_strength, mean, prior_from, temper
from bandits.posterior.hierarchy import CAP, LEAST

RATES = np.array([0.34, 0.22, 0.15, 0.10, 0.07, 0.05, 0.04, 0.03, 0.025, 0.02])


def family(strength, *, rate=0.2, children=200, seed=0):
    rng = np.random.default_rng(seed)
    trials = rng.integers(50, 500, children)
    return Siblings(rate, trials, rng.binomial(trials, rng.beta(strength * rate, strength * (1 - rate), children)))


# Strengths.


@pytest.mark.parametrize("strength", [3, 10, 40])
def test_strength_of_siblings_is_recovered(strength):
    assert fit_strength([family(strength)]) == pytest.approx(strength, rel=0.35)


def test_one_strength_is_fitted_to_all_families():
    families = [family(15, rate=rate, children=60, seed=seed) for seed, rate in enumerate([0.05, 0.2, 0.5])]
    assert fit_strength(families) == pytest.approx(15, rel=0.3)


def test_siblings_that_differ_by_chance_reach_the_cap():
    assert fit_strength([family(1e9)]) == CAP
    assert fit_strength([family(1e9)], cap=30) == 30
    assert fit_strength([Siblings(0.3, [10, 10, 10], [3, 3, 3])]) == CAP


@pytest.mark.parametrize(
    "families",
    [
        [],
        [Siblings(0.5, [], [])],
        [Siblings(0.5, [0, 0], [0, 0])],
    ],
)
def test_without_siblings_the_level_above_counts_least(families):
    assert fit_strength(families) == LEAST


@pytest.mark.parametrize("family", [Siblings(0.0, [5, 6], [0, 0]), Siblings(1.0, [5], [5]), Siblings(0.0, [5], [5])])
def test_a_mean_at_the_edge_gives_an_answer(family):
    assert LEAST <= fit_strength([family]) <= CAP


def test_untried_siblings_change_nothing():
    mean, trials, successes = family(10)
    more = Siblings(mean, [*trials, 0, 0], [*successes, 0, 0])
    assert fit_strength([more]) == fit_strength([family(10)])


# A new merchant's prior.


def test_prior_of_a_new_merchant_is_the_common_prior():
    _, trials, successes = family(20)
    prior = fit_prior([Statistics(int(n), int(s)) for n, s in zip(trials, successes, strict=True)])
    assert prior.mean == pytest.approx(0.2, rel=0.1)
    assert prior.strength == pytest.approx(20, rel=0.3)


def test_a_merchant_with_much_traffic_does_not_speak_for_all():
    prior = fit_prior([Statistics(1_000_000, 900_000), *[Statistics(1_000, 100 + 10 * i) for i in range(9)]])
    assert prior.mean < 0.3


@pytest.mark.parametrize("others", [[], [Statistics(100, 50)] * 2, [Statistics(100, 50)] * 2 + [Statistics()] * 5])
def test_fewer_than_three_merchants_give_no_prior(others):
    assert fit_prior(others) == FLAT


@pytest.mark.parametrize("successes", [0, 10])
def test_prior_of_only_failures_is_no_certainty(successes):
    prior = fit_prior([Statistics(10, successes)] * 3)
    assert 0 < prior.mean < 1
    assert prior.strength == CAP


def test_a_childs_prior_is_its_parents_mean():
    parent, above = Statistics(30, 20), Prior(0.1, 10)
    assert prior_from(parent, above, 7.0) == Prior(mean(parent, above), 7.0)


# Tempering.

PRIORS = [Prior(float(rate), 100.0) for rate in RATES]


def test_merchant_without_trials_starts_from_the_common_prior():
    assert temper(PRIORS, [Statistics()] * len(PRIORS)) == PRIORS


def test_similar_merchant_keeps_the_whole_prior():
    assert temper(PRIORS, [Evidence(200, 200 * rate) for rate in RATES]) == PRIORS


def test_different_merchant_keeps_little_of_the_prior():
    for before, now in zip(PRIORS, temper(PRIORS, [Evidence(200, 200 * rate) for rate in RATES[::-1]]), strict=True):
        assert now.strength < before.strength / 5
        assert abs(now.mean - RATES.mean()) <= abs(before.mean - RATES.mean())


def test_untried_arms_keep_their_prior():
    flat = [FLAT] * 3
    assert temper(flat, [Statistics(1_000, 0), Statistics(1_000, 1_000), Statistics(10, 5)]) == flat


def test_no_merchants_are_not_tempered():
    assert temper([], []) == []


def regret(rates, priors, seed, *, visits=1_000, refresh=20):
    """Of Thompson sampling from these priors, tempered, in a merchant with these rates."""
    rng = np.random.default_rng(seed)
    trials, successes = np.zeros((2, len(rates)))
    lost = 0.0
    for _ in range(visits // refresh):
        now = temper(priors, [Evidence(n, s) for n, s in zip(trials, successes, strict=True)])
        hoped = np.array([(prior.strength * prior.mean, prior.strength * (1 - prior.mean)) for prior in now])
        draws = rng.beta(hoped[:, 0] + successes, hoped[:, 1] + trials - successes, (refresh, len(rates)))
        tried = np.bincount(draws.argmax(axis=1), minlength=len(rates))
        trials, successes = trials + tried, successes + rng.binomial(tried, rates)
        lost += float(tried @ (rates.max() - rates))
    return lost


def learned_from_others(seed, *, strength=50, merchants=20, trials=500):
    rng = np.random.default_rng([1, seed])
    rates = rng.beta(strength * RATES, strength * (1 - RATES), (merchants + 1, len(RATES)))
    counts = rng.binomial(trials, rates[1:])
    return rates[0], [fit_prior([Statistics(trials, int(won)) for won in column]) for column in counts.T]


def test_an_unusual_merchant_hardly_loses_by_the_prior():
    flat = [FLAT] * len(RATES)
    like, unlike, alone = [], [], []
    for seed in range(12):
        rates, priors = learned_from_others(seed)
        like.append(regret(rates, priors, seed))
        unlike.append(regret(RATES[::-1], priors, seed))
        alone.append((regret(rates, flat, seed), regret(RATES[::-1], flat, seed)))
    alone_like, alone_unlike = np.mean(alone, axis=0)
    assert np.mean(like) <= 0.35 * alone_like
    assert np.mean(unlike) <= 1.5 * alone_unlike
