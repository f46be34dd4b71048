"""The Beta distribution function and its inverse, for intervals on a page.

The incomplete beta function by its continued fraction (DLMF 8.17.22, evaluated by the modified Lentz method), its
inverse by Newton's method kept inside a bisection. About a millisecond a call: for pages, not for decisions.
"""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

_TINY = 1e-300
_MOST_TERMS = 100_000
_MOST_STEPS = 200


def distribution(x: float, a: float, b: float) -> float:
    """Return P(X <= x) for X ~ Beta(a, b), 0 <= x <= 1."""
    if x <= 0.0 or x >= 1.0:
        return float(x >= 1.0)
    # The fraction converges fast only below the mean; above it, use the mirror image.
    if x > (a + 1) / (a + b + 2):
        return 1.0 - _near_side(1.0 - x, b, a)
    return _near_side(x, a, b)


def quantile(p: float, a: float, b: float) -> float:
    """Return the x with P(X <= x) = p for X ~ Beta(a, b), 0 < p < 1; relative error about 1e-9."""
    low, high, x = 0.0, 1.0, a / (a + b)
    for _ in range(_MOST_STEPS):
        error = distribution(x, a, b) - p
        low, high = (low, x) if error > 0 else (x, high)
        slope = math.exp(_log_density(x, a, b))
        following = x - error / slope if slope > 0 else low
        if not low < following < high:
            following = (low + high) / 2
        if abs(following - x) <= 1e-12 * x:
            return following
        x = following
    return x


def log_gamma(x: ArrayLike) -> NDArray[np.float64]:
    """Return the logarithm of the gamma function of positive numbers; absolute error about 1e-14 of its size.

    Stirling's series (DLMF 5.11.1) above 10, reached by the recurrence of 5.5.1.
    """
    x = np.asarray(x, np.float64)
    z = x + 10
    inverse = 1 / (z * z)
    tail = (1 / 12 - inverse * (1 / 360 - inverse * (1 / 1260 - inverse * (1 / 1680 - inverse / 1188)))) / z
    product = np.ones_like(x)
    for step in range(10):
        product = product * (x + step)
    result: NDArray[np.float64] = (z - 0.5) * np.log(z) - z + 0.5 * math.log(2 * math.pi) + tail - np.log(product)
    return result


def _log_density(x: float, a: float, b: float) -> float:
    scale = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    return scale + (a - 1) * math.log(x) + (b - 1) * math.log1p(-x)


def _near_side(x: float, a: float, b: float) -> float:
    factor = math.exp(_log_density(x, a, b)) * x * (1 - x) / a
    return factor / _fraction(x, a, b)


def _fraction(x: float, a: float, b: float) -> float:
    """Return 1 + d1/(1 + d2/(1 + ...)) with the coefficients d of DLMF 8.17.23."""
    value, upper, lower = 1.0, 1.0, 0.0
    for term in range(1, _MOST_TERMS):
        d = _coefficient(term, x, a, b)
        lower = 1.0 / (1.0 + d * lower or _TINY)
        upper = 1.0 + d / upper or _TINY
        value *= upper * lower
        if abs(upper * lower - 1.0) < 1e-15:
            break
    return value


def _coefficient(term: int, x: float, a: float, b: float) -> float:
    m, odd = divmod(term, 2)
    if odd:
        return -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
    return m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
