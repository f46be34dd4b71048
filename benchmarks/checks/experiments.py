"""Check the statistics of experiments: false alarms while looking, coverage, power, mismatch, and other libraries.

`python -m benchmarks.verify experiments`, a quarter of an hour. tests/bandits/ runs small versions.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bandits.evaluation.intervals import Z95
from bandits.experiments.adaptive import scores
from bandits.experiments.comparison import difference_of, lift_of, welch
from bandits.experiments.mismatch import FALSE_STOPS, mismatch_p_values
from bandits.experiments.moments import MetricEstimate, Moments, adjusted_means, mean_of, ratio_of
from bandits.experiments.sequential import LEAST_EVENTS, LEAST_UNITS, is_ready, margin, precision_for
from bandits.experiments.size import binary_goal, group_inflation, sequential_inflation, size_for
from benchmarks.checks.other_libraries import largest_differences
from engine.experiments.looks.schedule import bound_of
from engine.model.experiment import LOOKS as LOOKS_PLANNED

Figure = tuple[str, str, str]
Floats = NDArray[np.float64]
Draw = Callable[[np.random.Generator, int], Floats]
LOOKS, UNITS_A_LOOK = 100, 50
SEED = 100
FLOOR, BANDIT_LOOKS = 0.05, 100


def conversion(rate: float) -> Draw:
    return lambda rng, count: (rng.random(count) < rate).astype(np.float64)


def revenue(rng: np.random.Generator, count: int) -> Floats:
    """Draw what units spend: one in ten buys, and amounts are lognormal with a coefficient of variation of 1.3."""
    return (rng.random(count) < 0.1) * rng.lognormal(0.0, 1.0, count)


METRICS: dict[str, Draw] = {"conversion of 3%": conversion(0.03), "of 30%": conversion(0.3), "skewed revenue": revenue}


class Peeked(NamedTuple):
    """If each experiment was ever rejected: by the sequential test, and by a z-test with the same number of looks."""

    sequential: NDArray[np.bool_]
    z_test: NDArray[np.bool_]


def look_at_nothing(draw: Draw, experiments: int, *, seed: int = SEED) -> Peeked:
    """Look at A/A experiments every 50 units up to 5,000; half of the units are in either variant."""
    rng, half = np.random.default_rng([seed, experiments]), UNITS_A_LOOK // 2
    sums = np.zeros((2, 2, experiments, LOOKS))
    for variant in range(2):
        for look in range(LOOKS):
            units = draw(rng, experiments * half).reshape(experiments, half)
            sums[variant, :, :, look] = units.sum(axis=1), (units * units).sum(axis=1)
    (first, squares), (second, second_squares) = sums.cumsum(axis=3)
    n = half * np.arange(1, LOOKS + 1)
    variances = [(q - s * s / n) / (n - 1) for s, q in ((first, squares), (second, second_squares))]
    errors = np.sqrt((variances[0] + variances[1]) / n)
    differences = np.abs(second - first) / n
    events = np.minimum(_events(first, squares), _events(second, second_squares))
    has_enough = (n >= LEAST_UNITS) & (events >= LEAST_EVENTS)
    widths = errors * _widenings(2 * n, LOOKS * UNITS_A_LOOK)
    tests = (differences > Z95 * errors) & (errors > 0)
    return Peeked((has_enough & (differences > widths)).any(axis=1), tests.any(axis=1))


def _events(sums: Floats, squares: Floats) -> Floats:
    events: Floats = sums * sums / np.maximum(squares, 1e-12)
    return events


def _widenings(units: NDArray[np.int64], planned: float) -> Floats:
    """Return the margins for an error of 1 at each number of units."""
    rho = precision_for(planned)
    return np.array([margin(MetricEstimate(0.0, float(n), float(n)), rho) for n in units])


def five_looks(draw: Draw, experiments: int, *, units: int = 5_000, seed: int = SEED) -> float:
    """Return the share of A/A experiments that any of the planned looks rejects."""
    rng, part = np.random.default_rng([seed, experiments, LOOKS_PLANNED]), units // LOOKS_PLANNED // 2
    bounds = [bound_of(look, 0.05) for look in range(1, LOOKS_PLANNED + 1)]
    rejected = np.zeros(experiments, bool)
    for number in range(experiments):
        variants = [Moments.of(draw(rng, part)) for _ in range(2)]
        for bound in bounds:
            difference = difference_of(*map(mean_of, variants))
            rejected[number] |= abs(difference.value) > bound * difference.error
            variants = [moments + Moments.of(draw(rng, part)) for moments in variants]
    return float(rejected.mean())


class Moved(NamedTuple):
    """Units in their order on traffic that Thompson sampling moved in batches, with logged chances."""

    assigned: NDArray[np.intp]
    chances: Floats
    rewards: Floats


def bandit_traffic(rates: tuple[float, float], units: int, rng: np.random.Generator) -> Moved:
    """Let Thompson sampling with a floor of .05 assign two variants, renewed every 50 units."""
    wins, tries, parts = np.ones(2), np.full(2, 2.0), []
    for _ in range(units // UNITS_A_LOOK):
        draws = rng.beta(wins[:, None], (tries - wins)[:, None], (2, 200))
        share = (1 - 2 * FLOOR) * float((draws[1] > draws[0]).mean()) + FLOOR
        assigned = (rng.random(UNITS_A_LOOK) < share).astype(np.intp)
        rewards = (rng.random(UNITS_A_LOOK) < np.array(rates)[assigned]).astype(np.float64)
        wins += np.bincount(assigned, weights=rewards, minlength=2)
        tries += np.bincount(assigned, minlength=2)
        parts.append((assigned, np.where(assigned == 1, share, 1 - share), rewards))
    return Moved(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def bandit_run(rates: tuple[float, float], seed: int, *, units: int = LOOKS * UNITS_A_LOOK) -> tuple[bool, bool]:
    """Return whether the confidence sequence missed the true difference at any look, and a naive z-test at any."""
    moved = bandit_traffic(rates, units, np.random.default_rng([SEED, seed]))
    by_variant, true_effect = scores(*moved, variants=2), rates[1] - rates[0]
    looks = np.arange(2 * LEAST_UNITS, units + 1, UNITS_A_LOOK)
    differences = by_variant[:, 1] - by_variant[:, 0]
    is_assigned = moved.assigned[:, None] == np.arange(2)
    tries, wins = (values.cumsum(axis=0)[looks - 1] for values in (is_assigned, is_assigned * moved.rewards[:, None]))
    errors, means = _errors(differences, looks)
    missed = (np.abs(means - true_effect) > errors * _widenings(looks, units)) & (wins.min(axis=1) >= LEAST_EVENTS)
    shares = wins / np.maximum(tries, 1)
    naive_errors = np.sqrt((shares * (1 - shares) / np.maximum(tries - 1, 1)).sum(axis=1))
    naive = np.abs(shares[:, 1] - shares[:, 0] - true_effect) > Z95 * naive_errors
    return bool(missed.any()), bool(naive.any())


def _errors(values: Floats, looks: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Return the standard errors and the means of the first values, at each look."""
    sums, squares = values.cumsum()[looks - 1], (values * values).cumsum()[looks - 1]
    means: Floats = sums / looks
    return np.sqrt((squares - looks * means * means) / (looks - 1) / looks), means


class Fixed(NamedTuple):
    """Coverage of intervals of a fixed horizon by estimator, and the variance with CUPED relative to that without."""

    held: dict[str, float]
    variance_ratio: float


def fixed_coverage(runs: int, *, units: int = 2_000) -> Fixed:
    """Draw units whose true difference is known: means, a ratio of sums over units, and a covariate."""
    held: dict[str, list[bool]] = {"mean": [], "ratio": [], "CUPED": [], "lift of conversion": []}
    ratios = []
    for run in range(runs):
        rng = np.random.default_rng([SEED, run, units])
        past, luck = rng.normal(size=(2, 2, units))
        y = 0.7 * past + math.sqrt(1 - 0.49) * luck + np.array([[1.0], [1.2]])
        visits = rng.geometric(0.25, (2, units))
        orders = rng.binomial(visits, rng.beta(2, 6, (2, units)))
        plain = [mean_of(Moments.of(values)) for values in y]
        adjusted = adjusted_means([Moments.of(np.column_stack(pair)) for pair in zip(y, past, strict=True)])
        by_visit = [ratio_of(Moments.of(np.column_stack(pair))) for pair in zip(orders, visits, strict=True)]
        held["mean"].append(_holds(plain, 0.2))
        held["CUPED"].append(_holds(adjusted, 0.2))
        held["ratio"].append(_holds(by_visit, 0.0))
        held["lift of conversion"].append(_holds([mean_of(Moments.of(o > 0)) for o in orders], 0.0))
        ratios.append(sum(estimate.variance for estimate in adjusted) / sum(estimate.variance for estimate in plain))
    return Fixed({name: float(np.mean(values)) for name, values in held.items()}, float(np.mean(ratios)))


def _holds(variants: list[MetricEstimate], true_effect: float) -> bool:
    comparison = welch(*variants)
    return comparison.low <= true_effect <= comparison.high


SHOP_UNITS, SHOP_DAYS, WINDOW = 4_000, 28, 3.0


def shop_run(seed: int, *, lift: float = 0.2) -> bool:
    """Return whether an interval for purchases a customer missed the true lift at any daily look.

    Customers come back, buy late, and send back a tenth later still; the window is three days, and whatever is in by
    the look counts for customers whose window is over.
    """
    rng = np.random.default_rng([SEED, seed, SHOP_UNITS])
    exposed, variant = rng.uniform(0, SHOP_DAYS, SHOP_UNITS), np.arange(SHOP_UNITS) % 2
    visits = 1 + rng.poisson(1.5, SHOP_UNITS)
    unit = np.repeat(np.arange(SHOP_UNITS), visits)
    taste = rng.beta(2, 6, SHOP_UNITS)[unit] * np.where(variant[unit] == 1, 1 + lift, 1.0)
    bought = exposed[unit] + rng.exponential(2.0, len(unit)) + rng.exponential(0.5, len(unit))
    returned = np.where(rng.random(len(unit)) < 0.1, bought + rng.exponential(5.0, len(unit)), np.inf)
    bought = np.where(rng.random(len(unit)) < np.minimum(taste, 1.0), bought, np.inf)
    rho = precision_for(SHOP_UNITS)
    for day in range(1, SHOP_DAYS + 1):
        counted = (bought <= day).astype(np.float64) - (returned <= day) * (bought <= day)
        orders = np.bincount(unit, weights=counted, minlength=SHOP_UNITS)
        over = exposed + WINDOW <= day
        estimates = [mean_of(Moments.of(orders[over & (variant == each)])) for each in range(2)] if over.any() else []
        if not estimates or not all(is_ready(estimate) for estimate in estimates):
            continue
        difference = lift_of(*estimates)
        if abs(difference.value - lift) > margin(difference, rho):
            return True
    return False


def stopping_times(runs: int, *, base: float = 0.1, lift: float = 0.1, looks: int = 300) -> Floats:
    """Return when the sequential test found a true lift, in fixed samples with 80% power; infinite if never."""
    goal = binary_goal(base, lift)
    fixed = size_for(goal).fixed
    rng, half = np.random.default_rng(SEED), math.ceil(3 * fixed / looks / 2)
    rates = np.array([base, base * (1 + lift)])[:, None, None]
    sums, n = rng.binomial(half, rates, (2, runs, looks)).cumsum(axis=2), half * np.arange(1, looks + 1)
    p = sums / n
    errors = np.sqrt((p * (1 - p)).sum(axis=0) / (n - 1))
    significant = np.abs(p[1] - p[0]) > errors * _widenings(2 * n, fixed)
    times: Floats = np.where(significant.any(axis=1), 2 * n[significant.argmax(axis=1)] / fixed, np.inf)
    return times


def mismatches(runs: int, *, lost: float, units: int = 100_000, segments: int = 5, seed: int = SEED) -> float:
    """Return the share of runs that are ever stopped, looked at every 100 units.

    `lost` is the share of all exposures of the second variant that are lost; all of them in the last segment.
    """
    rng, looks, stopped = np.random.default_rng([seed, runs]), units // 100, 0
    chances = np.full((segments, 2), 0.5 / segments)
    chances[-1, 1] -= lost / 2
    chances = (chances / chances.sum()).ravel()
    for _ in range(runs):
        counts = rng.multinomial(100, chances, size=looks).cumsum(axis=0).reshape(looks, segments, 2)
        stopped += bool((mismatch_p_values(counts, (1.0, 1.0)) <= FALSE_STOPS).any())
    return stopped / runs


def figures(runs: int = 10_000) -> list[Figure]:
    """Return the figures of `make verify`."""
    most = 0.05 + 2 * math.sqrt(0.05 * 0.95 / runs)
    lines: list[Figure] = []
    for name, draw in METRICS.items():
        peeked = look_at_nothing(draw, runs)
        lines.append(
            (
                f"A/A, {name}: {runs:,} experiments looked at every 50 units to 5,000, ever rejected; z-test",
                f"at most {most:.2%}",
                f"{peeked.sequential.mean():.2%}; {peeked.z_test.mean():.1%}",
            )
        )
    lines += [
        _planned_looks(runs, most),
        *_bandit_figures(runs),
        *_shop_figures(2_000),
        *_fixed_figures(2_000),
        *_power_figures(),
        *_mismatch_figures(500),
    ]
    differences = ", ".join(f"{name} {value:.0e}" for name, value in largest_differences(1_000).items())
    return [*lines, ("largest relative difference from other libraries, 1,000 random inputs", "1e-9", differences)]


def _planned_looks(runs: int, most: float) -> Figure:
    rejected = ", ".join(f"{name} {five_looks(draw, runs):.2%}" for name, draw in METRICS.items())
    what = f"A/A, {runs:,} experiments of 5,000 units with five planned looks, ever rejected"
    return what, f"at most {most:.2%}", rejected


def _bandit_figures(runs: int) -> list[Figure]:
    most, lines = 0.05 + 2 * math.sqrt(0.05 * 0.95 / runs), []
    for name, rates in (("A/A", (0.1, 0.1)), ("10% and 13%", (0.1, 0.13))):
        missed = np.array([bandit_run(rates, seed) for seed in range(runs)]).mean(axis=0)
        what = f"bandit with floor .05, {name}: {runs:,} runs whose truth was outside at any look; naive z-test"
        lines.append((what, f"at most {most:.1%}", f"{missed[0]:.1%}; {missed[1]:.1%}"))
    return lines


def _shop_figures(runs: int) -> list[Figure]:
    held = 1 - float(np.mean([shop_run(seed) for seed in range(runs)]))
    what = f"sequential, customers who return, refunds, delays: {runs:,} runs whose lift was inside at every daily look"
    return [(what, "at least 95%", f"{held:.1%}")]


def _fixed_figures(runs: int) -> list[Figure]:
    fixed = fixed_coverage(runs)
    held = ", ".join(f"{name} {share:.1%}" for name, share in fixed.held.items())
    return [
        (f"fixed horizon: 95% intervals that hold the truth, {runs:,} runs", "93 to 97%", held),
        ("CUPED at a correlation of .7 shrinks the variance by", "45 to 53%", f"{1 - fixed.variance_ratio:.1%}"),
    ]


def _power_figures() -> list[Figure]:
    times = stopping_times(4_000)
    costs = f"{np.quantile(times, 0.8):.2f} x, calculator {sequential_inflation():.2f} x"
    return [
        ("sequential: median stopping time over the fixed sample", "at most 1.1 x", f"{np.median(times):.2f} x"),
        ("sequential: units for 80% power over the fixed sample", "1.6 to 1.7 x", costs),
        (
            "group-sequential with five looks: units over the fixed sample",
            "at most 1.1 x",
            f"{group_inflation(5):.3f} x",
        ),
    ]


def _mismatch_figures(runs: int) -> list[Figure]:
    detected, false = mismatches(runs, lost=0.02), mismatches(2 * runs, lost=0.0)
    return [
        (
            f"mismatch: 2% of a variant lost in a fifth of 100,000 units, found, {runs} runs",
            ">= 95%",
            f"{detected:.1%}",
        ),
        (f"mismatch: healthy experiments stopped, a look every 100 units, {2 * runs:,} runs", "<= 1%", f"{false:.1%}"),
    ]
