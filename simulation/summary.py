"""Summarise regret curves: the mean over seeds and its confidence interval."""

from typing import NamedTuple

import numpy as np

from bandits.evaluation.intervals import Z95
from simulation.worlds.world import Floats


class Average(NamedTuple):
    """A mean over seeds with its 95% interval; for a single seed, the interval is the value itself."""

    mean: float
    low: float
    high: float


def average(values: Floats) -> Average:
    """Return the mean of (seeds,) values with its interval."""
    mean = float(values.mean())
    margin = Z95 * float(values.std(ddof=1)) / len(values) ** 0.5 if len(values) > 1 else 0.0
    return Average(mean, mean - margin, mean + margin)


def ratio(numerators: Floats, denominators: Floats) -> Average:
    """Return the ratio of two means over the same seeds, (seeds,) each, with its interval by the delta method."""
    quotient = float(numerators.mean() / denominators.mean())
    difference = average(numerators - quotient * denominators)
    margin = difference.high - difference.mean
    margin = margin / float(denominators.mean())
    return Average(quotient, quotient - margin, quotient + margin)


def quantiles(values: Floats) -> tuple[float, float]:
    """Return the 5% and 95% quantiles over the seeds."""
    low, high = np.quantile(values, [0.05, 0.95])
    return float(low), float(high)
