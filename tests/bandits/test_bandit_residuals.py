"""Jumps by what a model expected: an audience, a slot or a sale is none."""

import msgspec
import numpy as np
import pytest

from bandits.choice.expected import choice_expectations
from bandits.choice.model import ChoiceModel
from bandits.choice.observations import ChoiceObservation, aggregate
from bandits.choice.utilities import chosen
from bandits.evidence.change import changes
from bandits.evidence.residuals import CELLS_A_DAY, MOST_DAYS, ExpectedSuccesses, Residuals, logistic_expectation
from bandits.posterior.logistic_update import Observations
from bandits.posterior.weight_posterior import WeightEvidence, beliefs_of

ARMS = ("card", "klarna", "paypal")
RATES = np.array([0.3, 0.2, 0.25])
TRIED = 400


def played(rates, expected=None, *, doubt=0.0, seed=0):
    """Residuals of the cells from day 1 on with rates (T, K), of which `expected` (T, K) were expected."""
    rng, residuals, tried = np.random.default_rng(seed), Residuals(), TRIED // CELLS_A_DAY
    expected = rates if expected is None else np.broadcast_to(expected, rates.shape)
    for cell, (now, hoped) in enumerate(zip(rates, expected.tolist(), strict=True), CELLS_A_DAY):
        won = rng.binomial(tried, now)
        expectations = {
            name: ExpectedSuccesses(tried, float(won[k]), tried * hoped[k], tried * hoped[k] * (1 - hoped[k]), doubt)
            for k, name in enumerate(ARMS)
        }
        residuals = residuals.after(cell, expectations)
    return residuals


def days(factor, *, since=20, count=40):
    """Rates (T, K) of half days that are multiplied by `factor` (K,) from a day on."""
    day = np.arange(CELLS_A_DAY, CELLS_A_DAY * (count + 1)) / CELLS_A_DAY
    return np.where((day >= since)[:, None], factor, 1.0) * RATES


def judge(residuals, before):
    """Test the days before `before`."""
    return residuals.tested(before * CELLS_A_DAY)


def test_jump_against_expectation_is_dated():
    for seed in range(5):
        residuals, jumps = played(days((1, 0.4, 1)), RATES, seed=seed).tested(41 * CELLS_A_DAY)
        assert jumps.keys() == {"klarna"}
        assert abs(jumps["klarna"] - 20) <= 1
        assert residuals.cells.keys() == {"card", "paypal"}


def test_unexpected_sale_moves_no_candidate():
    for seed in range(5):
        assert played(days((1.5, 1.5, 1.5)), RATES, seed=seed).tested(41 * CELLS_A_DAY)[1] == {}


def test_expected_change_of_audience_is_no_jump():
    """The raw test takes it for one."""
    rates = days((1, 2.4, 1))
    residuals = played(rates)
    won = np.array([[residuals.by_day()[name][day].successes for name in ARMS] for day in range(1, 41)])
    assert changes(np.full(won.shape, TRIED), won).firsts.any()
    assert judge(residuals, 41)[1] == {}


def test_uncertain_model_finds_no_jump():
    """While the model learns, its first predictions are inaccurate, and it reports so."""
    assert played(days((1, 0.4, 1)), RATES, doubt=0.0).tested(41 * CELLS_A_DAY)[1]
    assert played(days((1, 0.4, 1)), RATES, doubt=80.0).tested(41 * CELLS_A_DAY)[1] == {}


def test_days_are_tested_once_after_they_end():
    residuals = played(days((1, 0.2, 1), since=30))
    residuals = residuals.after(41 * CELLS_A_DAY, {"klarna": ExpectedSuccesses(TRIED, 5.0, 80.0, 64.0, 0.0)})
    later, jumps = judge(residuals, 41)
    assert jumps == {}
    assert later.judged == 41 * CELLS_A_DAY
    assert judge(later, 41) == (later, {})
    assert "klarna" in judge(later, 42)[1]


def test_a_jump_is_found_when_half_of_its_day_is_over():
    for seed in range(5):
        residuals = played(days((1, 0.1, 1), since=30), RATES, seed=seed)
        assert residuals.tested(30 * CELLS_A_DAY)[1] == {}
        assert residuals.tested(30 * CELLS_A_DAY + 1)[1] == {"klarna": 30}


@pytest.mark.parametrize("before", [80, 81, 82])
def test_daily_patterns_are_no_jump(before):
    halves = np.where(np.arange(80)[:, None] % CELLS_A_DAY, (0.6, 1.4, 1), (1.4, 0.6, 1)) * RATES
    for seed in range(5):
        residuals, first = played(halves, RATES, seed=seed).tested(before - 10)
        assert (first, residuals.tested(before)[1]) == ({}, {})
        assert changes(*np.moveaxis(sums_by_cell(residuals), 2, 0)).firsts.any()


def sums_by_cell(residuals):
    """Trials and successes (T, K, 2) of the cells as they follow each other."""
    cells = sorted(residuals.cells["card"])
    return np.array([[residuals.cells[name][cell][:2] for name in ARMS] for cell in cells])


def test_older_days_are_kept_in_sum():
    before = played(days((1, 1, 1), count=60))
    after, _ = judge(before, 61)
    assert len(after.cells["card"]) == (MOST_DAYS + 1) * CELLS_A_DAY
    assert sorted(after.by_day()["card"]) == list(range(61 - MOST_DAYS - 1, 61))
    for name in ARMS:
        for number in range(3):
            sums = [sum(cell[number] for cell in each.cells[name].values()) for each in (before, after)]
            assert sums[0] == pytest.approx(sums[1], abs=0.1)


def test_retracted_outcome_leaves_no_negative_cell():
    residuals = Residuals().after(1, {"card": ExpectedSuccesses(-3.0, -1.0, -0.5, -0.4, 0.1)})
    residuals = residuals.after(2, {"card": ExpectedSuccesses(100.0, 30.0, 30.0, 21.0, 0.5)})
    assert residuals.tested(3)[1] == {}


def test_residuals_are_stored_and_read():
    residuals, _ = played(days((1, 1, 1))).tested(41 * CELLS_A_DAY)
    assert msgspec.json.decode(msgspec.json.encode(residuals), type=Residuals) == residuals
    assert Residuals().tested(5) == (Residuals(judged=5), {})


def observations(weights, count, seed):
    rng = np.random.default_rng(seed)
    x = np.column_stack((np.ones(count), rng.normal(size=(count, 2))))
    won = rng.random(count) < 1 / (1 + np.exp(-(x @ weights)))
    return Observations(x, np.ones(count), won.astype(np.float64))


def test_expected_successes_err_as_far_as_the_doubt_says():
    weights, errors = np.array([-1.0, 0.8, -0.4]), []
    for seed in range(60):
        evidence = WeightEvidence(3).updated({"card": observations(weights, 300, seed)})
        later = observations(weights, 300, 1_000 + seed)
        expectations = logistic_expectation(beliefs_of(evidence, ["card"])["card"], later)
        errors.append(
            (expectations.successes - expectations.expected) / (expectations.noise + expectations.doubt**2) ** 0.5
        )
        assert expectations.trials == 300
    assert np.std(errors) == pytest.approx(1.0, abs=0.25)
    assert abs(np.mean(errors)) < 0.4


def test_expected_choices_depend_on_slot_and_other_candidates():
    orders = [("card", "klarna", "paypal"), ("klarna", "card")]
    seen = [ChoiceObservation(orders[n % 2], f"s{n % 2}", (0,) if n % 3 else ()) for n in range(600)]
    belief = ChoiceModel.nothing().after(aggregate(seen)).belief()
    later = [ChoiceObservation(order, f"s{n}", (1,), 10.0) for n, order in enumerate(orders)]
    expectations = choice_expectations(belief, aggregate(later))
    by_order = [dict(zip(order, chosen(belief, order, f"s{n}"), strict=False)) for n, order in enumerate(orders)]
    for name in ARMS:
        expected = sum(10.0 * shares.get(name, 0.0) for shares in by_order)
        assert expectations[name].expected == pytest.approx(expected)
    assert [expectations[name].trials for name in ARMS] == [20.0, 20.0, 10.0]
    assert [expectations[name].successes for name in ARMS] == [10.0, 10.0, 0.0]
    assert all(cell.doubt > 0 for cell in expectations.values())


def test_a_candidate_that_the_belief_lacks_is_left_out():
    belief = ChoiceModel.nothing().after(aggregate([ChoiceObservation(("card",), "s", (0,))])).belief()
    expectations = choice_expectations(belief, aggregate([ChoiceObservation(("card", "gift"), "s", (0,))]))
    assert expectations.keys() == {"card"}
