import numpy as np
import pytest

from bandits.evidence.outage import PROBES, Watch

RATES = np.array([0.30, 0.28, 0.2])
SHARES = np.array([0.9, 0.05, 0.05])


def without_away(shares, suspended):
    """The chances with which a kernel draws while arms are away."""
    if not suspended.any():
        return shares
    left = shares[~suspended].sum()
    return np.where(suspended, PROBES / suspended.sum(), shares * (1 - PROBES) / left)


def played(minutes, rates_at, *, visits=14, seed=0):
    """For each minute who was away behind it, and what was tried in it."""
    rng, watch, suspended, tried = np.random.default_rng(seed), Watch.begin(3), [], []
    for minute in range(minutes):
        n = rng.multinomial(visits, without_away(SHARES, watch.suspended))
        watch = watch.after(n, rng.binomial(n, rates_at(minute)), RATES)
        suspended.append(watch.suspended)
        tried.append(n)
    return np.array(suspended), np.array(tried)


def broken(minute):
    return np.array([0.01, 0.28, 0.2]) if 300 <= minute < 540 else RATES


@pytest.mark.parametrize("seed", range(5))
def test_a_broken_arm_is_away_and_back_within_minutes(seed):
    suspended, _ = played(600, broken, seed=seed)
    assert not suspended[:300].any()
    assert 300 + int(suspended[300:, 0].argmax()) < 308
    assert suspended[540 - 1, 0]
    assert not suspended[540:570, 0].all()
    assert not suspended[:, 1:].any()


def test_nights_and_sales_are_no_outages():
    for seed in range(3):
        suspended, _ = played(3 * 1440, lambda minute: RATES * (1 + 0.4 * np.sin(minute / 229)), seed=seed)
        assert not suspended.any()


def test_the_sudden_end_of_a_sale_is_no_outage():
    suspended, _ = played(1_000, lambda minute: RATES * (1.5 if minute < 500 else 1.0))
    assert not suspended.any()


def test_watching_again_gives_the_same_bits():
    first, second = (Watch.begin(3).after([3, 1, 0], [1, 0, 0], RATES) for _ in range(2))
    assert first.sums.tobytes() == second.sums.tobytes()
    assert first.factor == second.factor
