"""What curves of regret say: the mean over seeds, and how sure it is."""

from typing import NamedTuple

import numpy as np

from simulation.worlds.world import Floats

Z95 = 1.959963984540054


class Average(NamedTuple):
    """A mean over seeds with its 95% interval; of one seed nothing is known but its value."""

    mean: float
    low: float
    high: float


def average(values: Floats) -> Average:
    """Of (seeds,) values."""
    mean = float(values.mean())
    margin = Z95 * float(values.std(ddof=1)) / len(values) ** 0.5 if len(values) > 1 else 0.0
    return Average(mean, mean - margin, mean + margin)


def ratio(ones: Floats, others: Floats) -> Average:
    """The mean of `ones` over the mean of `others`, (seeds,) each on the same seeds, by the delta method."""
    quotient = float(ones.mean() / others.mean())
    off = average(ones - quotient * others)
    margin = off.high - off.mean
    return Average(quotient, quotient - margin / float(others.mean()), quotient + margin / float(others.mean()))


def quantiles(values: Floats) -> tuple[float, float]:
    """The least and the greatest of nine tenths of the seeds."""
    low, high = np.quantile(values, [0.05, 0.95])
    return float(low), float(high)
