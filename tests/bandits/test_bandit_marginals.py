"""Compare exact chances of Thompson sampling with exact fractions, an oracle, and counted win probabilities."""

from fractions import Fraction
from math import factorial

import numpy as np
import pytest

import bandits
from bandits import Candidates, Statistics, make_draws
from bandits.drawing.marginals import position_chances
from benchmarks.checks.evaluation import oracle


def beta_function(a, b):
    return Fraction(factorial(a - 1) * factorial(b - 1), factorial(a + b - 1))


def chance_of_second(first, second):
    """P(second > first) of two arms with whole parameters, as a fraction (E. Miller, 2014)."""
    (a1, b1), (a2, b2) = first, second
    terms = (
        beta_function(a1 + i, b1 + b2) / ((b2 + i) * beta_function(1 + i, b2) * beta_function(a1, b1))
        for i in range(a2)
    )
    return float(sum(terms))


def first_chances(alphas, betas):
    return position_chances(alphas, betas, 1)[:, 0]


@pytest.mark.parametrize(
    ("first", "second"),
    [((1, 1), (1, 1)), ((3, 5), (2, 9)), ((30, 50), (20, 90)), ((1, 1000), (2, 1000)), ((1, 1), (500, 500)),
     ((400, 3), (50, 1)), ((1, 2000), (700, 3))],
)  # fmt: skip
def test_two_arms_agree_with_the_exact_fraction(first, second):
    chances = first_chances(*np.transpose([first, second]))
    assert chances[1] == pytest.approx(chance_of_second(first, second), abs=1e-12)
    assert chances.sum() == pytest.approx(1, abs=1e-12)


CASES = {
    "flat and tight": ([1, 1e5, 3, 2e3], [1, 1.02e5, 4, 1.9e3]),
    "equal and tight": ([2e5] * 6, [3e6] * 6),
    "equal and flat": ([1] * 5, [1] * 5),
    "far apart": ([1e6, 1, 10], [1, 1e6, 10]),
    "rare": ([1.1, 2.2, 1.5, 3.1, 1.05, 2, 1, 4], [900, 700, 1200, 800, 650, 900, 300, 1500]),
    "a millionth": ([1, 2, 1, 3], [1e6, 1e6, 9e5, 8e5]),
    "fractions below one": ([0.2, 0.5, 0.4], [0.3, 0.9, 3]),
}


@pytest.mark.parametrize("name", CASES)
def test_positions_agree_with_brute_force(name):
    a, b = CASES[name]
    chances = position_chances(a, b, len(a))
    assert chances == pytest.approx(oracle(a, b, len(a)), abs=1e-9)
    assert chances.sum(axis=0) == pytest.approx(1, abs=1e-11)
    assert chances.sum(axis=1) == pytest.approx(1, abs=1e-11)


def test_eighty_arms_and_three_slots_agree_with_brute_force():
    random = np.random.default_rng(0)
    a, b = random.uniform(1, 60, 80), random.uniform(5_000, 20_000, 80)
    assert position_chances(a, b, 3) == pytest.approx(oracle(a, b, 3, panels=60), abs=1e-9)


def test_a_single_arm_is_always_first():
    assert first_chances([3], [7]) == pytest.approx(1, abs=1e-12)


def test_equal_arms_have_equal_chances_of_every_position():
    assert position_chances([5] * 7, [90] * 7, 7) == pytest.approx(1 / 7, abs=1e-12)


def test_a_hopeless_arm_has_no_chance_and_never_less():
    a, b = [20, 40, 120, 60, 32], [380, 360, 280, 340, 368]
    assert (position_chances(a, b, 5) >= 0).all()


def test_win_probabilities_agree_with_the_integral():
    statistics = [Statistics(100, 12), Statistics(400, 44), Statistics(10, 0), Statistics(0, 0), Statistics(5_000, 560)]
    draws = make_draws(list("abcde"), statistics, seed=7, count=2**17)
    exact = first_chances([1 + s.successes for s in statistics], [1 + s.trials - s.successes for s in statistics])
    assert bandits.first_chances(Candidates.of("abcde", draws.rates)) == pytest.approx(exact, abs=4 * 0.5 / 2**8.5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: first_chances([], []), "one entry for each arm"),
        (lambda: first_chances([1, 2], [1]), "one entry for each arm"),
        (lambda: first_chances([0], [1]), "positive numbers"),
        (lambda: first_chances([np.inf], [1]), "positive numbers"),
        (lambda: position_chances([1], [1], 2), "slots must lie between 1 and the number of arms, 1"),
    ],
)
def test_invalid_arguments_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
