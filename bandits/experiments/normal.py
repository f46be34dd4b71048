"""The normal distribution, from the standard library."""

import math
from statistics import NormalDist

_NORMAL = NormalDist()


def normal_distribution(z: float) -> float:
    """Return P(Z <= z)."""
    return math.erfc(-z / math.sqrt(2)) / 2


def two_sided(z: float) -> float:
    """Return P(|Z| >= |z|)."""
    return math.erfc(abs(z) / math.sqrt(2))


def normal_quantile(p: float) -> float:
    """Return the z with P(Z <= z) = p, 0 < p < 1."""
    return _NORMAL.inv_cdf(p)
