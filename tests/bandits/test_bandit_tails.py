import numpy as np
import pytest

from bandits import Amounts, make_amount_draws
from bandits.evidence.tails import EDGES, Bin, amount_bin, tail_begin, winsorised


def binned(amounts):
    bins = {}
    for amount in amounts:
        number = amount_bin(amount)
        before = bins.get(number, Bin(0, 0))
        bins[number] = Bin(before.count + 1, before.total + amount)
    return bins


def cut(amounts):
    return winsorised(amounts, tail_begin(list(amounts.values())))


def first(amounts):
    """Return the chance that b is worth more than a."""
    draws = make_amount_draws(["a", "b"], [amounts["a"], amounts["b"]], seed=1, typical=5_000).draws
    return float((draws[1] > draws[0]).mean())


def test_outlier_hardly_changes_the_mean():
    plain = {"a": binned([6_000] * 1_000), "b": binned([5_000] * 1_000)}
    outlier = {"a": binned([6_000] * 1_000), "b": binned([5_000] * 1_000 + [2_000_000])}
    assert abs(first(cut(outlier)) - first(cut(plain))) < 0.1


@pytest.mark.parametrize("count", [10, 50, 200])
def test_outlier_among_few_changes_the_mean_by_at_most_a_tenth(count):
    rng = np.random.default_rng(count)
    a, b = (np.exp(rng.normal(np.log(mean), 0.5, count)).astype(int).tolist() for mean in (6_000, 5_700))
    before = first(cut({"a": binned(a), "b": binned(b)}))
    assert abs(first(cut({"a": binned(a), "b": binned([*b, 2_000_000])})) - before) < 0.1


def test_sums_below_the_tail_are_unchanged():
    learned = cut({"a": binned([5_000] * 500 + [5_010] * 500)})["a"]
    assert (learned.count, learned.total) == (1_000, pytest.approx(5_005_000))


def test_larger_variance_gives_less_evidence():
    rng = np.random.default_rng(3)
    heavy = np.exp(rng.normal(8, 1.6, 5_000)).astype(int).tolist()
    learned = cut({"a": binned(heavy), "b": binned([3_000] * 5_000)})
    assert learned["a"].weight < 2_500
    assert learned["b"].weight == pytest.approx(5_000)


def test_few_amounts_are_taken_to_vary_as_all():
    rng = np.random.default_rng(4)
    heavy = np.exp(rng.normal(8, 1.6, 5_000)).astype(int).tolist()
    learned = cut({"a": binned(heavy), "b": binned([3_000, 3_100])})
    assert learned["b"].weight < 1.5


def test_without_squares_amounts_are_exponential():
    assert Amounts(7, 700).weight == 7
    assert Amounts(100, 1_000, 10 * 1_000).weight == 100


def test_no_amounts_have_no_tail_begin():
    assert tail_begin([{}]) == float("inf")
    assert cut({"a": {}}) == {"a": Amounts()}


def test_every_amount_has_its_bin():
    assert [amount_bin(amount) for amount in (-5, 0, 3, 4)] == [0, 0, 0, 1]
    for number in (1, 40, len(EDGES) - 1):
        assert amount_bin(EDGES[number]) == number
        assert amount_bin(EDGES[number] - 1) == number - 1
