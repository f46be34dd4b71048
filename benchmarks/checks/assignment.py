"""Check how units are assigned to variants: a million of them, each by its name.

`python -m benchmarks.verify assignment`, a minute. tests/engine/test_engine_assignment.py runs small versions.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.stats import chi2, chi2_contingency

from engine.kernel.experiments.assignment import WeightedSplit

Figure = tuple[str, str, str]
UNITS = 1_000_000
LEAST = 0.001
"""The p-value below which a split would not fit its weights."""


def variants(salt: str, weights: Mapping[str, float]) -> np.ndarray:
    """Return the index of the variant of each of `UNITS` units, (UNITS,) int8."""
    split = WeightedSplit(salt, list(weights), list(weights.values()))
    return np.fromiter((split(f"customer-{number}") for number in range(UNITS)), np.int8, UNITS)


def fit(assigned: np.ndarray, weights: Mapping[str, float]) -> float:
    """Return the p-value of a chi-squared test of the counts against the weights."""
    shares = np.array(list(weights.values())) / sum(weights.values())
    counts = np.bincount(assigned, minlength=len(weights))
    statistic = ((counts - UNITS * shares) ** 2 / (UNITS * shares)).sum()
    return float(chi2.sf(statistic, len(weights) - 1))


def figures() -> list[Figure]:
    """Return the rows of the table."""
    splits = {"50/50": {"a": 50, "b": 50}, "70/30": {"a": 70, "b": 30}, "ten": {f"v{n}": n for n in range(1, 11)}}
    fits = {name: fit(variants(f"split {name}", weights), weights) for name, weights in splits.items()}
    even, changed = (variants("paypal-first", weights) for weights in (splits["50/50"], {"a": 60, "b": 40}))
    other = variants("klarna-last", splits["50/50"])
    moved = float(np.mean(even != changed))
    wrong = int(np.sum((even != changed) & (even == 0)))
    together = np.histogram2d(even, other, bins=2)[0]
    independent = float(chi2_contingency(together, correction=False).pvalue)
    return [
        (
            "1,000,000 units in the shares of the weights: p-values of chi-squared",
            f"at least {LEAST}",
            ", ".join(f"{name} {value:.3f}" for name, value in fits.items()),
        ),
        ("50/50 to 60/40: units that move", "10% ± .1", f"{100 * moved:.2f}%"),
        ("the same: units that move out of the variant that gains", "0", str(wrong)),
        ("two experiments are independent: p-value of chi-squared", f"at least {LEAST}", f"{independent:.3f}"),
    ]
