"""Covariate imbalance at every look: in which groups, known before the assignment, units are split otherwise.

Each group has an e-value against its split, the sequential multinomial test of `mismatch`; a covariate that is a number
has that of the confidence sequence. E-BH (Wang and Ramdas, 2022, "False discovery rate control with e-values") keeps
the expected share of false ones below `share` whatever the groups have in common. If all groups hold, anything is ever
reported with at most this chance: a report makes the mean of the e-values exceed 1 / share (Ville's inequality).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bandits.experiments.comparison import difference_of
from bandits.experiments.moments import MetricEstimate
from bandits.experiments.sequential import log_e_value, precision_for

FALSE_SHARE = 0.05


def log_mean_difference(estimates: Sequence[MetricEstimate], *, planned_units: float) -> float:
    """Return the log of the e-value against equal means of a covariate in the control, the first, and the variants."""
    rho = precision_for(max(planned_units, 1.0))
    logs = [log_e_value(difference_of(estimates[0], each), rho) for each in estimates[1:]]
    return float(np.logaddexp.reduce(logs) - np.log(len(logs)))


def imbalances(log_e_values: ArrayLike, *, share: float = FALSE_SHARE) -> NDArray[np.bool_]:
    """Return which groups (n,) are out of balance, from the logs of their e-values."""
    logs = np.asarray(log_e_values, np.float64)
    order = np.argsort(-logs, kind="stable")
    limits = np.log(max(len(logs), 1) / (share * np.arange(1, len(logs) + 1)))
    beyond = np.flatnonzero(logs[order] >= limits)
    result = np.zeros(len(logs), np.bool_)
    result[order[: int(beyond[-1]) + 1 if len(beyond) else 0]] = True
    return result
