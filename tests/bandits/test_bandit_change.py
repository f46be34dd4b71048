import numpy as np
import pytest

from bandits.evidence.change import OTHERS_KEEP, changes, memory
from bandits.evidence.drift import last_change

RATES = np.array([0.3, 0.25, 0.2, 0.1])


def counted(rates, *, trials=300, seed=0):
    """Trials and successes (T, K) of rates (T, K)."""
    tried = np.full(rates.shape, trials)
    return tried, np.random.default_rng(seed).binomial(tried, rates)


def weekends(factor, days=70):
    return np.where(np.arange(days) % 7 >= 5, factor, 1.0)[:, None] * RATES


@pytest.mark.parametrize("factor", [1.1, 1.25, 0.8])
def test_weekends_cause_no_change(factor):
    for seed in range(5):
        assert not changes(*counted(weekends(factor), seed=seed)).firsts.any()


def test_a_sale_is_a_shock_and_no_change():
    rates = np.where((np.arange(60) >= 30) & (np.arange(60) < 45), 1.6, 1.0)[:, None] * RATES
    tried, won = counted(rates, trials=2_000)
    result = changes(tried, won)
    assert last_change(tried[:, 0], won[:, 0]) > 0
    assert not result.firsts.any()
    assert (result.shocks >= 30).all()


def test_change_against_the_others_is_found_on_weekends():
    for seed in range(5):
        rates = weekends(1.25)
        rates[40:, 1] *= 0.4
        firsts = changes(*counted(rates, seed=seed)).firsts
        assert abs(firsts[1] - 40) <= 3
        assert not firsts[[0, 2, 3]].any()


def test_large_fall_is_found_without_other_candidates():
    tried = np.tile([[500, 1, 1, 1]], (40, 1))
    rates = np.tile(RATES, (40, 1))
    rates[25:, 0] = 0.02
    won = np.random.default_rng(2).binomial(tried, rates)
    assert abs(changes(tried, won).firsts[0] - 25) <= 1


def test_a_fall_of_all_is_no_change_however_great():
    rates = np.tile(RATES, (40, 1))
    rates[25:] *= 0.2
    assert not changes(*counted(rates)).firsts.any()


def test_detected_change_is_kept():
    rates = np.tile(RATES, (60, 1))
    rates[20:, 0] = 0.05
    tried, won = counted(rates)
    firsts = [changes(tried[:end], won[:end]).firsts[0] for end in range(30, 60)]
    assert set(firsts) == {firsts[0]}


def test_memory_resets_changed_candidates_and_fades_others():
    rates = np.tile(RATES, (60, 1))
    rates[30:, 2] = 0.8
    tried, won = counted(rates)
    weights = memory(tried, won)
    first = int(changes(tried, won).firsts[2])
    assert not weights[:first, 2].any()
    assert (weights[:first, 0] * tried[:first, 0]).sum() == pytest.approx(OTHERS_KEEP)
    assert weights[first:].all()


def test_single_arm_is_compared_with_its_own_rate():
    tried = np.full((40, 1), 300)
    rates = np.where(np.arange(40) < 20, 0.3, 0.1)[:, None]
    won = np.random.default_rng(0).binomial(tried, rates)
    assert abs(changes(tried, won).firsts[0] - 20) <= 1


def test_no_cells_have_no_changes():
    result = changes(np.zeros((0, 3)), np.zeros((0, 3)))
    assert result.firsts.tolist() == [0, 0, 0]
