"""What is known about a candidate: additive statistics, the posterior, and the customer's own level on top."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bandits.posterior import beta

CUSTOMER_STRENGTH = 4.0
"""How many of a customer's own trials weigh as much as the level above."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Trials and successes as they weigh at the point of use: fractions, where evidence has faded, was seen by chance
    only, or is still under way."""

    trials: float = 0
    successes: float = 0


@dataclass(frozen=True, slots=True)
class Statistics(Evidence):
    """Trials and successes as they were counted. Whole numbers, so that sums are the same in any order."""

    trials: int = 0
    successes: int = 0

    def __add__(self, other: "Statistics") -> "Statistics":
        return Statistics(self.trials + other.trials, self.successes + other.successes)

    def __sub__(self, other: "Statistics") -> "Statistics":
        return Statistics(self.trials - other.trials, self.successes - other.successes)


@dataclass(frozen=True, slots=True)
class Prior:
    """What is believed before the first trial: Beta(strength * mean, strength * (1 - mean))."""

    mean: float
    strength: float

    def __post_init__(self) -> None:
        if not 0 < self.mean < 1:
            raise ValueError(f"mean must lie between 0 and 1, both excluded: {self.mean}")
        if not self.strength > 0:
            raise ValueError(f"strength must be positive: {self.strength}")


FLAT = Prior(0.5, 2.0)
"""Any rate is as likely as any other: Beta(1, 1)."""


def posterior(known: Evidence, prior: Prior = FLAT) -> tuple[float, float]:
    """The (alpha, beta) of the Beta posterior."""
    if not 0 <= known.successes <= known.trials:
        raise ValueError(f"successes must lie between 0 and trials: {known}")
    hoped = prior.strength * prior.mean
    return hoped + known.successes, prior.strength - hoped + known.trials - known.successes


def mean(known: Evidence, prior: Prior = FLAT) -> float:
    """The posterior mean, (strength * mean + successes) / (strength + trials)."""
    a, b = posterior(known, prior)
    return a / (a + b)


def interval(known: Evidence, level: float = 0.95, prior: Prior = FLAT) -> tuple[float, float]:
    """The equal-tailed credible interval that holds the rate with probability `level`."""
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1: {level}")
    a, b = posterior(known, prior)
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
