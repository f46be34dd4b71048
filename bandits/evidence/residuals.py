"""Detect jumps of arms by what a model expected of them, so that another audience or slot is no jump.

A learning policy keeps changing whom it shows an arm to and where, and the arm's rate moves with them. What a model
expected of the same requests moves along. So a day counts as many trials as typical requests of which as much is
expected (indirect standardisation), and `bandits.evidence.change` compares its successes with those.

A model that is unsure of what it expects tells little: a day weighs noise / (noise + doubt^2).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from bandits.evidence.change import changes
from bandits.evidence.drift import Floats
from bandits.posterior.gaussian import Belief, times
from bandits.posterior.logistic_update import Observations, rate

MOST_DAYS = 21
"""Complete days that are kept; older ones are summed up in the first."""

_DIGITS = 3


class ExpectedSuccesses(NamedTuple):
    """Sums over trials of one arm: successes that came, and those that a model expected beforehand.

    `noise` is the variance of the successes if the model is right, `doubt` the standard error of what it expected.
    """

    trials: float
    successes: float
    expected: float
    noise: float
    doubt: float

    def plus(self, other: "ExpectedSuccesses") -> "ExpectedSuccesses":
        """Return the sums of both; doubts add too, because a model errs alike in both."""
        return ExpectedSuccesses(*(round(mine + theirs, _DIGITS) for mine, theirs in zip(self, other, strict=True)))

    def settled(self) -> "ExpectedSuccesses":
        """Return as much of the sums as tells something although the model was in doubt."""
        noise = max(self.noise, 0.0)
        share = noise / (noise + self.doubt**2) if noise else 0.0
        trials, successes, expected, *_ = (round(share * value, _DIGITS) for value in self)
        return ExpectedSuccesses(trials, successes, expected, round(share * noise, _DIGITS), 0.0)


NOTHING = ExpectedSuccesses(0.0, 0.0, 0.0, 0.0, 0.0)


def logistic_expectation(belief: Belief, observations: Observations) -> ExpectedSuccesses:
    """Return what a belief about an arm's weights expected of observations that it does not hold yet."""
    x, trials, successes = observations.features, observations.trials, observations.successes
    rates = rate(x @ belief.mean)
    noise = trials * rates * (1 - rates)
    slope = x.T @ noise
    variance = float(slope @ times(belief.covariance, slope))
    tried, won, expected, spread = (float(values.sum()) for values in (trials, successes, trials * rates, noise))
    return ExpectedSuccesses(tried, won, expected, spread, max(0.0, variance) ** 0.5)


@dataclass(frozen=True, slots=True)
class Residuals:
    """Sums by arm and epoch day. Days before `judged` have been tested."""

    days: Mapping[str, Mapping[int, ExpectedSuccesses]] = field(default_factory=dict)
    judged: int = 0

    def after(self, day: int, expectations: Mapping[str, ExpectedSuccesses]) -> "Residuals":
        """Return the sums with those of a day added."""
        days = {name: dict(by_day) for name, by_day in self.days.items()}
        for name, expectation in expectations.items():
            by_day = days.setdefault(name, {})
            by_day[day] = by_day.get(day, NOTHING).plus(expectation)
        return Residuals(days, self.judged)

    def tested(self, before: int) -> tuple["Residuals", dict[str, int]]:
        """Test the days before `before`; return what is kept, and by arm the day from which on it has jumped.

        The sums of an arm that jumped are dropped, because what was expected of it came from evidence that no longer
        counts.
        """
        if before <= self.judged:
            return self, {}
        names = sorted(self.days)
        dates = sorted({day for by_day in self.days.values() for day in by_day if day < before})
        firsts = changes(*self._comparable(names, dates)).firsts.tolist() if dates else [0] * len(names)
        jumps = {name: dates[first] for name, first in zip(names, firsts, strict=True) if first}
        kept = {name: _shortened(self.days[name], before) for name in names if name not in jumps}
        return Residuals(kept, before), jumps

    def _comparable(self, names: list[str], dates: list[int]) -> tuple[Floats, Floats]:
        """Return trials and successes (T, K) as if each day had brought typical requests."""
        cells = np.array([
            [self.days[name].get(day, NOTHING).settled()[:3] for name in names] for day in dates
        ])  # fmt: skip
        trials, successes, expected = np.moveaxis(cells, 2, 0)
        rates = expected.sum(axis=0) / np.maximum(trials.sum(axis=0), 1e-9)
        typical = np.maximum(expected, 0.0) / np.maximum(rates, 1e-9)
        successes = np.maximum(successes, 0.0)
        return np.maximum(typical, successes), successes


def _shortened(by_day: Mapping[int, ExpectedSuccesses], before: int) -> dict[int, ExpectedSuccesses]:
    """Return the sums with days older than MOST_DAYS as one."""
    days = sorted(by_day)
    old = [day for day in days if day < before - MOST_DAYS]
    if len(old) < 2:
        return dict(by_day)
    together = NOTHING
    for day in old:
        together = together.plus(by_day[day].settled())
    return {old[-1]: together, **{day: by_day[day] for day in days if day > old[-1]}}
