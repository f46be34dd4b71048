"""Off-policy estimators: the value of another policy from a log with exact propensities, with intervals.

Shapes: n decisions, L slots. A *weight* is the chance of the logged action under the new policy over its propensity.
An *expected* reward is a model's prediction, for the logged action or for a policy. `clusters` (n,) label customers,
whose decisions depend on each other. The formulas are in docs/evaluation.md. All raise ValueError if the shapes of
arrays do not fit, or values are not finite numbers.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from bandits.evaluation.clusters import Clusters
from bandits.evaluation.intervals import (
    Floats,
    standard_error,
    widened_interval,
    with_imagined,
    with_imagined_on_both_sides,
)

LEAST_EFFECTIVE_SAMPLE = 100.0
MOST_STANDARD_ERRORS = 3.0
SHRINKAGES = tuple(float(10**exponent) for exponent in np.arange(-1, 5.5, 0.5))
"""The shrinkages that `dros` chooses from, besides infinity."""

_SAME = 1e-9
"""Weights closer to 1 than this differ from it by rounding only."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its 95 % interval (NaN where the method has none), and diagnostics of the weights.

    `effective_sample` is Kish's, (sum w)^2 / sum w^2; for rankings the diagnostics are those of the worst slot.
    `refused` is the reason why the value must not be used, or empty.
    """

    value: float
    low: float
    high: float
    effective_sample: float
    largest_weight: float
    mean_weight: float
    n: int
    refused: str = ""


def ips(weights: ArrayLike, rewards: ArrayLike, *, clusters: ArrayLike | None = None) -> Estimate:
    """Return the mean of weight x reward, inverse propensity scoring (Horvitz and Thompson, 1952); both (n,)."""
    w, r = _rows(weights, rewards)
    more_w, more_r = with_imagined(w, r)
    return _estimate(w * r, more_w * more_r, w, _clusters(clusters, w))


def snips(weights: ArrayLike, rewards: ArrayLike, *, clusters: ArrayLike | None = None) -> Estimate:
    """Return the weighted mean of the rewards, self-normalised IPS (Swaminathan and Joachims, 2015); both (n,)."""
    w, r = _rows(weights, rewards)
    return _estimate(_ratio(w, r), _ratio(*with_imagined(w, r)), w, _clusters(clusters, w))


def direct(weights: ArrayLike, expected_new: ArrayLike) -> Estimate:
    """Return the mean reward that a model expects under the new policy (the direct method); both (n,).

    The weights only show whether the log holds enough of what the new policy does. There is no interval (NaN), because
    the error of the model is unknown.
    """
    w, q = _rows(weights, expected_new)
    return _without_interval(_estimate(q, q, w))


def doubly_robust(
    weights: ArrayLike, rewards: ArrayLike, *, expected_logged: ArrayLike, expected_new: ArrayLike
) -> Estimate:
    """Correct the direct method by IPS of the model's errors (Dudik, Langford and Li, 2011); all (n,)."""
    w, r, q, q_new = _rows(weights, rewards, expected_logged, expected_new)
    return _corrected(w, w, r, q, q_new)


def dros(
    weights: ArrayLike,
    rewards: ArrayLike,
    *,
    expected_logged: ArrayLike,
    expected_new: ArrayLike,
    shrinkage: float | None = None,
) -> Estimate:
    """Estimate doubly robustly with weights shrunk to s * w / (w^2 + s) (Su et al., 2020); all (n,).

    The shrinkage s = 0 is the direct method, infinity is doubly robust. By default it is the one of `SHRINKAGES` and
    infinity with the least estimated squared bias plus variance. There is no interval (NaN): shrinkage trades its
    coverage for a smaller error.
    """
    w, r, q, q_new = _rows(weights, rewards, expected_logged, expected_new)
    if shrinkage is not None and not shrinkage >= 0:
        raise ValueError(f"shrinkage must not be negative: {shrinkage}")
    candidates = (*SHRINKAGES, np.inf) if shrinkage is None else (shrinkage,)
    best = min(candidates, key=lambda s: _risk(w, _shrunk(w, s), r - q, q_new)) if len(w) else np.inf
    return _without_interval(_corrected(w, _shrunk(w, best), r, q, q_new))


def reward_interaction_ips(steps: ArrayLike, rewards: ArrayLike, *, clusters: ArrayLike | None = None) -> Estimate:
    """Return the mean over decisions of the sum over slots of weight x reward (McInerney et al., 2020); both (n, L).

    A step is the chance of this item in this slot *given those above it*, new over logged. The weight of a slot is the
    product of the steps down to it, so the reward of a slot may depend on all slots above it.
    """
    s, r = _slots(steps, rewards)
    w = np.multiply.accumulate(s, axis=1)
    return _worst_slot((w * r).sum(axis=1), w, clusters)


def effect(weights: ArrayLike, rewards: ArrayLike, *, clusters: ArrayLike | None = None) -> Estimate:
    """Return the new policy's value less the logged one's, paired and self-normalised; both (n,).

    Decisions with weight 1 carry no information about the difference. So only the others are compared, scaled by their
    share, and the diagnostics are theirs. Without others the effect is 0.
    """
    w, r = _rows(weights, rewards)
    differs = np.abs(w - 1.0) > _SAME
    if len(w) and not differs.any():
        return _no_effect(len(w))
    touched, earned, groups = w[differs], r[differs], _clusters(clusters, w)
    more_w, more_r = with_imagined_on_both_sides(touched, earned, r)
    same = np.zeros(len(w) - len(touched))
    terms, imagined = _ratio(touched, earned) - earned, _ratio(more_w, more_r) - more_r
    if groups is not None:
        groups = groups.rows(np.argsort(differs, kind="stable"))
    return _estimate(np.append(same, terms), np.append(same, imagined), touched, groups)


def is_off_one(
    weights: ArrayLike, *, clusters: Clusters | None = None, standard_errors: float = MOST_STANDARD_ERRORS
) -> bool:
    """Return whether the mean of weights (n,) is further from 1 than chance explains."""
    w = np.asarray(weights, np.float64)
    return bool(abs(float(w.mean()) - 1.0) > standard_errors * standard_error(w, clusters) + _SAME)


def effective_sample(weights: Floats) -> float:
    """Return the number of equally weighted decisions with the same variance as these weights (n,) (Kish, 1965)."""
    total, squares = float(weights.sum()), float(weights @ weights)
    return total * total / squares if squares > 0 else 0.0


def _rows(weights: ArrayLike, *others: ArrayLike) -> list[Floats]:
    arrays = [np.asarray(values, np.float64) for values in (weights, *others)]
    if arrays[0].ndim != 1:
        raise ValueError(f"weights must have one row for each decision, not the shape {arrays[0].shape}")
    return _checked(arrays)


def _slots(weights: ArrayLike, rewards: ArrayLike) -> list[Floats]:
    arrays = [np.asarray(values, np.float64) for values in (weights, rewards)]
    if arrays[0].ndim != 2 or not arrays[0].shape[1]:
        raise ValueError(f"weights must have a row for each decision and a column for each slot: {arrays[0].shape}")
    return _checked(arrays)


def _checked(arrays: list[Floats]) -> list[Floats]:
    shapes = {array.shape for array in arrays}
    if len(shapes) > 1:
        raise ValueError(f"weights, rewards and expected rewards must have one shape, not {sorted(shapes)}")
    if not all(np.isfinite(array).all() for array in arrays):
        raise ValueError("weights, rewards and expected rewards must be numbers")
    if (arrays[0] < 0).any():
        raise ValueError("weights must not be negative")
    return arrays


def _clusters(labels: ArrayLike | None, weights: Floats) -> Clusters | None:
    return None if labels is None else Clusters.of(labels, weights)


def _mean(terms: Floats) -> float:
    return float(terms.mean()) if len(terms) else np.nan


def _ratio(w: Floats, r: Floats) -> Floats:
    """Return terms whose mean is the weighted mean, and whose variance is that of its linearisation (delta method)."""
    total = float(w.sum())
    if total <= 0:
        return np.full(len(w), np.nan)
    value = float(w @ r) / total
    return value + w * (r - value) * (len(w) / total)


def _corrected(w: Floats, used: Floats, r: Floats, q: Floats, q_new: Floats) -> Estimate:
    """Add the model's errors under the weights `used` to the direct method."""
    terms = q_new + used * (r - q)
    more_w, more_r = with_imagined(used, r)
    imagined = _mean(q_new) + more_w[-2:] * (more_r[-2:] - _mean(q))
    return _estimate(terms, np.append(terms, imagined), w)


def _shrunk(w: Floats, shrinkage: float) -> Floats:
    return w if np.isinf(shrinkage) else shrinkage * w / (w * w + shrinkage + np.finfo(np.float64).tiny)


def _risk(w: Floats, shrunk: Floats, errors: Floats, q_new: Floats) -> float:
    """Return the estimated squared bias, from the part of the correction that shrinkage drops, plus the variance."""
    left_out = (w - shrunk) * errors
    # The square of an estimate is too large by the estimate's variance, on average.
    squared_bias = max(0.0, float(left_out.mean()) ** 2 - float(left_out.var()) / len(w))
    return squared_bias + float((q_new + shrunk * errors).var()) / len(w)


def _worst_slot(sums: Floats, weights: Floats, labels: ArrayLike | None) -> Estimate:
    _, imagined = with_imagined(np.ones(len(sums)), sums)
    by_slot = [_estimate(sums, imagined, column, _clusters(labels, column)) for column in weights.T]
    worst = min(by_slot, key=lambda slot: (not slot.refused, slot.effective_sample))
    return replace(worst, largest_weight=max(slot.largest_weight for slot in by_slot))


def _estimate(terms: Floats, imagined: Floats, weights: Floats, clusters: Clusters | None = None) -> Estimate:
    """Return the mean of the terms; `imagined`, the terms with imagined decisions, only widens the interval.

    The weights are those of the last terms.
    """
    low, high = widened_interval(terms, imagined, clusters)
    weighted = None if clusters is None else clusters.rows(np.arange(len(terms) - len(weights), len(terms)))
    return Estimate(
        value=_mean(terms),
        low=low,
        high=high,
        effective_sample=effective_sample(weights),
        largest_weight=float(weights.max(initial=0.0)),
        mean_weight=_mean(weights),
        n=len(terms),
        refused=_refusal(weights, weighted),
    )


def _without_interval(estimate: Estimate) -> Estimate:
    return replace(estimate, low=np.nan, high=np.nan)


def _no_effect(n: int) -> Estimate:
    return Estimate(0.0, 0.0, 0.0, effective_sample=float(n), largest_weight=1.0, mean_weight=1.0, n=n)


def _refusal(weights: Floats, clusters: Clusters | None) -> str:
    if len(weights) < 2:
        return "there are too few decisions"
    if is_off_one(weights, clusters=clusters, standard_errors=MOST_STANDARD_ERRORS):
        mean, margin = float(weights.mean()), MOST_STANDARD_ERRORS * standard_error(weights, clusters)
        reason = "the log holds too little of what this policy does" if mean < 1 else "the propensities cannot be right"
        return f"the mean weight is {mean:.3g}, outside 1 ± {margin:.2g}: {reason}"
    sample = effective_sample(weights)
    if sample < LEAST_EFFECTIVE_SAMPLE:
        return f"the effective sample is {sample:.0f}, and at least {LEAST_EFFECTIVE_SAMPLE:.0f} are needed"
    return clusters.refusal() if clusters is not None else ""
