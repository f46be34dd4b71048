"""Check Beta posteriors against scipy, priors, fading, amounts, and the arguments that make no sense."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats

from bandits import (
    FLAT,
    Amounts,
    Evidence,
    Prior,
    Statistics,
    interval,
    make_amount_draws,
    mean,
    mean_amount,
    posterior,
    recency_weight,
)
from bandits.posterior.beta import distribution, log_gamma, quantile

SHAPES = [(1, 1), (0.5, 0.5), (2, 5), (30, 70), (1_000, 9_000), (0.01, 3), (1e5, 1e5), (3, 1e6)]


@pytest.mark.parametrize(("a", "b"), SHAPES)
@pytest.mark.parametrize("x", [0.0, 1e-6, 0.01, 0.3, 0.5, 0.9, 0.999, 1.0])
def test_the_distribution_function_is_scipys(a, b, x):
    assert distribution(x, a, b) == pytest.approx(stats.beta.cdf(x, a, b), abs=1e-9)


@pytest.mark.parametrize(("a", "b"), SHAPES)
@pytest.mark.parametrize("p", [0.001, 0.025, 0.5, 0.975, 0.999])
def test_the_quantiles_are_scipys(a, b, p):
    assert quantile(p, a, b) == pytest.approx(stats.beta.ppf(p, a, b), rel=1e-7, abs=1e-12)


@given(st.floats(0.05, 1e6))
def test_log_gamma_is_scipys(x):
    assert float(log_gamma(x)) == pytest.approx(special.gammaln(x), rel=1e-10, abs=1e-10)


def test_distribution_is_0_or_1_outside_of_the_unit_interval():
    assert (distribution(-1, 2, 3), distribution(2, 2, 3)) == (0.0, 1.0)


@pytest.mark.parametrize(("evidence", "prior", "parameters"), [
    (Evidence(), FLAT, (1.0, 1.0)),
    (Evidence(10, 4), FLAT, (5.0, 7.0)),
    (Evidence(10, 4), Prior(0.2, 10.0), (6.0, 14.0)),
    (Evidence(0.5, 0.25), FLAT, (1.25, 1.25)),
    (Statistics(3, 3), FLAT, (4.0, 1.0)),
])  # fmt: skip
def test_posterior_adds_data_to_the_prior(evidence, prior, parameters):
    assert posterior(evidence, prior) == pytest.approx(parameters)
    assert mean(evidence, prior) == pytest.approx(parameters[0] / sum(parameters))


@pytest.mark.parametrize("evidence", [Evidence(1, 2), Evidence(5, -1), Evidence(-1, 0)])
def test_impossible_evidence_is_refused(evidence):
    with pytest.raises(ValueError, match="successes must lie between 0 and trials"):
        posterior(evidence)


@pytest.mark.parametrize(("level", "low", "high"), [(0.95, 0.234, 0.766), (0.5, 0.402, 0.598)])
def test_interval_contains_its_share(level, low, high):
    assert interval(Evidence(10, 5), level) == pytest.approx((low, high), abs=0.001)


@pytest.mark.parametrize("level", [0, 1, -0.5, 1.5])
def test_invalid_level_is_refused(level):
    with pytest.raises(ValueError, match="level must lie between 0 and 1"):
        interval(Evidence(), level)


@pytest.mark.parametrize("rate", [0, 1, -0.1, 1.1, math.nan])
def test_a_prior_mean_on_the_edge_is_refused(rate):
    with pytest.raises(ValueError, match="mean must lie between 0 and 1"):
        Prior(rate, 2.0)


@pytest.mark.parametrize("strength", [0, -1])
def test_a_prior_without_strength_is_refused(strength):
    with pytest.raises(ValueError, match="strength must be positive"):
        Prior(0.5, strength)


@pytest.mark.parametrize(
    ("age", "half_life", "weight"), [(0, 30, 1.0), (30, 30, 0.5), (60, 30, 0.25), (15, 30, 0.7071)]
)
def test_evidence_halves_with_each_half_life(age, half_life, weight):
    assert recency_weight(age, half_life) == pytest.approx(weight, abs=1e-4)


def test_half_life_of_zero_is_refused():
    with pytest.raises(ValueError, match="half_life_days must be positive"):
        recency_weight(1, 0)


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), max_size=8))
def test_statistics_add_up_in_any_order(pairs):
    counts = [Statistics(max(pair), min(pair)) for pair in pairs]
    total = sum(counts, Statistics())
    assert total == sum(reversed(counts), Statistics())
    for count in counts:
        total = total - count
    assert total == Statistics()


# Amounts


@pytest.mark.parametrize(("amounts", "expected"), [
    (Amounts(), 5_000.0),
    (Amounts(1, 8_000), (2 * 5_000 + 8_000) / 3),
    (Amounts(998, 998 * 8_000), (2 * 5_000 + 998 * 8_000) / 1_000),
    (Amounts(0.5, 4_000), (2 * 5_000 + 4_000) / 2.5),
])  # fmt: skip
def test_the_mean_amount_is_shrunk_to_the_typical_one(amounts, expected):
    assert mean_amount(amounts, typical=5_000) == pytest.approx(expected)


def drawn(*amounts, **more):
    ids = [f"c{number}" for number in range(len(amounts))]
    return make_amount_draws(ids, amounts, **({"seed": 1, "typical": 5_000.0, "count": 4_096} | more))


def test_draws_of_amounts_lie_around_their_mean():
    made = drawn(Amounts(400, 400 * 9_000), Amounts())
    assert made.draws.shape == (2, 4_096)
    assert made.draws[0].mean() == pytest.approx(made.means[0], rel=0.02)
    assert made.draws[0].std() < made.draws[1].std()
    assert (made.draws > 0).all()


def test_draws_of_a_margin_are_a_share_less_the_fee():
    whole, part = drawn(Amounts(10, 50_000)), drawn(Amounts(10, 50_000), margin=0.3, fees=[35.0])
    assert part.means[0] == pytest.approx(0.3 * whole.means[0] - 35)
    assert part.draws[0] == pytest.approx(0.3 * whole.draws[0] - 35, rel=1e-4)


def test_draws_of_amounts_depend_only_on_the_seed():
    assert (drawn(Amounts(3, 9_000)).draws == drawn(Amounts(3, 9_000)).draws).all()
    assert (drawn(Amounts(3, 9_000)).draws != drawn(Amounts(3, 9_000), seed=2).draws).any()


def test_draws_of_amounts_cannot_be_changed():
    with pytest.raises(ValueError, match="read-only"):
        drawn(Amounts()).draws[0, 0] = 1


@pytest.mark.parametrize("typical", [0, -5, math.nan])
def test_typical_amount_of_zero_is_refused(typical):
    with pytest.raises(ValueError, match="typical must be positive"):
        drawn(Amounts(), typical=typical)
