import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandits import last_change, memory
from bandits.evidence.change import OTHERS_KEEP

RATES = np.array([0.34, 0.22, 0.15, 0.10, 0.07, 0.05, 0.04, 0.03, 0.025, 0.02])


def counted(*phases, trials=50, seed=0):
    """Trials and successes by cell of an arm that had each (rate, cells) in turn."""
    rng = np.random.default_rng(seed)
    rates = np.repeat([rate for rate, _ in phases], [cells for _, cells in phases])
    return np.full(len(rates), trials), rng.binomial(trials, rates)


def test_jump_is_found_at_its_time():
    for seed in range(20):
        assert abs(last_change(*counted((0.3, 100), (0.1, 50), seed=seed)) - 100) <= 3


def test_the_last_of_several_jumps_is_found():
    result = last_change(*counted((0.1, 100), (0.3, 100), (0.15, 100)))
    assert abs(result - 200) <= 3


def test_a_jump_from_never_to_always_is_found_at_once():
    trials = [20] * 10
    assert last_change(trials, [0] * 9 + [20]) == 9
    assert last_change(trials, [20] * 9 + [0]) == 9


@pytest.mark.parametrize("rate", [0.02, 0.3, 0.9])
@pytest.mark.parametrize("trials", [3, 500])
def test_an_arm_that_never_changes_starts_again_next_to_never(rate, trials):
    alarms = [last_change(*counted((rate, 200), trials=trials, seed=seed)) > 0 for seed in range(20)]
    assert sum(alarms) <= 1


cells = st.lists(st.integers(0, 60).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n))), max_size=40)


@given(cells, cells)
def test_verdict_does_not_depend_on_later_cells(early, late):
    learned = last_change(*zip(*early, strict=True)) if early else 0
    trials, successes = np.array(early + late, np.int64).reshape(-1, 2).T
    again = last_change(trials, successes)
    assert last_change(trials[: len(early)], successes[: len(early)]) == learned
    assert again >= learned


@pytest.mark.parametrize(
    ("trials", "successes"),
    [
        ([], []),
        ([0, 0, 0], [0, 0, 0]),
        ([5], [5]),
        ([100] * 50, [0] * 50),
        ([100] * 50, [100] * 50),
        ([0, 9, 0], [0, 9, 0]),
    ],
)
def test_constant_rates_have_no_change(trials, successes):
    assert last_change(trials, successes) == 0


# The memory of each arm.


def test_without_a_jump_nothing_is_forgotten():
    trials, successes = counted((0.3, 50))
    assert (memory(np.column_stack([trials] * 3), np.column_stack([successes] * 3)) == 1).all()


def test_after_a_jump_other_arms_keep_a_little():
    jumped, steady = counted((0.3, 100), (0.1, 50)), counted((0.2, 150), seed=1)
    trials, successes = (np.column_stack(pair) for pair in zip(jumped, steady, strict=True))
    first = last_change(*jumped)
    weights = memory(trials, successes)
    assert not weights[:first, 0].any()
    assert (weights[first:] == 1).all()
    assert (weights[:first, 1] @ trials[:first, 1]) == pytest.approx(OTHERS_KEEP)
    assert (weights[:first, 1] @ successes[:first, 1]) / OTHERS_KEEP == pytest.approx(0.2, abs=0.02)


def test_candidate_with_few_trials_keeps_all_data():
    jumped = counted((0.3, 100), (0.1, 50))
    rare = np.zeros(150), np.zeros(150)
    rare[0][:4] = 1
    weights = memory(*(np.column_stack(pair) for pair in zip(jumped, rare, strict=True)))
    assert (weights[:, 1] == 1).all()


def test_empty_input_has_no_drift():
    assert memory(np.zeros((0, 3)), np.zeros((0, 3))).shape == (0, 3)
    assert memory(np.zeros((5, 0)), np.zeros((5, 0))).shape == (5, 0)


def regret(phases, seed, *, forgets, visits=12_000, cell=200):
    """Of Thompson sampling with draws after every cell; each phase lasts equally long."""
    rng = np.random.default_rng(seed)
    cells = visits // cell
    trials, successes = np.zeros((2, cells, len(RATES)))
    lost = 0.0
    for number in range(cells):
        rates = phases[number * len(phases) // cells]
        weights = memory(trials[:number], successes[:number]) if forgets else np.ones((number, len(RATES)))
        n, s = (weights * trials[:number]).sum(axis=0), (weights * successes[:number]).sum(axis=0)
        chosen = rng.beta(1 + s, 1 + np.maximum(n - s, 0), (cell, len(RATES))).argmax(axis=1)
        trials[number] = np.bincount(chosen, minlength=len(RATES))
        successes[number] = rng.binomial(trials[number].astype(int), rates)
        lost += float(trials[number] @ (rates.max() - rates))
    return lost


@pytest.mark.long
def test_starting_again_helps_after_jumps_and_costs_little_otherwise():
    jumps, none = [RATES, RATES[::-1], np.roll(RATES, 4)], [RATES]
    forgetful, plain = (
        np.mean([[regret(world, seed, forgets=forgets) for world in (jumps, none)] for seed in range(2)], axis=0)
        for forgets in (True, False)
    )
    assert forgetful[0] <= 0.4 * plain[0]
    assert forgetful[1] <= 1.2 * plain[1]


def test_rounding_of_weighted_trials_raises_no_warning():
    trials = np.array([[10.0], [3.0], [5.0]])
    successes = trials * [[0.1], [1.0], [0.2]] + [[0.0], [1e-12], [0.0]]
    with np.errstate(all="raise"):
        assert memory(trials, successes).tolist() == [[1.0], [1.0], [1.0]]
