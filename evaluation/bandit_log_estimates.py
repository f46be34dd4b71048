"""Estimate the click rate of a Thompson sampling policy on a log of the Open Bandit Dataset, by five estimators. Pure.

The reward model is that of Saito, Aihara, Matsutani, Narita (arXiv 2008.07146): logistic regression of clicks on the
user's and the item's features, one for each position, cross-fitted in three folds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bandits.drawing.marginals import position_chances
from bandits.evaluation.estimators import Estimate, direct, doubly_robust, dros, ips, snips
from evaluation.bandit_log import POSITIONS, BadLog, LoggedRow
from evaluation.logistic_regression import Floats, fit_logistic, logistic

PENALTY = 1e-3
FOLDS = 3
_SEED = 12345


class Log(NamedTuple):
    """A log with n rows and K items.

    Indices of items and positions (from 0), clicks and propensities are (n,); features of users (n, U), of items (K,
    F).
    """

    item: NDArray[np.int64]
    position: NDArray[np.int64]
    clicked: Floats
    propensity: Floats
    users: Floats
    items: Floats

    def take(self, rows: NDArray[np.int64]) -> Log:
        return Log(
            self.item[rows],
            self.position[rows],
            self.clicked[rows],
            self.propensity[rows],
            self.users[rows],
            self.items,
        )


def log_of(rows: Sequence[LoggedRow], features: Mapping[str, tuple[str, ...]]) -> Log:
    """Convert rows and item features to a log. Raises BadLog if the log shows an item without features."""
    number = {item: index for index, item in enumerate(features)}
    strange = {row.item for row in rows} - features.keys()
    if strange:
        raise BadLog(f"--items: item {min(strange)} of the log is not in it")
    users = [_indicators(column) for column in zip(*(row.user for row in rows), strict=True)]
    return Log(
        np.array([number[row.item] for row in rows]),
        np.array([row.position - 1 for row in rows]),
        np.array([float(row.clicked) for row in rows]),
        np.array([row.propensity for row in rows]),
        np.hstack([np.zeros((len(rows), 0)), *users]),
        np.array([_numbers(column) for column in zip(*features.values(), strict=True)]).reshape(-1, len(features)).T,
    )


def chances_of(posteriors: Mapping[str, tuple[float, float]], items: Sequence[str]) -> Floats:
    """Return the exact chances (K, positions) of Thompson sampling with these Beta distributions. Raises BadLog."""
    missing = [item for item in items if item not in posteriors]
    if missing:
        raise BadLog(f"--posteriors: item {missing[0]} is not in it")
    try:
        alphas, betas = np.array([posteriors[item] for item in items]).T
        return position_chances(alphas, betas, POSITIONS)
    except ValueError as error:
        raise BadLog(f"--posteriors: {error}") from None


def estimates(log: Log, chances: Floats) -> dict[str, Estimate]:
    """Estimate the click rate of the policy with these chances (K, positions), by the name of the estimator."""
    weights = chances[log.item, log.position] / log.propensity
    logged, new = _expected(log, chances)
    return {
        "IPS": ips(weights, log.clicked),
        "SNIPS": snips(weights, log.clicked),
        "DM": direct(weights, new),
        "DR": doubly_robust(weights, log.clicked, expected_logged=logged, expected_new=new),
        "DRos": dros(weights, log.clicked, expected_logged=logged, expected_new=new),
        "DRos, shrinkage 10": dros(weights, log.clicked, expected_logged=logged, expected_new=new, shrinkage=10.0),
    }


def _expected(log: Log, chances: Floats) -> tuple[Floats, Floats]:
    """Return the cross-fitted click rates (n,) of the item shown, and of the policy at that position."""
    logged, new = np.zeros(len(log.item)), np.zeros(len(log.item))
    for fold in np.array_split(np.random.RandomState(_SEED).permutation(len(log.item)), FOLDS):
        training = np.ones(len(log.item), bool)
        training[fold] = False
        for position in range(POSITIONS):
            rows = fold[log.position[fold] == position]
            rates = _rates(log, training & (log.position == position), rows)
            logged[rows] = rates[np.arange(len(rows)), log.item[rows]]
            new[rows] = rates @ chances[:, position]
    return logged, new


def _rates(log: Log, training: NDArray[np.bool_], rows: NDArray[np.int64]) -> Floats:
    """Return the modelled click rates (len(rows), K) of every item, for the users of the rows."""
    training_features = np.column_stack([log.users[training], log.items[log.item[training]]])
    if not len(training_features):
        return np.full((len(rows), len(log.items)), log.clicked.mean())
    coefficients = fit_logistic(training_features, log.clicked[training], penalty=PENALTY)
    of_users, of_items, intercept = np.split(coefficients, [log.users.shape[1], len(coefficients) - 1])
    return logistic((log.users[rows] @ of_users)[:, None] + log.items @ of_items + intercept)


def _indicators(column: Sequence[str]) -> Floats:
    """Return a column of 0 and 1 for each value but the first."""
    values = sorted(set(column))[1:]
    return np.array([[float(entry == value) for value in values] for entry in column])


def _numbers(column: Sequence[str]) -> list[float]:
    """Return numbers as they are, other values as their index in alphabetical order."""
    try:
        return [float(entry) for entry in column]
    except ValueError:
        indices = {name: float(index) for index, name in enumerate(sorted(set(column)))}
        return [indices[entry] for entry in column]
