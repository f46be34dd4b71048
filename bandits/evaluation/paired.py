"""The difference between a new policy's earnings and the logged ones, decision by decision."""

import numpy as np
from numpy.typing import ArrayLike

from bandits.evaluation.clusters import Clusters
from bandits.evaluation.estimators import Estimate, effective_sample
from bandits.evaluation.intervals import Floats, unskewed_interval, with_imagined_on_both_sides


def paired_difference(
    weights: ArrayLike, logged: ArrayLike, earned: ArrayLike, *, clusters: Clusters | None = None
) -> Estimate:
    """Return the mean of `earned` (n,), which is already weighted, less that of `logged` (n,), with its 95 % interval.

    `weights` (n,) have the mean 1 whatever the rewards are, so the part of the difference that correlates with them is
    chance. It is removed by a control variate (Owen, 2013, "Monte Carlo theory, methods and examples", 8.9). The
    interval includes four imagined decisions, as in `intervals`. `clusters` are the customers. `refused` stays
    empty.
    """
    w, r, e = (np.asarray(values, np.float64) for values in (weights, logged, earned))
    slope = _slope(w - 1.0, e - r)
    terms = e - r - slope * (w - 1.0)
    value = float(terms.mean()) if len(terms) else np.nan
    more_w, more_r = with_imagined_on_both_sides(w, r, r)
    imagined = (more_r[-4:] - slope) * (more_w[-4:] - 1.0)
    more = None if clusters is None else clusters.with_slope(w - 1).with_single_rows(len(imagined))
    low, high = unskewed_interval(np.append(terms, imagined), more)
    return Estimate(
        value=value,
        low=min(low, value),
        high=max(high, value),
        effective_sample=effective_sample(w),
        largest_weight=float(w.max(initial=0.0)),
        mean_weight=float(w.mean()) if len(w) else np.nan,
        n=len(w),
    )


def _slope(x: Floats, y: Floats) -> float:
    deviations = x - x.mean() if len(x) else x
    squares = float(deviations @ deviations)
    return float(deviations @ y) / squares if squares > 0 else 0.0
