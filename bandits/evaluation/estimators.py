"""What another policy would have earned, from a log with exact propensities: off-policy estimators with intervals.

Shapes: n decisions, L slots. A *weight* is the chance of what was logged under the new policy over its propensity.
An *expected* reward is a model's guess: under the logged action, or under a policy as a whole. Formulas and how to
read them stand in docs/evaluation.md. All raise ValueError where arrays do not fit together or hold no numbers.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from bandits.evaluation.intervals import Floats, widened_interval, with_imagined, with_imagined_on_both_sides

LEAST_EFFECTIVE_SAMPLE = 100.0
MOST_STANDARD_ERRORS = 3.0
SHRINKAGES = tuple(float(10**exponent) for exponent in np.arange(-1, 5.5, 0.5))
"""What `dros` chooses from, besides no shrinkage at all."""

_SAME = 1e-9
"""Weights closer to 1 than this are 1 but for rounding."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its 95 % interval, and what it rests on.

    `effective_sample` is Kish's, (sum w)^2 / sum w^2; for rankings the diagnostics are those of the worst slot.
    `refused` says in words why the value is not to be used; it is empty where it may be.
    """

    value: float
    low: float
    high: float
    effective_sample: float
    largest_weight: float
    mean_weight: float
    n: int
    refused: str = ""


def ips(weights: ArrayLike, rewards: ArrayLike) -> Estimate:
    """Inverse propensity scoring (Horvitz and Thompson, 1952): the mean of weight x reward; both (n,)."""
    w, r = _rows(weights, rewards)
    more_w, more_r = with_imagined(w, r)
    return _estimate(w * r, more_w * more_r, w)


def snips(weights: ArrayLike, rewards: ArrayLike) -> Estimate:
    """Self-normalised IPS (Swaminathan and Joachims, 2015): the weighted mean of the rewards; both (n,)."""
    w, r = _rows(weights, rewards)
    return _estimate(_ratio(w, r), _ratio(*with_imagined(w, r)), w)


def direct(weights: ArrayLike, expected_new: ArrayLike) -> Estimate:
    """The direct method: the mean of what a model expects under the new policy; both (n,).

    The weights only tell whether the log holds enough of what the new policy does. The interval knows nothing of
    the model's own error.
    """
    w, q = _rows(weights, expected_new)
    return _estimate(q, q, w)


def doubly_robust(
    weights: ArrayLike, rewards: ArrayLike, *, expected_logged: ArrayLike, expected_new: ArrayLike
) -> Estimate:
    """The direct method, corrected by IPS of the model's errors (Dudik, Langford and Li, 2011); all (n,)."""
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
    """Doubly robust with optimistic shrinkage (Su et al., 2020): weights become s * w / (w^2 + s); all (n,).

    0 is the direct method, infinity is doubly robust. Without `shrinkage` the one of `SHRINKAGES` (or infinity) is
    taken that has the least estimated squared bias plus variance.
    """
    w, r, q, q_new = _rows(weights, rewards, expected_logged, expected_new)
    if shrinkage is not None and not shrinkage >= 0:
        raise ValueError(f"shrinkage must not be negative: {shrinkage}")
    candidates = (*SHRINKAGES, np.inf) if shrinkage is None else (shrinkage,)
    best = min(candidates, key=lambda s: _risk(w, _shrunk(w, s), r - q, q_new)) if len(w) else np.inf
    return _corrected(w, _shrunk(w, best), r, q, q_new)


def item_position_ips(weights: ArrayLike, rewards: ArrayLike) -> Estimate:
    """The sum over slots of weight x reward, for rankings whose slots are clicked independently (Li et al., 2018).

    Both (n, L); a weight is the chance that the new policy shows this item in this slot over the logged one's.
    """
    w, r = _slots(weights, rewards)
    return _worst_slot((w * r).sum(axis=1), w)


def reward_interaction_ips(steps: ArrayLike, rewards: ArrayLike) -> Estimate:
    """As `item_position_ips`, but a slot may depend on all that stands above it (McInerney et al., 2020).

    Both (n, L); a step is the chance of this item in this slot *given those above it*, new over logged. The weight of
    a slot is the product of the steps down to it.
    """
    s, r = _slots(steps, rewards)
    w = np.multiply.accumulate(s, axis=1)
    return _worst_slot((w * r).sum(axis=1), w)


def effect(weights: ArrayLike, rewards: ArrayLike) -> Estimate:
    """The new policy's value less the logged one's, paired and self-normalised; both (n,).

    What both policies do with equal chance (weight 1) says nothing about the difference: only the other decisions
    are compared, scaled by their share, and the diagnostics are theirs. Where there are none the effect is 0.
    """
    w, r = _rows(weights, rewards)
    differs = np.abs(w - 1.0) > _SAME
    if len(w) and not differs.any():
        return _no_effect(len(w))
    touched, earned = w[differs], r[differs]
    more_w, more_r = with_imagined_on_both_sides(touched, earned, r)
    same = np.zeros(len(w) - len(touched))
    terms, imagined = _ratio(touched, earned) - earned, _ratio(more_w, more_r) - more_r
    return _estimate(np.append(terms, same), np.append(imagined, same), touched)


def effect_doubly_robust(
    weights: ArrayLike,
    rewards: ArrayLike,
    *,
    expected_logged: ArrayLike,
    expected_new: ArrayLike,
    expected_old: ArrayLike,
) -> Estimate:
    """The difference as in `effect`, with a model's help: narrower where the model is good, unbiased in any case.

    `expected_logged` under the logged action, `expected_new` and `expected_old` under the two policies; all (n,).
    """
    w, r, q, q_new, q_old = _rows(weights, rewards, expected_logged, expected_new, expected_old)
    differs = np.abs(w - 1.0) > _SAME
    if len(w) and not differs.any():
        return _no_effect(len(w))
    terms = q_new - q_old + (w - 1.0) * (r - q)
    more_w, more_r = with_imagined_on_both_sides(w[differs], r[differs], r)
    imagined = _mean(q_new - q_old) + (more_w[-4:] - 1.0) * (more_r[-4:] - _mean(q[differs]))
    return _estimate(terms, np.append(terms, imagined), w[differs])


def effective_sample(weights: Floats) -> float:
    """How many equally weighted decisions these weights (n,) are worth (Kish, 1965)."""
    whole, squares = float(weights.sum()), float(weights @ weights)
    return whole * whole / squares if squares > 0 else 0.0


def _rows(weights: ArrayLike, *others: ArrayLike) -> list[Floats]:
    arrays = [np.asarray(one, np.float64) for one in (weights, *others)]
    if arrays[0].ndim != 1:
        raise ValueError(f"weights must have one row for each decision, not the shape {arrays[0].shape}")
    return _fitting(arrays)


def _slots(weights: ArrayLike, rewards: ArrayLike) -> list[Floats]:
    arrays = [np.asarray(one, np.float64) for one in (weights, rewards)]
    if arrays[0].ndim != 2 or not arrays[0].shape[1]:
        raise ValueError(f"weights must have a row for each decision and a column for each slot: {arrays[0].shape}")
    return _fitting(arrays)


def _fitting(arrays: list[Floats]) -> list[Floats]:
    shapes = {array.shape for array in arrays}
    if len(shapes) > 1:
        raise ValueError(f"weights, rewards and expected rewards must have one shape, not {sorted(shapes)}")
    if not all(np.isfinite(array).all() for array in arrays):
        raise ValueError("weights, rewards and expected rewards must be numbers")
    if (arrays[0] < 0).any():
        raise ValueError("weights must not be negative")
    return arrays


def _mean(terms: Floats) -> float:
    return float(terms.mean()) if len(terms) else np.nan


def _ratio(w: Floats, r: Floats) -> Floats:
    """Terms whose mean is the weighted mean, and whose spread is that of its linearisation (the delta method)."""
    whole = float(w.sum())
    if whole <= 0:
        return np.full(len(w), np.nan)
    value = float(w @ r) / whole
    return value + w * (r - value) * (len(w) / whole)


def _corrected(w: Floats, used: Floats, r: Floats, q: Floats, q_new: Floats) -> Estimate:
    """The direct method plus the model's errors under the weights `used`."""
    terms = q_new + used * (r - q)
    more_w, more_r = with_imagined(used, r)
    imagined = _mean(q_new) + more_w[-2:] * (more_r[-2:] - _mean(q))
    return _estimate(terms, np.append(terms, imagined), w)


def _shrunk(w: Floats, shrinkage: float) -> Floats:
    return w if np.isinf(shrinkage) else shrinkage * w / (w * w + shrinkage + np.finfo(np.float64).tiny)


def _risk(w: Floats, shrunk: Floats, errors: Floats, q_new: Floats) -> float:
    """Estimated squared bias, which is that of the correction left out, plus variance."""
    left_out = (w - shrunk) * errors
    # The square of an estimate is too large by the estimate's variance.
    squared_bias = max(0.0, float(left_out.mean()) ** 2 - float(left_out.var()) / len(w))
    return squared_bias + float((q_new + shrunk * errors).var()) / len(w)


def _worst_slot(sums: Floats, weights: Floats) -> Estimate:
    _, imagined = with_imagined(np.ones(len(sums)), sums)
    by_slot = [_estimate(sums, imagined, column) for column in weights.T]
    worst = min(by_slot, key=lambda one: (not one.refused, one.effective_sample))
    return replace(worst, largest_weight=max(one.largest_weight for one in by_slot))


def _estimate(terms: Floats, imagined: Floats, weights: Floats) -> Estimate:
    """The mean of the terms; the same with `imagined` decisions only widens the interval."""
    low, high = widened_interval(terms, imagined)
    return Estimate(
        value=_mean(terms),
        low=low,
        high=high,
        effective_sample=effective_sample(weights),
        largest_weight=float(weights.max(initial=0.0)),
        mean_weight=_mean(weights),
        n=len(terms),
        refused=_refusal(weights),
    )


def _no_effect(n: int) -> Estimate:
    return Estimate(0.0, 0.0, 0.0, effective_sample=float(n), largest_weight=1.0, mean_weight=1.0, n=n)


def _refusal(weights: Floats) -> str:
    if len(weights) < 2:
        return "there are too few decisions"
    mean, error = float(weights.mean()), float(weights.std(ddof=1)) / float(np.sqrt(len(weights)))
    margin = MOST_STANDARD_ERRORS * error
    if abs(mean - 1.0) > margin + _SAME:
        why = "the log holds too little of what this policy does" if mean < 1 else "the propensities cannot be right"
        return f"the mean weight is {mean:.3g}, outside 1 ± {margin:.2g}: {why}"
    sample = effective_sample(weights)
    if sample < LEAST_EFFECTIVE_SAMPLE:
        return f"the effective sample is {sample:.0f}, and at least {LEAST_EFFECTIVE_SAMPLE:.0f} are needed"
    return ""
