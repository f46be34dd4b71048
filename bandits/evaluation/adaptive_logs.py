"""Estimate from the log of a policy that learned: its first third decides whether the rest is estimated from.

A bandit tries an arm often only if it was lucky early. A test of the whole log for enough tries passes just those
logs, so the estimates that pass are too high. Given all that came before, a weighted reward has the true mean,
whatever the bandit does later. So where a refusal looks at the past alone and the estimate at later decisions alone,
those that are not refused are right on average.

The price is a third of the decisions, and wide intervals where the bandit gives an arm up later.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from bandits.evaluation.estimators import LEAST_EFFECTIVE_SAMPLE, Estimate, effective_sample, is_off_one
from bandits.evaluation.intervals import Floats

PARTS = 3
"""One part of so many decides."""

SAME = 1e-9
"""Weights closer to 1 than this differ from it by rounding only."""

Rows = NDArray[np.intp]
Estimator = Callable[[Rows], Estimate]


def estimate_later(weights: Floats, estimator: Estimator, *, differs_only: bool = False) -> Estimate:
    """Return the estimate from the later rows; `weights` (n, ...) are of all rows in order of time.

    Weights of several slots are judged by the worst. With `differs_only`, rows of weight 1 do not count: they say
    nothing of a difference.
    """
    start = len(weights) // PARTS
    estimate = estimator(np.arange(start, len(weights)))
    refused = refusal_beforehand(weights, differs_only=differs_only)
    if not refused and not np.isfinite(estimate.value):
        refused = "later decisions never did what this policy does"
    return replace(estimate, refused=refused)


def refusal_beforehand(weights: Floats, *, differs_only: bool = False) -> str:
    """Return why the first part of a log says that the rest will not tell enough; empty where it may."""
    by_slot = weights.reshape(len(weights), -1)
    if len(by_slot) // PARTS < 2:
        return "there are too few decisions"
    if differs_only and (by_slot == 1).all():
        return ""
    return next((reason for column in by_slot.T if (reason := _refusal(column, differs_only=differs_only))), "")


def _refusal(weights: Floats, *, differs_only: bool) -> str:
    start = len(weights) // PARTS
    parts = [weights[:start], weights[start // 2 : start]]
    shares = [len(weights) / len(part) for part in parts]
    if differs_only:
        parts = [part[np.abs(part - 1) > SAME] for part in parts]
    if len(parts[0]) > 1 and is_off_one(parts[0]):
        mean = parts[0].mean()
        return f"the mean weight of the first third is {mean:.3g}: the log holds too little of what this policy does"
    # What the bandit did lately is the best guess of what it will do.
    sample_size = min(effective_sample(part) * share for part, share in zip(parts, shares, strict=True))
    if sample_size >= LEAST_EFFECTIVE_SAMPLE:
        return ""
    return (
        f"by its first third, the log would tell as much as {sample_size:.0f} decisions, and at least "
        f"{LEAST_EFFECTIVE_SAMPLE:.0f} are needed"
    )
