"""Compare the statistics of experiments with scipy, statsmodels and tea-tasting on random inputs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from bandits.experiments.comparison import holm, two_proportions, welch
from bandits.experiments.moments import Moments, mean_of, ratio_of

Floats = NDArray[np.float64]
SEED = 100


def largest_differences(runs: int) -> dict[str, float]:
    """Return by method the largest relative difference over the runs."""
    largest: dict[str, float] = {}
    for run in range(runs):
        for name, ours, theirs in _pairs(np.random.default_rng([SEED, run])):
            ours, theirs = np.asarray(ours, np.float64), np.asarray(theirs, np.float64)
            difference = float((np.abs(ours - theirs) / np.maximum(np.abs(theirs), 1e-12)).max())
            largest[name] = max(largest.get(name, 0.0), difference)
    return largest


def _pairs(rng: np.random.Generator) -> Iterator[tuple[str, object, object]]:
    n, m = (int(count) for count in rng.integers(20, 300, 2))
    units = [np.column_stack(_unit_columns(rng, count)) for count in (n, m)]
    yield from _sums(units)
    yield from _shares(rng, n, m)


def _unit_columns(rng: np.random.Generator, count: int) -> tuple[Floats, Floats]:
    """Return what units buy, and their visits."""
    visits = rng.geometric(0.3, count).astype(np.float64)
    return rng.lognormal(0.0, rng.uniform(0.2, 1.0), count) * visits, visits


def _sums(units: list[Floats]) -> Iterator[tuple[str, object, object]]:
    from scipy.stats import ttest_ind

    theirs = ttest_ind(units[1][:, 0], units[0][:, 0], equal_var=False)
    interval, results = theirs.confidence_interval(), _tea_tasting(units)
    ours = welch(*(mean_of(Moments.of(rows)) for rows in units))
    yield "Welch, scipy", (ours.low, ours.high, ours.p_value), (interval.low, interval.high, theirs.pvalue)
    yield "Welch, tea-tasting", (ours.value, ours.low, ours.high, ours.p_value), results["mean"]
    ratio = welch(*(ratio_of(Moments.of(rows)) for rows in units))
    yield "ratio metric, tea-tasting", (ratio.value, ratio.low, ratio.high, ratio.p_value), results["ratio"]


def _tea_tasting(units: list[Floats]) -> dict[str, tuple[float, ...]]:
    """Return (difference, low, high, p-value) by metric."""
    import pandas as pd
    import tea_tasting as tt

    rows = np.concatenate(units)
    variants = np.repeat([0, 1], [len(part) for part in units])
    frame = pd.DataFrame({"variant": variants, "spent": rows[:, 0], "visits": rows[:, 1]})
    experiment = tt.Experiment(mean=tt.Mean("spent"), ratio=tt.RatioOfMeans("spent", "visits"))
    fields = ("effect_size", "effect_size_ci_lower", "effect_size_ci_upper", "pvalue")
    results = experiment.analyze(frame, control=0)
    return {name: tuple(getattr(results[name], field) for field in fields) for name in ("mean", "ratio")}


def _shares(rng: np.random.Generator, n: int, m: int) -> Iterator[tuple[str, object, object]]:
    from statsmodels.stats.multitest import multipletests
    from statsmodels.stats.proportion import confint_proportions_2indep, proportions_ztest

    first, second = (int(rng.integers(1, count)) for count in (n, m))
    ours = two_proportions((first, second), (n, m))
    interval = confint_proportions_2indep(second, m, first, n, method="wald")
    expected = (*interval, proportions_ztest([first, second], [n, m])[1])
    yield "two proportions, statsmodels", (ours.low, ours.high, ours.p_value), expected
    p_values = rng.random(int(rng.integers(1, 12))) ** 2
    yield "Holm, statsmodels", holm(p_values.tolist()), multipletests(p_values, method="holm")[1]
