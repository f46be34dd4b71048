"""Check estimates of arms that a bandit tries rarely: their bias where they are not refused, and their intervals.

`python -m benchmarks.verify rare-arms`, some minutes. tests/bandits/test_bandit_adaptive_logs.py runs a small version.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bandits.evaluation.adaptive_logs import estimate_later
from bandits.evaluation.estimators import Estimate, snips

Figure = tuple[str, str, str]
Floats = NDArray[np.float64]
LOGS, FLOOR, BATCH, DRAWS = 400, 0.01, 100, 512
WORLDS = {
    "rates .30 to .10, 6,000 decisions": ((0.30, 0.28, 0.25, 0.20, 0.15, 0.10), 6_000),
    "rates .10 to .08, 10,000 decisions": ((0.10, 0.095, 0.09, 0.08), 10_000),
}
LEAST_ESTIMATES = 100


class BanditLog(NamedTuple):
    """Chances (n, K), arms and rewards (n,) in order of time."""

    chances: Floats
    arms: NDArray[np.intp]
    rewards: Floats

    def weights(self, arm: int) -> Floats:
        """Return the weights of always taking an arm."""
        return (self.arms == arm) / self.chances[:, arm]


def play(rates: tuple[float, ...], decisions: int, seed: int) -> BanditLog:
    """Return the log of Thompson sampling that learns in batches."""
    rng, count = np.random.default_rng([seed, 33]), len(rates)
    trials, won = np.zeros(count), np.zeros(count)
    parts: list[BanditLog] = []
    for _ in range(decisions // BATCH):
        draws = rng.beta(1 + won[:, None], 1 + (trials - won)[:, None], (count, DRAWS))
        chances = np.bincount(draws.argmax(axis=0), minlength=count) / DRAWS * (1 - FLOOR) + FLOOR / count
        arms = rng.choice(count, BATCH, p=chances)
        rewards = (rng.random(BATCH) < np.array(rates)[arms]).astype(np.float64)
        trials += np.bincount(arms, minlength=count)
        won += np.bincount(arms, weights=rewards, minlength=count)
        parts.append(BanditLog(np.tile(chances, (BATCH, 1)), arms, rewards))
    return BanditLog(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def by_whole(log: BanditLog, arm: int) -> Estimate:
    """Estimate from the whole log, refused by the whole log."""
    return snips(log.weights(arm), log.rewards)


def by_later(log: BanditLog, arm: int) -> Estimate:
    """Estimate from the later part, refused by the first."""
    weights = log.weights(arm)
    return estimate_later(weights, lambda rows: snips(weights[rows], log.rewards[rows]))


def describe(estimates: list[Estimate], rate: float) -> str:
    """Return the share that is estimated, the bias with its standard error, and the coverage."""
    kept = [each for each in estimates if not each.refused]
    share = f"{len(kept) / len(estimates):.0%}"
    if len(kept) < LEAST_ESTIMATES:
        return f"{share} estimated"
    values = np.array([each.value for each in kept]) / rate - 1
    covered = np.mean([each.low <= rate <= each.high for each in kept])
    error = values.std(ddof=1) / len(values) ** 0.5
    return f"{share} estimated, bias {values.mean():+.1%} \u00b1 {error:.1%}, covered {covered:.1%}"


def figures() -> list[Figure]:
    """Return the figures of `make verify`."""
    lines: list[Figure] = []
    for world, (rates, decisions) in WORLDS.items():
        logs = [play(rates, decisions, seed) for seed in range(100, 100 + LOGS)]
        for arm, rate in enumerate(rates):
            later, whole = ([method(log, arm) for log in logs] for method in (by_later, by_whole))
            name = f"{world}, the arm of {rate}"
            lines.append((f"{name}: first third decides", "<= 3%, 93 to 97%", describe(later, rate)))
            lines.append((f"{name}: the whole log decides", "", describe(whole, rate)))
    return lines
