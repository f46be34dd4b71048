"""Intervals and p-values that hold at every look, however often one looks: asymptotic confidence sequences.

Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas (2024), "Time-uniform central limit theory and asymptotic confidence
sequences", theorem 2.2: the normal mixture of Robbins (1970) with an estimated variance. With t units, variance s**2
of one unit's part in the estimate, and a mixture of precision rho, the interval is

    estimate +- s * sqrt((t rho**2 + 1) / (t**2 rho**2) * log((t rho**2 + 1) / share**2))

The width is smallest, for its time, near the number of units that the experiment is planned for.
"""

from __future__ import annotations

import math

from bandits.experiments.comparison import DifferenceInterval
from bandits.experiments.moments import MetricEstimate

LEAST_UNITS = 100
LEAST_EVENTS = 20
"""Before each variant has so many units, and as many events of equal size, nothing is told: the normal limit has not
set in."""


def precision_for(units: float, *, share: float = 0.05) -> float:
    """Return the rho for which the interval is nearly the narrowest at so many units."""
    surprise = -2 * math.log(share)
    return math.sqrt((surprise + math.log(surprise + 1)) / units)


def margin(estimate: MetricEstimate, rho: float, *, share: float = 0.05) -> float:
    """Return half the width of the confidence sequence at this number of units."""
    information = estimate.n * rho**2
    if not information > 0:
        return math.inf
    widening = (information + 1) / information * math.log((information + 1) / share**2)
    return estimate.error * math.sqrt(widening)


def anytime_p_value(estimate: MetricEstimate, rho: float) -> float:
    """Return the smallest share at which the confidence sequence now excludes 0; valid at every look."""
    return min(1.0, math.exp(-max(0.0, log_e_value(estimate, rho))))


def log_e_value(estimate: MetricEstimate, rho: float) -> float:
    """Return the log of the evidence against 0, a martingale if the truth is 0; 0.0 without an error."""
    if not 0 < estimate.error < math.inf:
        return 0.0
    information, z = estimate.n * rho**2, estimate.value / estimate.error
    return z * z / 2 * information / (information + 1) - math.log(information + 1) / 2


def sequential(difference: MetricEstimate, rho: float, *, share: float = 0.05) -> DifferenceInterval:
    """Return a difference with the interval and p-value that hold at every look."""
    width = margin(difference, rho, share=share)
    return DifferenceInterval(
        difference.value, difference.value - width, difference.value + width, anytime_p_value(difference, rho)
    )


LEAST_AMOUNTS = 40
"""The events that amounts need: margins with long tails and discounts were rejected too often with 20."""


def is_ready(variant: MetricEstimate, *, binary: bool = False, least: int = LEAST_EVENTS) -> bool:
    """Return whether a variant has enough units and at least `least` events; of a binary metric, also units without.

    The number of events of equal size is the square of their sum over the sum of their squares (Kish, 1965). Means far
    from 0 on the scale of their spread have as many events as units.
    """
    events = [_events(variant.value, variant)]
    if binary:
        events.append(_events(1 - variant.value, variant))
    return variant.n >= LEAST_UNITS and min(events) >= least


def _events(value: float, variant: MetricEstimate) -> float:
    square = value * value
    return variant.n * square / (variant.variance + square) if square else 0.0
