"""Guardrails that may be looked at all the time: whether a variant loses more than is tolerated."""

from __future__ import annotations

import math

from bandits.experiments.moments import MetricEstimate
from bandits.experiments.sequential import margin

FALSE_STOPS = 0.05


def is_broken(difference: MetricEstimate, *, tolerated: float, rho: float, share: float = FALSE_STOPS) -> bool:
    """Return whether the metric certainly fell by more than `tolerated` >= 0; a metric that should fall has its sign
    turned before. At most `share` of the variants that lose no more ever say so."""
    # The bound is on one side, so it may fail twice as often as either side of an interval.
    width = margin(difference, rho, share=min(1.0, 2 * share))
    return math.isfinite(width) and difference.value + width < -tolerated
