"""The hierarchy: what is known one level up is the prior of the level below, with a strength fitted to the siblings."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bandits.posterior.beliefs import FLAT, Evidence, Prior, mean
from bandits.posterior.beta import log_gamma

CAP = 100.0
"""The most trials that the level above may weigh as much as."""

LEAST = 2.0
"""The least: as little as the flat prior knows."""

FEWEST_PEERS = 3
"""From fewer, what one of them did could be read off."""

DOUBT = 0.25
"""What every step of disbelief in the level above costs, as a log-likelihood."""

_EDGE = 1e-6
_SHARES = np.array([*(0.5**power for power in range(7)), 0.0])[:, None]

Floats = NDArray[np.float64]


class Siblings(NamedTuple):
    """The mean of a parent, 0 to 1, and the trials and successes of its children, (C,) each."""

    mean: float
    trials: ArrayLike
    successes: ArrayLike


def fit_strength(groups: Sequence[Siblings], *, cap: float = CAP) -> float:
    """The strength k, LEAST to `cap`, under which the children are likeliest: Beta(k * mean, k * (1 - mean)) each.

    Beta-binomial maximum likelihood, one k over all groups. Without a child that was tried, LEAST.
    """
    known = [group for group in map(_tried, groups) if len(group[1])]
    if not known:
        return LEAST
    means, trials, successes = (np.concatenate(column) for column in zip(*known, strict=True))
    return _best_strength(lambda strength: _likelihood(strength, means, trials, successes), cap)


def fit_prior(children: Sequence[Evidence], *, cap: float = CAP) -> Prior:
    """The prior of one more child: the mean and the strength under which these, tried, are likeliest.

    Under each strength k a child of n trials weighs n / (n + k) in the mean (Kleinman, 1973). FLAT, where fewer than
    FEWEST_PEERS were tried.
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
    """The prior of a child: its parent's posterior mean, `strength` trials strong."""
    return Prior(mean(parent, parent_prior), strength)


def temper(priors: Sequence[Prior], known: Sequence[Evidence]) -> list[Prior]:
    """The priors of arms, believed as far as what is `known` of the arms by now bears them out.

    The share of them that makes what is known likeliest (all, a half, a quarter, ... nothing; each step has to gain
    DOUBT), the rest what all arms have in common: an adaptive power prior (Ibrahim and Chen, 2000; Gravestock and
    Held, 2017). Who is like those above keeps all that they teach; who is not is soon rid of it.
    """
    if not priors:
        return []
    means, strengths = np.array([(prior.mean, prior.strength) for prior in priors]).T
    trials, successes = np.array([(arm.trials, arm.successes) for arm in known], np.float64).T
    usual = _usual(means)
    mixed = _SHARES * strengths + (1 - _SHARES) * usual.strength
    mixed_means = (_SHARES * strengths * means + (1 - _SHARES) * usual.strength * usual.mean) / mixed
    gains = _likelihood(mixed, mixed_means, trials, successes) - DOUBT * np.arange(len(_SHARES))
    best = int(gains.argmax())
    if not best:
        return list(priors)
    return [Prior(*pair) for pair in zip(mixed_means[best].tolist(), mixed[best].tolist(), strict=True)]


def _usual(means: Floats) -> Prior:
    """What is left of priors that are not believed: their common mean, as sure as its rarer side once seen."""
    common = float(means.mean())
    return Prior(common, min(1 / min(common, 1 - common), CAP))


def _tried(group: Siblings) -> tuple[Floats, Floats, Floats]:
    trials, successes = np.asarray(group.trials, np.float64), np.asarray(group.successes, np.float64)
    tried = trials > 0
    inside = min(max(group.mean, _EDGE), 1 - _EDGE)
    return np.full(int(tried.sum()), inside), trials[tried], successes[tried]


def _pooled_mean(strength: float, trials: Floats, successes: Floats) -> float:
    # One trial of the flat prior keeps the mean of peers that never, or always, succeeded inside (0, 1).
    shares = 1.0 / (trials + strength)
    weight = (trials * shares).sum()
    return float(((successes * shares).sum() + 0.5 / (1.0 + strength)) / (weight + 1.0 / (1.0 + strength)))


def _likelihood(strengths: ArrayLike, means: Floats, trials: Floats, successes: Floats) -> Floats:
    """The log of the beta-binomial likelihood, up to a constant, summed over the last axis."""
    k = np.asarray(strengths, np.float64)
    a, b = k * means, k * (1 - means)
    won = log_gamma(a + successes) - log_gamma(a)
    lost = log_gamma(b + trials - successes) - log_gamma(b)
    total: Floats = (won + lost - log_gamma(k + trials) + log_gamma(k)).sum(axis=-1)
    return total


def _best_strength(likelihood: Callable[[float], Floats], cap: float) -> float:
    """The likeliest strength, to a hundredth of itself: the best of a grid in its logarithm, then of a finer one."""
    low, high = np.log(LEAST), np.log(max(cap, LEAST))
    for _ in range(3):
        grid = np.linspace(low, high, 17)
        best = int(np.argmax([likelihood(float(np.exp(point))) for point in grid]))
        low, high = grid[max(best - 1, 0)], grid[min(best + 1, 16)]
    return min(float(np.exp(grid[best])), max(cap, LEAST))
