"""Beta posteriors of rates: additive statistics, priors, and the customer's own level on top."""

from dataclasses import dataclass

from bandits.posterior import beta

CUSTOMER_STRENGTH = 4.0
"""The level above weighs as much as so many of a customer's own trials."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Trials and successes as they count now: fractions, if evidence has faded, is pending, or may be unseen."""

    trials: float = 0
    successes: float = 0


@dataclass(frozen=True, slots=True)
class Statistics(Evidence):
    """Trials and successes as counted: whole numbers, so that sums are the same in any order."""

    trials: int = 0
    successes: int = 0

    def __add__(self, other: "Statistics") -> "Statistics":
        return Statistics(self.trials + other.trials, self.successes + other.successes)

    def __sub__(self, other: "Statistics") -> "Statistics":
        return Statistics(self.trials - other.trials, self.successes - other.successes)


@dataclass(frozen=True, slots=True)
class Prior:
    """The belief before the first trial: Beta(strength * mean, strength * (1 - mean))."""

    mean: float
    strength: float

    def __post_init__(self) -> None:
        if not 0 < self.mean < 1:
            raise ValueError(f"mean must lie between 0 and 1, both excluded: {self.mean}")
        if not self.strength > 0:
            raise ValueError(f"strength must be positive: {self.strength}")


FLAT = Prior(0.5, 2.0)
"""Every rate is equally likely: Beta(1, 1)."""


def posterior(evidence: Evidence, prior: Prior = FLAT) -> tuple[float, float]:
    """Return the (alpha, beta) of the Beta posterior. Raise ValueError unless 0 <= successes <= trials."""
    if not 0 <= evidence.successes <= evidence.trials:
        raise ValueError(f"successes must lie between 0 and trials: {evidence}")
    prior_successes = prior.strength * prior.mean
    alpha = prior_successes + evidence.successes
    return alpha, prior.strength - prior_successes + evidence.trials - evidence.successes


def mean(evidence: Evidence, prior: Prior = FLAT) -> float:
    """Return the posterior mean, (strength * mean + successes) / (strength + trials)."""
    a, b = posterior(evidence, prior)
    return a / (a + b)


def interval(evidence: Evidence, level: float = 0.95, prior: Prior = FLAT) -> tuple[float, float]:
    """Return the equal-tailed credible interval that holds the rate with probability `level`."""
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1: {level}")
    a, b = posterior(evidence, prior)
    tail = (1 - level) / 2
    return beta.quantile(tail, a, b), beta.quantile(1 - tail, a, b)


def recency_weight(age_days: float, half_life_days: float) -> float:
    """Return the weight of an event of that age: 1 now, 0.5 after one half-life."""
    if half_life_days <= 0:
        raise ValueError(f"half_life_days must be positive: {half_life_days}")
    return float(0.5 ** (age_days / half_life_days))
