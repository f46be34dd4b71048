import numpy as np
import pytest

from bandits import effective_trials, estimate_weights

RATES = np.array([0.34, 0.22, 0.15, 0.10, 0.07, 0.05, 0.04, 0.03])
WEIGHTS = np.array([1.0, 0.5, 0.33, 0.25, 0.2, 0.17, 0.14, 0.125])


def shown(weights, *, trials=2_000, seed=0):
    """Trials and successes by slot of all candidates, each in every slot about as often."""
    rng = np.random.default_rng(seed)
    tried = rng.integers(trials // 2, trials * 3 // 2, (len(RATES), len(weights)))
    return tried, rng.binomial(tried, np.outer(RATES, weights))


# The weights of slots.


@pytest.mark.parametrize("weights", [WEIGHTS, np.array([1, 0.9, 0.1, 0.02]), np.array([1, 0.3, 0.6, 0.2]), np.ones(3)])
def test_weights_of_slots_are_recovered(weights):
    assert estimate_weights(*shown(weights)) == pytest.approx(weights, rel=0.15, abs=0.01)


def test_slot_with_few_trials_is_near_the_slot_above():
    trials, successes = shown(np.array([1, 0.5, 0.25]))
    trials[:, 2], successes[:, 2] = 1, 0
    weights = estimate_weights(trials, successes)
    assert weights[1] == pytest.approx(0.5, rel=0.15)
    assert weights[2] == pytest.approx(weights[1], rel=0.5)


def test_candidates_do_not_bias_the_weights_of_slots():
    # The same slots, but the best are nearly always above: a plain success rate by slot would fall far too fast.
    rng = np.random.default_rng(1)
    trials = np.full((8, 8), 40) + np.diag([4_000] * 8)
    weights = np.linspace(1, 0.5, 8)
    assert estimate_weights(trials, rng.binomial(trials, np.outer(RATES, weights))) == pytest.approx(weights, abs=0.2)


@pytest.mark.parametrize("shape", [(3, 4), (1, 1), (0, 3), (3, 0)])
@pytest.mark.parametrize("share", [0, 1])
@pytest.mark.parametrize("trials", [0, 1, 10**7])
def test_weights_are_valid_for_any_counts(shape, share, trials):
    tried = np.full(shape, trials)
    weights = estimate_weights(tried, tried * share)
    assert weights.shape == shape[1:]
    assert ((weights > 0) & (weights <= 1)).all()
    assert (weights[:1] == 1).all()


# What a trial is worth.


def test_trials_that_could_all_succeed_count_whole():
    trials, successes = shown(np.ones(3))
    assert effective_trials(trials, successes, np.ones(3)) == pytest.approx(trials.sum(axis=1))


def test_rate_is_unbiased_for_any_slots():
    trials, successes = shown(WEIGHTS, trials=50_000)
    rates = successes.sum(axis=1) / effective_trials(trials, successes, WEIGHTS)
    assert rates == pytest.approx(RATES, rel=0.05)


def test_the_answer_is_the_likeliest_rate():
    trials, successes, weights = np.array([[30, 50]]), np.array([[12, 9]]), np.array([1.0, 0.4])
    rates = np.linspace(0.001, 0.999, 999)[:, None]
    chances = rates * weights
    likelihood = (successes * np.log(chances) + (trials - successes) * np.log(1 - chances)).sum(axis=1)
    # The flat prior of a rate adds one success and one failure to the mean, as it does everywhere.
    likelihood += (np.log(rates) + np.log(1 - rates))[:, 0]
    real = effective_trials(trials, successes, weights)[0]
    assert (1 + 21) / (2 + real) == pytest.approx(rates[likelihood.argmax(), 0], abs=0.001)


@pytest.mark.parametrize("weights", [[1, 0.5, 0.1], [1, 1, 1], [0, 0, 0]])
def test_there_are_never_fewer_trials_than_successes(weights):
    trials = np.array([[5, 5, 5], [5, 5, 5], [0, 0, 0]])
    successes = np.array([[5, 5, 5], [0, 0, 0], [0, 0, 0]])
    real = effective_trials(trials, successes, weights)
    assert (real >= successes.sum(axis=1)).all()
    assert (real <= trials.sum(axis=1) + 1e-9).all()


def regret(*, by_slot, seed, visits=6_000, refresh=100):
    """Of orders of eight by Thompson sampling, in a position-based world whose weights it has to learn."""
    rng = np.random.default_rng(seed)
    trials, successes = np.zeros((2, 8, 8))
    lost, best = 0.0, float(RATES @ WEIGHTS)
    for _ in range(visits // refresh):
        weights = estimate_weights(trials, successes) if by_slot else np.ones(8)
        n, s = effective_trials(trials, successes, weights), successes.sum(axis=1)
        orders = np.argsort(-rng.beta(1 + s, 1 + n - s, (refresh, 8)), axis=1)
        chances = RATES[orders] * WEIGHTS
        np.add.at(trials, (orders, np.arange(8)), 1)
        np.add.at(successes, (orders, np.arange(8)), rng.random(chances.shape) < chances)
        lost += float((best - chances.sum(axis=1)).sum())
    return lost


def test_a_ranking_is_learned_without_reports_of_examination():
    assert np.mean([regret(by_slot=True, seed=seed) for seed in range(4)]) <= 40
