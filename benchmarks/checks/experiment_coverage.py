"""Check intervals that hold at every look: of ratios, adjusted by the past, and on traffic that a bandit moved.

`python -m benchmarks.verify experiment-coverage`, some minutes. tests/bandits/test_experiment_coverage.py runs small
versions.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from bandits.experiments.adaptive import (
    LEAST_WEIGHTED_EVENTS,
    SharesPast,
    SharesPeriod,
    adaptive_lift,
    moments_of,
    moved_shares,
    weighted_events,
)
from bandits.experiments.adaptive import variant_estimate as estimate_of
from bandits.experiments.comparison import lift_of
from bandits.experiments.moments import MetricEstimate, Moments, adjusted_means, mean_of, ratio_of
from bandits.experiments.sequential import is_ready, margin, precision_for
from benchmarks.checks.experiments import METRICS, SEED, Draw, Floats

Figure = tuple[str, str, str]
Estimate = Callable[[Sequence[Moments]], list[MetricEstimate]]
Units = Callable[[np.random.Generator, int], tuple[Floats, Floats]]
UNITS, A_LOOK, LIFT, FLOOR = 5_000, 50, 0.2, 0.05
RATES = {"conversion of 3%": 0.03, "of 30%": 0.3}


def visits_and_orders(rng: np.random.Generator, count: int) -> tuple[Floats, Floats]:
    """Draw orders and visits of units in two variants, (count, 2) each; the variant has 20% more orders a visit."""
    variants = []
    for factor in (1.0, 1 + LIFT):
        visits = rng.geometric(0.25, count)
        orders = rng.binomial(visits, rng.beta(2, 6, count) * factor / (1 + LIFT))
        variants.append(np.column_stack((orders, visits)).astype(np.float64))
    return variants[0], variants[1]


def value_and_past(rng: np.random.Generator, count: int) -> tuple[Floats, Floats]:
    """Draw values of units, and what was known before with a correlation of .7; the variant has 20% more."""
    past, luck = rng.normal(size=(2, 2, count))
    values = 0.7 * past + math.sqrt(1 - 0.49) * luck + np.array([[1.0], [1 + LIFT]])
    pairs = [np.column_stack(pair) for pair in zip(values, past, strict=True)]
    return pairs[0], pairs[1]


def ratios(variants: Sequence[Moments]) -> list[MetricEstimate]:
    """Return the ratio of each variant."""
    return [ratio_of(moments) for moments in variants]


def adjusted(variants: Sequence[Moments]) -> list[MetricEstimate]:
    """Return the adjusted mean of each variant."""
    return adjusted_means(list(variants))


def missed(draw: Units, estimate: Estimate, seed: int, *, units: int = UNITS) -> bool:
    """Return whether the interval of the lift missed the truth at any look; half of the units are in either variant."""
    rng, rho = np.random.default_rng([SEED, seed, units]), precision_for(units)
    variants: list[Moments] | None = None
    for _ in range(units // A_LOOK):
        new = [Moments.of(rows) for rows in draw(rng, A_LOOK // 2)]
        variants = new if variants is None else [old + more for old, more in zip(variants, new, strict=True)]
        estimates = estimate(variants)
        if all(map(is_ready, estimates)):
            lift = lift_of(*estimates)
            if abs(lift.value - LIFT) > margin(lift, rho):
                return True
    return False


def moved_nothing(draw: Draw, seed: int, *, is_binary: bool, units: int = UNITS) -> bool:
    """Return whether an A/A experiment whose shares a bandit moved every 50 units was rejected at any look."""
    rng, rho = np.random.default_rng([SEED, seed, units, 7]), precision_for(units)
    shares, past, total = np.full(2, 0.5), SharesPast.nothing(2), None
    plain = [Moments.of(np.empty(0)) for _ in range(2)]
    weighted = [SharesPeriod(np.ones(2), *np.zeros((3, 2)))]
    for _ in range(units // A_LOOK):
        assigned, values = rng.random(A_LOOK) < shares[1], draw(rng, A_LOOK)
        new = [Moments.of(values[assigned == bool(variant)]) for variant in range(2)]
        sums = (np.array(column) for column in zip(*((m.n, m.totals[0], m.products[0, 0]) for m in new), strict=True))
        period = SharesPeriod(shares, *sums)
        moments, past = moments_of([period], past)
        weighted = [_together(weighted[0], period)]
        total = moments if total is None else total + moments
        plain = [old + more for old, more in zip(plain, new, strict=True)]
        if min(each.n for each in plain) < 2 or not all(is_ready(mean_of(each), binary=is_binary) for each in plain):
            continue
        if weighted_events(weighted).min() < LEAST_WEIGHTED_EVENTS:
            continue
        lift = adaptive_lift(total, 1)
        if abs(lift.value) > margin(lift, rho):
            return True
        shares = np.array(moved_shares([estimate_of(total, variant) for variant in range(2)], floor=FLOOR))
    return False


def _together(weighted: SharesPeriod, period: SharesPeriod) -> SharesPeriod:
    """Return a period whose shares are 1 with the weighted sums of both, so that a look costs the same at any time."""
    sums = weighted.sums + period.sums / period.shares
    squares = weighted.squares + period.squares / period.shares**2
    return SharesPeriod(weighted.shares, weighted.units + period.units, sums, squares)


def figures(runs: int = 600) -> list[Figure]:
    """Return the figures of `make verify`."""
    moved, lines = runs // 2, []
    most = 0.05 + 2 * math.sqrt(0.05 * 0.95 / moved)
    for name, draw in METRICS.items():
        rejected = np.mean([moved_nothing(draw, seed, is_binary=name in RATES) for seed in range(moved)])
        what = f"bandit experiment with floor .05, A/A, {name}: {moved:,} of {UNITS:,} units, rejected at any look"
        lines.append((what, f"at most {most:.2%}", f"{rejected:.2%}"))
    for name, units, estimate in (
        ("a ratio (orders a visit)", visits_and_orders, ratios),
        ("CUPED at a correlation of .7", value_and_past, adjusted),
    ):
        held = 1 - np.mean([missed(units, estimate, seed) for seed in range(runs)])
        what = f"sequential, {name}: {runs:,} runs whose lift was inside at every look, one each {A_LOOK} units"
        lines.append((what, "at least 95%", f"{held:.1%}"))
    return lines
