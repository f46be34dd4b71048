"""What a log says of a difference, as evidence beside an experiment's own.

The log's estimate is of other customers, so both are independent and add by their precisions: the log counts as so many
units as would give its error, and intervals go on from there. They hold if the log's difference is still that of today,
but for a drift whose standard deviation is `DRIFT` of the smallest effect of interest.
"""

from __future__ import annotations

import math

from bandits.experiments.moments import MetricEstimate

DRIFT = 0.25
"""The allowance for what has changed since: twice of it is half of the smallest effect of interest."""

DISAGREEMENT = 3.0
"""Errors between the log and the experiment from which on the log no longer counts."""


def allowed_error(error: float, effect: float) -> float:
    """Return the error of the log's estimate, drift included; `effect` is the smallest effect of interest."""
    return math.hypot(error, DRIFT * effect)


def units_worth(error: float, variance: float) -> float:
    """Return how many units an estimate with this error is worth, of the variance per unit of a difference."""
    return variance / error**2


def agrees(difference: MetricEstimate, value: float, error: float) -> bool:
    """Return whether the experiment's own difference is near enough to the log's for the log to count."""
    return abs(difference.value - value) <= DISAGREEMENT * math.hypot(difference.error, error)


def with_past(difference: MetricEstimate, value: float, error: float) -> MetricEstimate:
    """Return the difference by the experiment and the log together; `n` counts what the log is worth in units."""
    if not (difference.error > 0 and math.isfinite(difference.error)):
        return difference
    own, logged = 1 / difference.error**2, 1 / error**2
    together = (difference.value * own + value * logged) / (own + logged)
    return MetricEstimate(together, difference.variance, difference.n + units_worth(error, difference.variance))
