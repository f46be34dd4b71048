"""Detect jumps of arms by what a model expected of them, so that another audience or slot is no jump.

A learning policy keeps changing whom it shows an arm to and where, and the arm's rate moves with them. What a model
expected of the same requests moves along. So a cell counts as many trials as typical requests of which as much is
expected (indirect standardisation), and `bandits.evidence.change` compares its successes with those.

A model that is unsure of what it expects tells little: a cell weighs noise / (noise + doubt^2).

Cells are half days, so that a jump is found before its day is over. A half day is compared with the same half of
earlier days, and a day with days: arms may have daily rhythms of their own.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from bandits.evidence.change import changes
from bandits.evidence.drift import FALSE_ALARMS, Floats
from bandits.posterior.gaussian import Belief, times
from bandits.posterior.logistic_update import Observations, rate

MOST_DAYS = 21
"""Complete days that are kept; older ones are summed up in the day before, by half."""

CELLS_A_DAY = 2

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
        return ExpectedSuccesses(*(round(own + added, _DIGITS) for own, added in zip(self, other, strict=True)))

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


DaySums = dict[str, dict[int, ExpectedSuccesses]]
"""Sums by arm and epoch day."""


@dataclass(frozen=True, slots=True)
class Residuals:
    """Sums by arm and cell: half days, counted since the epoch. Cells before `judged` have been tested."""

    cells: Mapping[str, Mapping[int, ExpectedSuccesses]] = field(default_factory=dict)
    judged: int = 0

    def after(self, cell: int, expectations: Mapping[str, ExpectedSuccesses]) -> "Residuals":
        """Return the sums with those of a cell added."""
        cells = {name: dict(by_cell) for name, by_cell in self.cells.items()}
        for name, expectation in expectations.items():
            by_cell = cells.setdefault(name, {})
            by_cell[cell] = by_cell.get(cell, NOTHING).plus(expectation)
        return Residuals(cells, self.judged)

    def tested(self, before: int) -> tuple["Residuals", dict[str, int]]:
        """Test the cells before `before`; return what remains, and by arm the epoch day of its jump.

        The sums of an arm that jumped are dropped, because what was expected of it came from evidence that no longer
        counts.
        """
        if before <= self.judged:
            return self, {}
        jumps: dict[str, int] = {}
        for days in self._series(before):
            for name, day in _jumps(days).items():
                jumps[name] = max(day, jumps.get(name, day))
        remaining = {name: _shortened(by_cell, before) for name, by_cell in self.cells.items() if name not in jumps}
        return Residuals(remaining, before), jumps

    def by_day(self) -> DaySums:
        """Return the sums of whole days."""
        days: DaySums = {}
        for name, by_cell in self.cells.items():
            of_arm = days.setdefault(name, {})
            for cell, sums in by_cell.items():
                day = cell // CELLS_A_DAY
                of_arm[day] = of_arm.get(day, NOTHING).plus(sums)
        return days

    def _series(self, before: int) -> Iterator[DaySums]:
        """Yield what is tested: complete days, and each half of the last MOST_DAYS.

        The older sums stay out of the halves: a model that has just begun follows a rhythm within a day, and later
        expects its average.
        """
        complete = before // CELLS_A_DAY
        yield {name: {day: v for day, v in by_day.items() if day < complete} for name, by_day in self.by_day().items()}
        recent = range((complete - MOST_DAYS) * CELLS_A_DAY, before)
        for half in range(CELLS_A_DAY):
            yield {
                name: {c // CELLS_A_DAY: v for c, v in by_cell.items() if c in recent and c % CELLS_A_DAY == half}
                for name, by_cell in self.cells.items()
            }


def _jumps(days: DaySums) -> dict[str, int]:
    """Return by arm the day from which on it has jumped. All series together raise FALSE_ALARMS."""
    names, dates = sorted(days), sorted({day for by_day in days.values() for day in by_day})
    if not dates:
        return {}
    firsts = changes(*_comparable(days, names, dates), false_alarms=FALSE_ALARMS / (1 + CELLS_A_DAY)).firsts.tolist()
    return {name: dates[first] for name, first in zip(names, firsts, strict=True) if first}


def _comparable(days: DaySums, names: list[str], dates: list[int]) -> tuple[Floats, Floats]:
    """Return trials and successes (T, K) as if each day had brought typical requests."""
    cells = np.array([[days[name].get(day, NOTHING).settled()[:3] for name in names] for day in dates])
    trials, successes, expected = np.moveaxis(cells, 2, 0)
    rates = expected.sum(axis=0) / np.maximum(trials.sum(axis=0), 1e-9)
    typical = np.maximum(expected, 0.0) / np.maximum(rates, 1e-9)
    successes = np.maximum(successes, 0.0)
    return np.maximum(typical, successes), successes


def _shortened(by_cell: Mapping[int, ExpectedSuccesses], before: int) -> dict[int, ExpectedSuccesses]:
    """Return the sums with cells older than MOST_DAYS as a single day, by half."""
    first = (before // CELLS_A_DAY - MOST_DAYS) * CELLS_A_DAY
    shortened: dict[int, ExpectedSuccesses] = {}
    for cell, sums in by_cell.items():
        if cell >= first:
            shortened[cell] = sums
        else:
            old = first - CELLS_A_DAY + cell % CELLS_A_DAY
            shortened[old] = shortened.get(old, NOTHING).plus(sums.settled())
    return shortened
