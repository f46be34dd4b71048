"""Check metrics with heavy tails on A/A experiments that are looked at all the time: margin, checkout time, revenue.

`python -m benchmarks.verify experiment-measures`, two minutes. tests/bandits/test_experiment_measures.py runs small
versions with other seeds, and compares the looks with the product's. Caps come from before the start.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bandits.experiments.moments import MetricEstimate
from bandits.experiments.sequential import LEAST_AMOUNTS, LEAST_UNITS, margin, precision_for
from engine.experiments.past.purchases import PastPurchase, caps_of
from engine.model.documents.metric import METRICS, MetricName
from engine.store.experiments.activity import PurchaseDecision

Figure = tuple[str, str, str]
Counts = NDArray[np.int64]
Floats = NDArray[np.float64]
UNITS, A_LOOK, RUNS, BEFORE = 5_000, 50, 800, 4_000
SEED = 9_101
"""Of the published figures alone: nothing was set by these seeds."""


class Drawn(NamedTuple):
    """Units: how often something was measured, and the amount of it, (n,) each."""

    times: Counts
    amounts: Counts


Draw = Callable[[np.random.Generator, int, float], Drawn]
"""Draws units with a largest amount of a purchase."""


def revenue(rng: np.random.Generator, count: int, cap: float) -> Drawn:
    """Draw purchases of one in five units, with a Pareto tail whose variance is hardly finite."""
    bought = rng.random(count) < 0.2
    return Drawn(bought.astype(np.int64), _capped(bought * 2_000 * (1 + rng.pareto(2.2, count)), cap))


def margins(rng: np.random.Generator, count: int, cap: float) -> Drawn:
    """Draw margins of one in five units: 30% of a lognormal amount, less a fee, and a discount that one in four had."""
    bought = rng.random(count) < 0.2
    amounts = rng.lognormal(8.5, 1.4, count)
    margins = 0.3 * amounts - 35 - (rng.random(count) < 0.25) * np.minimum(0.4 * amounts, 2_000)
    return Drawn(bought.astype(np.int64), _capped(bought * margins, cap))


def checkout_time(rng: np.random.Generator, count: int, cap: float) -> Drawn:
    """Draw timed checkouts, none to several a unit; each unit has a pace of its own, and times have long tails."""
    times = rng.poisson(0.4, count)
    unit = np.repeat(np.arange(count), times)
    paces = rng.lognormal(math.log(40_000), 0.6, count)[unit]
    each = _capped(paces * rng.lognormal(0.0, 1.2, len(unit)), cap)
    return Drawn(times, np.bincount(unit, weights=each, minlength=count).astype(np.int64))


DRAWS: dict[MetricName, Draw] = {"revenue": revenue, "margin": margins, "checkout_time": checkout_time}


def cap_before(metric: MetricName, rng: np.random.Generator, count: int = BEFORE) -> int:
    """Return the cap that purchases before the start give."""
    drawn = DRAWS[metric](rng, 8 * count, math.inf)
    amounts = drawn.amounts[drawn.times == 1][:count]
    decision = PurchaseDecision("d", None, 0, "{}")
    [cap] = caps_of([PastPurchase(decision, {metric: (1, int(amount))}) for amount in amounts])
    return cap.amount


def rejected(metric: MetricName, seed: int, *, units: int = UNITS, is_capped: bool = True) -> bool:
    """Return whether an A/A experiment is rejected at any look, one each `A_LOOK` units."""
    rng = np.random.default_rng([SEED, seed])
    cap = cap_before(metric, rng) if is_capped else math.inf
    variants = [estimates_at_looks(DRAWS[metric](rng, units // 2, cap), metric) for _ in range(2)]
    return bool(excluded(variants[0], variants[1], units).any())


def chosen_cap_rejected(seed: int, *, units: int = UNITS) -> bool:
    """Return whether an A/A experiment is rejected at any look by the most favourable of many caps, chosen there."""
    rng = np.random.default_rng([SEED, seed])
    drawn = [revenue(rng, units // 2, math.inf) for _ in range(2)]
    for cap in np.geomspace(2_500, 100_000, 12):
        capped = [each._replace(amounts=_capped(each.amounts, cap)) for each in drawn]
        if excluded(*(estimates_at_looks(each, "revenue") for each in capped), units).any():
            return True
    return False


class Estimates(NamedTuple):
    """A variant's metric at each look (L,): its value, the variance of a unit's part in it, and the units."""

    value: Floats
    variance: Floats
    n: Floats


def estimates_at_looks(drawn: Drawn, metric: MetricName) -> Estimates:
    """Return what the product estimates at each look: a mean of a unit, or a ratio by the delta method."""
    times, amounts = drawn.times.astype(np.float64), drawn.amounts.astype(np.float64)
    last = np.arange(A_LOOK // 2, len(times) + 1, A_LOOK // 2) - 1
    n, total, squares = last + 1.0, amounts.cumsum()[last], (amounts**2).cumsum()[last]
    if METRICS[metric].kind != "ratio":
        return Estimates(total / n, (squares - total**2 / n) / (n - 1), n)
    count, crossed, counts = times.cumsum()[last], (times * amounts).cumsum()[last], (times**2).cumsum()[last]
    value = total / np.maximum(count, 1.0)
    residuals = squares - 2 * value * crossed + value**2 * counts
    return Estimates(value, residuals / (n - 1) / np.maximum(count / n, 1e-9) ** 2, n)


def excluded(control: Estimates, variant: Estimates, planned: float) -> NDArray[np.bool_]:
    """Return at which looks the interval of the lift leaves 0 out, as `compare` does it."""
    has_enough = (control.value > 0) & (control.n >= LEAST_UNITS)
    for each in (control, variant):
        has_enough &= each.n * each.value**2 >= LEAST_AMOUNTS * (each.variance + each.value**2)
    value = np.where(has_enough, control.value, 1.0)
    ratio = variant.value / value
    errors = np.sqrt(variant.variance / variant.n + ratio**2 * control.variance / control.n) / value
    rho = precision_for(planned)
    widths = [margin(MetricEstimate(0.0, float(n), float(n)), rho) for n in control.n + variant.n]
    result: NDArray[np.bool_] = has_enough & (np.abs(ratio - 1) > errors * np.array(widths))
    return result


def figures(runs: int = RUNS) -> list[Figure]:
    """Return the figures of `make verify`."""
    most = 0.05 + 2 * math.sqrt(0.05 * 0.95 / runs)
    lines: list[Figure] = []
    for metric in DRAWS:
        what = f"A/A, {metric.replace('_', ' ')}, heavy tail: {runs:,} experiments looked at every {A_LOOK} units"
        held, bare = (
            np.mean([rejected(metric, seed, is_capped=each) for seed in range(runs)]) for each in (True, False)
        )
        what = f"{what} to {UNITS:,}, ever rejected with the cap from before the start; without a cap"
        lines.append((what, f"at most {most:.2%}", f"{held:.2%}; {bare:.2%}"))
    some = runs // 4
    chosen = np.mean([chosen_cap_rejected(seed) for seed in range(some)])
    what = f"revenue, {some:,} experiments: the best of 12 caps chosen at each look, which the product refuses"
    return [*lines, (what, "", f"{chosen:.1%}")]


def _capped(amounts: NDArray[np.float64] | Counts, cap: float) -> Counts:
    result: Counts = np.minimum(amounts, cap).round().astype(np.int64)
    return result
