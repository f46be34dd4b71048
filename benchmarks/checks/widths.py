"""The best width of a contextual policy's draws: `python -m benchmarks.checks.widths` prints a table.

Twenty worlds at a time, one decision after the other, each outcome learned at once with the same model as
`bandits.contextual`; what candidates share is read anew every 50 decisions.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from bandits.posterior.logistic_update import rate
from bandits.posterior.weight_posterior import SHARED_BIAS, SHARED_SPREAD, SPREAD

Floats = NDArray[np.float64]
WORLDS, ARMS, FEATURES, HORIZON, REFRESH = 20, 10, 10, 20_000, 50
WIDTHS = (1.0, 0.7, 0.6, 0.5, 0.4, 0.3)
RATES = (0.34, 0.22, 0.15, 0.10, 0.07, 0.05, 0.04, 0.03, 0.025, 0.02)
OFTEN = np.array([0.5, 0.4, 0.3, 0.3, 0.2, 0.2, 0.1, 0.1, 0.05, 0.05])
"""How often each yes-or-no feature is yes."""

Makes = Callable[[np.random.Generator], Floats]


def _weights(
    rng: np.random.Generator, *, own: float, common: float = 0.0, bias: float = 0.0, spread: float = 0.0
) -> Floats:
    """Weights (worlds, arms, 1 + features) of which `own` differs by arm and `common` does not."""
    weights = rng.normal(0, own, (WORLDS, ARMS, 1 + FEATURES)) + rng.normal(0, common, (WORLDS, 1, 1 + FEATURES))
    weights[:, :, 0] = bias + rng.normal(0, spread, (WORLDS, ARMS))
    return weights


def _few_matter(rng: np.random.Generator) -> Floats:
    weights = _weights(rng, own=1.0, bias=-1.0, spread=0.5)
    weights[:, :, 3:] = 0.0
    return weights


def _none_matters(rng: np.random.Generator) -> Floats:
    weights = np.zeros((WORLDS, ARMS, 1 + FEATURES))
    weights[:, :, 0] = np.log(np.array(RATES) / (1 - np.array(RATES)))
    return weights


KINDS: dict[str, tuple[Makes, bool]] = {
    "normal features, weights N(0, 0.5²)": (lambda rng: _weights(rng, own=0.5), False),
    "the same, rates around 12%": (lambda rng: _weights(rng, own=0.5, bias=-2.0, spread=0.5), False),
    "no feature matters, arms of 2% to 34%": (_none_matters, False),
    "2 of 10 features matter": (_few_matter, False),
    "effects that candidates share": (lambda rng: _weights(rng, own=0.3, common=0.7, bias=-2.0, spread=0.5), False),
    "yes-or-no features, some rare": (lambda rng: _weights(rng, own=0.7, common=0.5, bias=-2.0, spread=0.7), True),
}


class Learner:
    """Twenty learners at once: factors (worlds, arms, d, d), and the beliefs that follow from them."""

    def __init__(self, width: float, rng: np.random.Generator) -> None:
        d = 1 + FEATURES
        self._width, self._rng, self._every = width, rng, np.arange(WORLDS)
        self._precision, self._information = np.zeros((WORLDS, ARMS, d, d)), np.zeros((WORLDS, ARMS, d))
        self._shared = np.diag([SHARED_BIAS**-2, *[SHARED_SPREAD**-2] * FEATURES])
        self.believe()

    def believe(self) -> None:
        identity = np.eye(self._shared.shape[0])
        self._covariance = _inverse(self._precision + identity / SPREAD**2)
        own = _times(self._covariance, self._information)
        says = (identity / SPREAD**2 - self._covariance / SPREAD**4).sum(axis=1) + self._shared
        shared = _times(_inverse(says), own.sum(axis=1) / SPREAD**2)
        self._mean = _times(self._covariance, self._information + shared[:, None] / SPREAD**2)

    def choose(self, x: Floats) -> NDArray[np.int64]:
        middle = (self._mean * x[:, None]).sum(axis=-1)
        variance = (_times(self._covariance, x[:, None]) * x[:, None]).sum(axis=-1)
        scores = middle + self._width * np.sqrt(variance) * self._rng.standard_normal(middle.shape)
        return np.asarray(scores.argmax(axis=1), np.int64)

    def learn(self, x: Floats, arm: NDArray[np.int64], won: Floats) -> None:
        index = (self._every, arm)
        along = _times(self._covariance[index], x)
        variance, before = (x * along).sum(axis=-1), (x * self._mean[index]).sum(axis=-1)
        eta = before.copy()
        for _ in range(4):
            p = rate(eta)
            eta -= (eta - before - variance * (won - p)) / (1 + variance * p * (1 - p))
        p = rate(eta)
        bend = p * (1 - p)
        self._mean[index] += along * (won - p)[:, None]
        shrink = (bend / (1 + bend * variance))[:, None, None]
        self._covariance[index] -= shrink * along[:, :, None] * along[:, None]
        self._precision[index] += bend[:, None, None] * x[:, :, None] * x[:, None]
        self._information[index] += (bend * eta + won - p)[:, None] * x


def _inverse(matrices: Floats) -> Floats:
    return np.linalg.inv(matrices).astype(np.float64)


def _times(matrices: Floats, vectors: Floats) -> Floats:
    product: Floats = np.matmul(matrices, vectors[..., None])[..., 0]
    return product


def regrets(kind: str, width: float) -> Floats:
    """The regret in each world, (worlds,)."""
    make, yes_or_no = KINDS[kind]
    weights, rng = make(np.random.default_rng(0)), np.random.default_rng(5)
    learner, total = Learner(width, np.random.default_rng(2)), np.zeros(WORLDS)
    every = np.arange(WORLDS)
    for number in range(HORIZON):
        seen = rng.random((WORLDS, FEATURES)) < OFTEN if yes_or_no else rng.standard_normal((WORLDS, FEATURES))
        x: Floats = np.column_stack([np.ones(WORLDS), seen]).astype(np.float64)
        rates = rate(_times(weights, x))
        arm = learner.choose(x)
        learner.learn(x, arm, (rng.random(WORLDS) < rates[every, arm]).astype(float))
        total += rates.max(axis=1) - rates[every, arm]
        if number % REFRESH == REFRESH - 1:
            learner.believe()
    return total


def main() -> None:
    table = Table("world", *(f"width {width:g}" for width in WIDTHS), title="regret, mean of 20 worlds (the worst)")
    for kind in KINDS:
        results = [regrets(kind, width) for width in WIDTHS]
        table.add_row(kind, *(f"{identity.mean():.0f} ({identity.max():.0f})" for identity in results))
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
