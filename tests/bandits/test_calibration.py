"""Alarms about a model whose expectations do not come true, week by week."""

import numpy as np
import pytest

from bandits.evidence.calibration import calibrations
from bandits.evidence.residuals import CELLS_A_DAY, ExpectedSuccesses, Residuals

JUDGED = 100


def on_day(day: int, sums: ExpectedSuccesses) -> Residuals:
    """Return the residuals of an arm on one day."""
    return Residuals({"a": {day * CELLS_A_DAY: sums}}, JUDGED * CELLS_A_DAY)


def residuals(random: np.random.Generator, *, rates: dict[str, float], expected: float = 0.2, trials: int = 50):
    """Return three weeks in which `expected` of the trials of each arm was expected to succeed."""
    noise = trials * expected * (1 - expected)
    return Residuals(
        {
            arm: {
                day * CELLS_A_DAY: ExpectedSuccesses(
                    trials, float(random.binomial(trials, rate)), trials * expected, noise, 0.1
                )
                for day in range(JUDGED - 21, JUDGED)
            }
            for arm, rate in rates.items()
        },
        judged=JUDGED * CELLS_A_DAY,
    )


def test_weeks_add_up_the_newest_first_all_arms_before_each():
    weeks = calibrations(residuals(np.random.default_rng(1), rates={"a": 0.2, "b": 0.2}))
    assert [(week.arm, week.first_day) for week in weeks] == [
        (arm, day) for day in (93, 86, 79) for arm in ("", "a", "b")
    ]
    assert weeks[0].sums.trials == weeks[1].sums.trials + weeks[2].sums.trials == 2 * 7 * 50
    assert weeks[0].sums.successes == weeks[1].sums.successes + weeks[2].sums.successes


def test_a_right_model_rarely_raises_an_alarm():
    random = np.random.default_rng(2)
    alarms = [
        any(week.is_off for week in calibrations(residuals(random, rates={"a": 0.2, "b": 0.2}))) for _ in range(400)
    ]
    assert np.mean(alarms) < 0.08


def test_wrong_expectation_raises_an_alarm_only_for_its_arm():
    weeks = calibrations(residuals(np.random.default_rng(3), rates={"a": 0.2, "b": 0.35}))
    off = {week.arm for week in weeks if week.is_off}
    assert "b" in off
    assert "a" not in off
    assert all(week.z > 0 for week in weeks if week.is_off)


def test_a_models_own_doubt_is_no_alarm():
    sums = ExpectedSuccesses(350, 105.0, 70.0, 56.0, 40.0)
    assert [week.is_off for week in calibrations(on_day(95, sums))] == [False, False]
    certain = sums._replace(doubt=0.0)
    assert [week.is_off for week in calibrations(on_day(95, certain))] == [True, True]


@pytest.mark.parametrize("day", [JUDGED, JUDGED - 22])
def test_incomplete_days_and_old_sums_are_excluded(day: int):
    assert calibrations(on_day(day, ExpectedSuccesses(100, 20.0, 20.0, 16.0, 0.0))) == []


def test_few_trials_give_no_verdict():
    few = ExpectedSuccesses(10, 8.0, 2.0, 1.6, 0.0)
    assert {week.is_off for week in calibrations(on_day(95, few))} == {None}
