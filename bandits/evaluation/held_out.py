"""Compare two models of rates on trials that neither has learned from."""

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from bandits.experiments.normal import two_sided
from bandits.posterior.gaussian import Belief, Floats
from bandits.posterior.logistic_update import Observations, rate

LEAST_RATE = 1e-9
OFF = 0.05
"""Expected successes are off if noise alone explains a difference as large in fewer cases than this share."""


class Fidelity(NamedTuple):
    """How well predicted rates fit trials: the mean log loss of a trial in nats, and the sum of successes.

    `expected` and `successes` are sums over `trials`; `noise` is the variance of the successes if the rates are right.
    """

    trials: float
    log_loss: float
    expected: float
    successes: float
    noise: float

    @property
    def is_off(self) -> bool:
        """Return whether the expected sum differs from the successes by more than noise explains."""
        difference = abs(self.successes - self.expected)
        return bool(difference) and two_sided(difference / math.sqrt(max(self.noise, LEAST_RATE))) < OFF


def fidelity(beliefs: Mapping[str, Belief], observations: Mapping[str, Observations]) -> Fidelity:
    """Return how well the mean weights of beliefs fit observations, both by candidate id; at least one trial."""
    rates = np.concatenate([rate(batch.features @ beliefs[name].mean) for name, batch in observations.items()])
    trials, successes = (_joined(observations, field) for field in ("trials", "successes"))
    bounded = np.clip(rates, LEAST_RATE, 1 - LEAST_RATE)
    loss = -(successes @ np.log(bounded) + (trials - successes) @ np.log1p(-bounded))
    count = float(trials.sum())
    noise = trials @ (rates * (1 - rates))
    return Fidelity(count, float(loss) / count, float(trials @ rates), float(successes.sum()), float(noise))


def is_no_worse(new: Fidelity, old: Fidelity) -> bool:
    """Return whether a model may replace another: no higher log loss, and sums that are not off, or no further off."""
    is_as_near = abs(new.successes - new.expected) <= abs(old.successes - old.expected)
    return new.log_loss <= old.log_loss and (is_as_near or not new.is_off)


def _joined(observations: Mapping[str, Observations], field: str) -> Floats:
    return np.concatenate([getattr(batch, field) for batch in observations.values()])
