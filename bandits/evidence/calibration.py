"""Compare what a model expected with what came, by week. The expectations are from before the outcomes were learned."""

import math
from typing import NamedTuple

from bandits.evidence.residuals import CELLS_A_DAY, MOST_DAYS, NOTHING, DaySums, ExpectedSuccesses, Residuals
from bandits.experiments.normal import two_sided

WEEK = 7
FALSE_ALARMS = 0.05
"""How likely any alarm is among all weeks and arms if the model is right."""
LEAST_NOISE = 5.0
"""With a smaller variance of the successes, the normal distribution says too little about them."""


class WeekCalibration(NamedTuple):
    """Successes expected and come in the seven days from `first_day` (epoch day) on; `arm` is empty for all arms.

    `is_off`: they differ by more than noise and the model's own doubt explain; None with too few trials to tell.
    """

    arm: str
    first_day: int
    sums: ExpectedSuccesses
    is_off: bool | None = None

    @property
    def z(self) -> float:
        """Return the difference in standard errors."""
        return (self.sums.successes - self.sums.expected) / math.sqrt(self.sums.noise + self.sums.doubt**2)


def calibrations(residuals: Residuals) -> list[WeekCalibration]:
    """Return the weeks of complete days, the newest first: all arms together, then each by name.

    Alarms hold for all of them together (Bonferroni). Doubts of arms add, as if the model erred alike in all.
    """
    judged, days = residuals.judged // CELLS_A_DAY, residuals.by_day()
    weeks = [
        WeekCalibration(arm, first_day, sums)
        for first_day in range(judged - WEEK, judged - MOST_DAYS - 1, -WEEK)
        for arm, sums in _of_week(days, first_day).items()
    ]
    level = FALSE_ALARMS / max(1, sum(week.sums.noise >= LEAST_NOISE for week in weeks))
    return [week._replace(is_off=_is_off(week, level)) for week in weeks]


def _of_week(days: DaySums, first_day: int) -> dict[str, ExpectedSuccesses]:
    sums: dict[str, ExpectedSuccesses] = {}
    for arm, by_day in sorted(days.items()):
        for day, expected in by_day.items():
            if first_day <= day < first_day + WEEK:
                sums[arm] = sums.get(arm, NOTHING).plus(expected)
    together = NOTHING
    for week in sums.values():
        together = together.plus(week)
    # Trials that were taken back may leave nothing, or less.
    return {arm: week for arm, week in ({"": together} | sums).items() if week.trials > 0}


def _is_off(week: WeekCalibration, level: float) -> bool | None:
    return two_sided(week.z) < level if week.sums.noise >= LEAST_NOISE else None
