"""Bounds for a fixed number of looks: the error of 5% is spent little by little (Lan and DeMets, 1983).

O'Brien and Fleming's way spends nearly all of it at the end, so the last look costs little more than a test without
looks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from bandits.experiments.brownian import Paths
from bandits.experiments.normal import normal_distribution, normal_quantile

_FARTHEST = 8.0
_BISECTIONS = 45


def spent(fraction: float, *, share: float = 0.05) -> float:
    """Return the part of `share` that may be spent by a fraction, 0 to 1, of the planned information."""
    if fraction >= 1:
        return share
    return 4 * (1 - normal_distribution(normal_quantile(1 - share / 4) / math.sqrt(fraction))) if fraction > 0 else 0.0


def bounds(fractions: Sequence[float], *, share: float = 0.05) -> list[float]:
    """Return by look the |z| at which to stop; `fractions` of the planned information grow, the last at most 1."""
    crossings, paths, used = [], Paths.begin(), 0.0
    for fraction in fractions:
        target = spent(fraction, share=share) - used
        crossings.append(_bound(paths, fraction, target))
        paths, used = paths.until(fraction, crossings[-1] * math.sqrt(fraction)), used + target
    return crossings


def _bound(paths: Paths, fraction: float, target: float) -> float:
    """Return the z that is crossed with chance `target` at this look, and not before."""
    low, high = 0.0, _FARTHEST
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        is_low = sum(paths.crossing(fraction, middle * math.sqrt(fraction))) > target
        low, high = (middle, high) if is_low else (low, middle)
    return (low + high) / 2
