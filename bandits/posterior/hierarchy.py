"""The hierarchy: a level's posterior mean is the prior of the level below, with a strength fitted to the siblings."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bandits.posterior.beliefs import FLAT, Evidence, Prior, mean
from bandits.posterior.beta import log_gamma

CAP = 100.0
"""The greatest strength of a prior from the level above, in trials."""

LEAST = 2.0
"""The least strength: that of the flat prior."""

FEWEST_PEERS = 3
"""With fewer peers, the prior would reveal the numbers of one of them."""

DOUBT = 0.25
"""The penalty on each halving of the priors' strength in `temper`, as a log-likelihood."""

_EDGE = 1e-6
_SHARES = np.array([*(0.5**power for power in range(7)), 0.0])[:, None]

Floats = NDArray[np.float64]


class Siblings(NamedTuple):
    """The mean of a parent, 0 to 1, and the trials and successes of its children, (C,) each."""

    mean: float
    trials: ArrayLike
    successes: ArrayLike


def fit_strength(groups: Sequence[Siblings], *, cap: float = CAP) -> float:
    """Return the strength k, LEAST to `cap`, under which the children are likeliest.

    Beta-binomial maximum likelihood: each rate is Beta(k * mean, k * (1 - mean)), with one k over all groups. Returns
    LEAST if no child was tried.
    """
    tried = [group for group in map(_tried, groups) if len(group[1])]
    if not tried:
        return LEAST
    means, trials, successes = (np.concatenate(column) for column in zip(*tried, strict=True))
    return _best_strength(lambda strength: _likelihood(strength, means, trials, successes), cap)


def fit_prior(children: Sequence[Evidence], *, cap: float = CAP) -> Prior:
    """Return the prior of one more child: the mean and strength under which the tried children are likeliest.

    Under each strength k a child of n trials weighs n / (n + k) in the mean (Kleinman, 1973). Returns FLAT if fewer
    than FEWEST_PEERS were tried.
    """
    tried = [child for child in children if child.trials > 0]
    if len(tried) < FEWEST_PEERS:
        return FLAT
    trials = np.array([child.trials for child in tried], np.float64)
    successes = np.array([child.successes for child in tried], np.float64)

    def likelihood(strength: float) -> Floats:
        return _likelihood(strength, np.array(_pooled_mean(strength, trials, successes)), trials, successes)

    strength = _best_strength(likelihood, cap)
    return Prior(_pooled_mean(strength, trials, successes), strength)


def prior_from(parent: Evidence, parent_prior: Prior, strength: float) -> Prior:
    """Return the prior of a child: its parent's posterior mean, `strength` trials strong."""
    return Prior(mean(parent, parent_prior), strength)


def temper(priors: Sequence[Prior], evidence: Sequence[Evidence]) -> list[Prior]:
    """Return the priors of arms, weakened as far as the evidence for the arms contradicts them.

    Takes the share of the priors (1, 1/2, 1/4, ... 0) under which the evidence is likeliest, where each step has to
    gain DOUBT; the rest is the arms' common prior. This is an adaptive power prior (Ibrahim and Chen, 2000; Gravestock
    and Held, 2017).
    """
    if not priors:
        return []
    means, strengths = np.array([(prior.mean, prior.strength) for prior in priors]).T
    trials, successes = np.array([(arm.trials, arm.successes) for arm in evidence], np.float64).T
    common = _common_prior(means)
    mixed = _SHARES * strengths + (1 - _SHARES) * common.strength
    mixed_means = (_SHARES * strengths * means + (1 - _SHARES) * common.strength * common.mean) / mixed
    gains = _likelihood(mixed, mixed_means, trials, successes) - DOUBT * np.arange(len(_SHARES))
    best = int(gains.argmax())
    if not best:
        return list(priors)
    return [Prior(*pair) for pair in zip(mixed_means[best].tolist(), mixed[best].tolist(), strict=True)]


def _common_prior(means: Floats) -> Prior:
    """Return a weak prior at the arms' mean: as strong as the trials in which its rarer result is expected once."""
    average = float(means.mean())
    return Prior(average, min(1 / min(average, 1 - average), CAP))


def _tried(group: Siblings) -> tuple[Floats, Floats, Floats]:
    trials, successes = np.asarray(group.trials, np.float64), np.asarray(group.successes, np.float64)
    tried = trials > 0
    inside = min(max(group.mean, _EDGE), 1 - _EDGE)
    return np.full(int(tried.sum()), inside), trials[tried], successes[tried]


def _pooled_mean(strength: float, trials: Floats, successes: Floats) -> float:
    # One trial of the flat prior keeps the mean inside (0, 1) if all peers failed, or all succeeded.
    shares = 1.0 / (trials + strength)
    weight = (trials * shares).sum()
    return float(((successes * shares).sum() + 0.5 / (1.0 + strength)) / (weight + 1.0 / (1.0 + strength)))


def _likelihood(strengths: ArrayLike, means: Floats, trials: Floats, successes: Floats) -> Floats:
    """Return the log of the beta-binomial likelihood, up to a constant, summed over the last axis."""
    k = np.asarray(strengths, np.float64)
    a, b = k * means, k * (1 - means)
    won = log_gamma(a + successes) - log_gamma(a)
    lost = log_gamma(b + trials - successes) - log_gamma(b)
    total: Floats = (won + lost - log_gamma(k + trials) + log_gamma(k)).sum(axis=-1)
    return total


def _best_strength(likelihood: Callable[[float], Floats], cap: float) -> float:
    """Return the likeliest strength, to about 1%: the best on a grid of logarithms, refined twice."""
    low, high = np.log(LEAST), np.log(max(cap, LEAST))
    for _ in range(3):
        grid = np.linspace(low, high, 17)
        best = int(np.argmax([likelihood(float(np.exp(point))) for point in grid]))
        low, high = grid[max(best - 1, 0)], grid[min(best + 1, 16)]
    return min(float(np.exp(grid[best])), max(cap, LEAST))
