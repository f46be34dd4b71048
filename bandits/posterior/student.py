"""Student's t distribution, from the Beta distribution."""

import math

from bandits.posterior import beta


def student_distribution(t: float, degrees: float) -> float:
    """Return P(T <= t) for `degrees` > 0 of freedom."""
    tail = beta.distribution(degrees / (degrees + t * t), degrees / 2, 0.5) / 2
    return 1 - tail if t > 0 else tail


def student_quantile(p: float, degrees: float) -> float:
    """Return the t with P(T <= t) = p, 0.5 <= p < 1, for `degrees` > 0 of freedom."""
    share = beta.quantile(2 * p - 1, 0.5, degrees / 2)
    return math.sqrt(degrees * share / (1 - share))
