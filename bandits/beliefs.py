"""What is known about a candidate: additive statistics, the posterior, and the customer's own level on top."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bandits import beta

CUSTOMER_STRENGTH = 4.0
"""How many of a customer's own trials weigh as much as the level above."""


@dataclass(frozen=True, slots=True)
class Statistics:
    """Trials and successes. Whole numbers, so that sums are the same in any order."""

    trials: int = 0
    successes: int = 0

    def __add__(self, other: "Statistics") -> "Statistics":
        return Statistics(self.trials + other.trials, self.successes + other.successes)

    def __sub__(self, other: "Statistics") -> "Statistics":
        return Statistics(self.trials - other.trials, self.successes - other.successes)


def posterior(statistics: Statistics) -> tuple[float, float]:
    """The (alpha, beta) of the Beta posterior under the flat prior Beta(1, 1)."""
    if not 0 <= statistics.successes <= statistics.trials:
        raise ValueError(f"successes must lie between 0 and trials: {statistics}")
    return 1.0 + statistics.successes, 1.0 + statistics.trials - statistics.successes


def mean(statistics: Statistics) -> float:
    """The posterior mean, (successes + 1) / (trials + 2)."""
    a, b = posterior(statistics)
    return a / (a + b)


def interval(statistics: Statistics, level: float = 0.95) -> tuple[float, float]:
    """The equal-tailed credible interval that holds the rate with probability `level`."""
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1: {level}")
    a, b = posterior(statistics)
    tail = (1 - level) / 2
    return beta.quantile(tail, a, b), beta.quantile(1 - tail, a, b)


def blend(
    rates: NDArray[np.float32],
    successes: ArrayLike,
    trials: ArrayLike,
    strength: float = CUSTOMER_STRENGTH,
) -> NDArray[np.float32]:
    """The customer level, (k * draw + s) / (k + n), applied to every draw.

    `rates` (K, M); `successes` and `trials` (K,), which recency weights may have made fractional; answers (K, M).
    """
    known = np.asarray(trials, np.float32) + np.float32(strength)
    scores = rates * (np.float32(strength) / known)[:, None]
    scores += (np.asarray(successes, np.float32) / known)[:, None]
    return scores


def recency_weight(age_days: float, half_life_days: float) -> float:
    """How much an event of that age still counts: 1 now, a half after one half-life."""
    if half_life_days <= 0:
        raise ValueError(f"half_life_days must be positive: {half_life_days}")
    return float(0.5 ** (age_days / half_life_days))
