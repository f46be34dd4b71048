"""Divide the floor: a small chance for good, as much as noticing an improvement takes, spent on who may have improved.

A fixed number of probes a day for each candidate is enough whatever the traffic is, so the share of the traffic that
they take falls as it grows. Two thirds of them are spread evenly. The others go to those of whom the last weeks suggest
a change, by how much likelier a fresh start makes what came of them (a Bayes factor), and how likely they are then the
best.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bandits.drawing.draws import noise
from bandits.posterior.beta import log_gamma

Floats = NDArray[np.float64]

VISITS_A_CANDIDATE = 150.0
"""The visits a day for each candidate at which the floor is the setting; it is in inverse proportion to them."""

LEAST, MOST = 0.2, 6.0
"""The floor lies between these multiples of the setting. The least keeps weights of estimates from the log bounded."""

EVENLY = 0.65
"""The share of the floor that is spread evenly."""

FRESH = 4.0
"""Trials that the mean of all candidates weighs as much as, for one that starts afresh."""

RECENT_HALF_LIFE_DAYS = 30.0
"""How fast recent trials fade."""

_SHARPNESS = 2.0
"""The power that concentrates probes on the most suspected; the others still have the even part."""

_STREAM, _DRAWS, _MOST_LOG_FACTOR = 2, 512, 50.0


class Probes(NamedTuple):
    """The floor as a multiple of the setting, and how it is divided: `shares` (K,), whose sum is 1, none 0."""

    multiple: float
    shares: Floats


class Recent(NamedTuple):
    """Trials and successes (K,) of the last weeks, faded."""

    trials: Floats
    successes: Floats


def floor_multiple(candidates: int, visits_a_day: float) -> float:
    """Return the floor as a multiple of the setting."""
    return float(np.clip(VISITS_A_CANDIDATE * candidates / max(visits_a_day, 1.0), LEAST, MOST))


def make_probes(ids: Sequence[str], rates: ArrayLike, recent: Recent, *, visits_a_day: float) -> Probes:
    """Return how the floor is divided among K candidates; `rates` (K,) are the means of all that counts.

    The noise of a candidate depends on its own id only, so that nothing changes without new evidence.
    """
    means = np.clip(np.asarray(rates, np.float64), 1e-6, 1 - 1e-6)
    won = np.minimum(recent.successes, recent.trials)
    usual, best = float(means.mean()), int(means.argmax())
    a, b = FRESH * usual + won, FRESH * (1 - usual) + recent.trials - won
    promise = np.array([
        float((noise(0, candidate, _STREAM).beta(a[row], b[row], _DRAWS) > means[best]).mean())
        for row, candidate in enumerate(ids)
    ])  # fmt: skip
    before = log_gamma(FRESH) - log_gamma(FRESH * usual) - log_gamma(FRESH * (1 - usual))
    fresh = before + log_gamma(a) + log_gamma(b) - log_gamma(a + b)
    unchanged = won * np.log(means) + (recent.trials - won) * np.log1p(-means)
    suspected = np.exp(np.minimum(fresh - unchanged, _MOST_LOG_FACTOR)) * (promise + 1 / _DRAWS)
    suspected **= _SHARPNESS
    # The first needs no probes.
    suspected[best] = 0.0
    total, even = float(suspected.sum()), np.full(len(ids), 1 / len(ids))
    shares: Floats = EVENLY * even + (1 - EVENLY) * (suspected / total if total > 0 else even)
    return Probes(floor_multiple(len(ids), visits_a_day), shares)
