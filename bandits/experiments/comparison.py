"""The difference between a variant and the control: estimate, interval and p-value for a fixed number of units."""

from __future__ import annotations

import math
from dataclasses import dataclass

from bandits.experiments.moments import MetricEstimate
from bandits.experiments.normal import normal_quantile, two_sided
from bandits.posterior.student import student_distribution, student_quantile


@dataclass(frozen=True, slots=True)
class DifferenceInterval:
    """A difference, or a lift, with its interval; `p_value` is two-sided, against no difference."""

    value: float
    low: float
    high: float
    p_value: float


def difference_of(control: MetricEstimate, variant: MetricEstimate) -> MetricEstimate:
    """Return variant less control as the estimate of one value over the units of both."""
    n = control.n + variant.n
    return MetricEstimate(variant.value - control.value, n * (control.error**2 + variant.error**2), n)


def lift_of(control: MetricEstimate, variant: MetricEstimate) -> MetricEstimate:
    """Return variant over control, less 1, by the delta method; NaN for a control of 0, or of a loss."""
    if not control.value > 0:
        return MetricEstimate(math.nan, math.nan, control.n + variant.n)
    ratio, n = variant.value / control.value, control.n + variant.n
    variance = (variant.error**2 + ratio**2 * control.error**2) / control.value**2
    return MetricEstimate(ratio - 1, n * variance, n)


def welch(control: MetricEstimate, variant: MetricEstimate, *, share: float = 0.05) -> DifferenceInterval:
    """Compare means with unequal variances (Welch, 1947); for a ratio metric the variances are those of the ratio."""
    parts, value = (control.error**2, variant.error**2), variant.value - control.value
    error = math.sqrt(sum(parts))
    if not error > 0:
        return DifferenceInterval(value, value, value, 1.0 if value == 0 else 0.0)
    degrees = sum(parts) ** 2 / (parts[0] ** 2 / (control.n - 1) + parts[1] ** 2 / (variant.n - 1))
    margin = student_quantile(1 - share / 2, degrees) * error
    return DifferenceInterval(
        value, value - margin, value + margin, 2 * student_distribution(-abs(value) / error, degrees)
    )


def two_proportions(successes: tuple[int, int], trials: tuple[int, int], *, share: float = 0.05) -> DifferenceInterval:
    """Compare two shares of units, (control, variant): the p-value pools them, the interval does not."""
    (first, second), (n, m) = successes, trials
    p, q, pooled = first / n, second / m, (first + second) / (n + m)
    null = math.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))
    margin = normal_quantile(1 - share / 2) * math.sqrt(p * (1 - p) / n + q * (1 - q) / m)
    return DifferenceInterval(q - p, q - p - margin, q - p + margin, two_sided((q - p) / null) if null else 1.0)


def holm(p_values: list[float]) -> list[float]:
    """Return the p-values adjusted for all being looked at, over variants and metrics (Holm, 1979)."""
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    adjusted, so_far = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        so_far = max(so_far, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = so_far
    return adjusted
