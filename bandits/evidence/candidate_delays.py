"""Delay curves by candidate: one that is paid after two days is not judged by those that are paid within minutes.

A candidate may be paid as the others are or in a way of its own. How likely each way is follows from the delays of its
successes and from its unresolved trials: those of a candidate whose delays are unknown may be failures or late
successes. What they say of its rate is the mean over all ways.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from bandits.evidence.delay import (
    EDGES,
    NOT_YET,
    DelayCurve,
    Floats,
    PendingCount,
    bin_of,
    failure_weights,
    log_uniform,
    padded,
    share_arrived,
    share_failed,
    successes_by_age,
)
from bandits.evidence.examination import effective_trials
from bandits.posterior.beta import log_gamma

STRENGTHS = (1.0, 2.0, 5.0, 12.0, 30.0, 75.0, 200.0)
"""The numbers of successes that the others' shape may weigh as much as."""

FEWEST = 2
"""With so many candidates that have successes the strength is fitted; before, it is the weakest."""

SPREADS = (0.25, 0.35, 0.5, 0.7, 1.0, 1.4)
"""The standard deviations of the logarithm of a candidate's own delays."""

FIRST_MEDIAN = bin_of(60_000)
"""The bin of the shortest median: delays under a minute need no telling apart."""

RARE, COMMON = 0.3, 2.0
"""The prior of a rate is Beta(RARE, COMMON * (1 - m) / m), m the others' rate: from never to some times theirs."""

_UNLIKELY = 12.0
"""Ways that are less likely than the best by e to this power are left out."""

_LEAST = 1e-12


class Ways(NamedTuple):
    """The shares of successes that arrive by each edge, (ways, bins), and the log-likelihoods of the delays (ways,)."""

    shares: Floats
    gains: Floats


@dataclass(frozen=True, slots=True)
class Delays:
    """The delays of one candidate.

    `successes` are those of closed decisions by bin of delay, `pending` counts of open decisions, of all or of the
    oldest. `settled` are all its trials with an outcome and the successes among them, `unresolved` its trials
    without an outcome by bin of age.
    """

    successes: Sequence[float] = ()
    pending: Sequence[PendingCount] = ()
    settled: tuple[float, float] = (0.0, 0.0)
    unresolved: Sequence[float] = ()


def curves_by_candidate(
    delays: Mapping[str, Delays], failures: Sequence[int] = (), *, window_ms: int
) -> dict[str, DelayCurve]:
    """Return the delay curve of each candidate; `failures` by bin are those of all candidates together.

    Raises ValueError unless `window_ms` is positive.
    """
    counts = {name: _counts(own) for name, own in delays.items()}
    shapes = {name: _shape_of_others(name, counts) for name in counts}
    strength = fit_strength(counts, shapes)
    curves = {}
    for name, own in delays.items():
        shared = _as_others(name, own, counts, strength, shapes[name], window_ms)
        trials = _CandidateTrials.of(own, counts[name], _rate_of_others(name, delays))
        curves[name] = _blended(shared, _own_ways(counts[name], window_ms), trials, failures, own, window_ms)
    return curves


def _as_others(
    name: str, own: Delays, counts: Mapping[str, Floats], strength: float, shape: Floats, window_ms: int
) -> Ways:
    """Return the way of the others; the more of them have successes, the likelier."""
    others = sum(bool(successes.sum()) for other, successes in counts.items() if other != name)
    total = sum(float(successes.sum()) for successes in counts.values())
    prior = strength * (shape if others else log_uniform(window_ms))
    observed = successes_by_age((padded(own.successes) + (prior if others else 0.0)).tolist(), own.pending)
    share = share_arrived(observed, window_ms) * (observed.sum() / (observed.sum() + 1))
    gain = np.log(max(others, 1)) + _likelihood(strength * _expected(prior / strength, total), counts[name])
    return Ways(share[None], np.array([gain + _truncation(share, counts[name], prior)]))


def _truncation(share: Floats, counts: Floats, prior: Floats) -> float:
    """Return how much less likely the successes are than if no later ones were to come."""
    columns = np.flatnonzero(counts)
    complete = (counts + prior)[columns] / (counts.sum() + prior.sum())
    return float(counts[columns] @ np.log(_densities(share)[columns] / complete))


def _own_ways(counts: Floats, window_ms: int) -> Ways:
    """Return the lognormal delays; before any success, all of them are equally likely."""
    shares, columns = _lognormal(window_ms), np.flatnonzero(counts)
    return Ways(shares, np.log(_densities(shares)[:, columns]) @ counts[columns] - np.log(len(shares)))


@cache
def _lognormal(window_ms: int) -> Floats:
    """Return the shares (ways, bins) that arrive by each edge, for all medians and spreads, of those in the window."""
    edges = np.array(EDGES, np.float64)
    medians = edges[FIRST_MEDIAN : max(FIRST_MEDIAN + 1, int(np.searchsorted(edges, window_ms)) + 1), None]
    logs = np.log(np.maximum(np.minimum(edges, window_ms) / medians, _LEAST))
    distribution = np.vectorize(NormalDist().cdf)
    shares: Floats = np.vstack([distribution(logs / spread) for spread in SPREADS])
    return shares / np.maximum(shares[:, -1:], _LEAST)


def _densities(shares: Floats) -> Floats:
    return np.maximum(np.diff(shares, append=1.0), _LEAST)


class _CandidateTrials(NamedTuple):
    """A candidate's trials: those with an outcome, the successes among them, and the unresolved ones by bin of age.

    `unread` successes are of decisions whose delays are not known, `around` the unresolved trials of those decisions.
    `rare` and `common` are the prior of the rate.
    """

    settled: float
    won: float
    unresolved: Floats
    unread: float
    around: Floats
    rare: float
    common: float

    @classmethod
    def of(cls, own: Delays, counts: Floats, rate: float) -> "_CandidateTrials":
        won = max(own.settled[1], float(counts.sum()))
        unresolved = padded(own.unresolved)
        around = unresolved.copy()
        for row in own.pending:
            around[row.age] -= row.failures if row.delay == NOT_YET else 0
        around = np.maximum(around, 0.0)
        settled = max(own.settled[0], won)
        return cls(settled, won, unresolved, won - float(counts.sum()), around, RARE, COMMON * (1 - rate) / rate)

    def likelihoods(self, real: Floats) -> Floats:
        """Return the log-likelihoods of the outcomes if so many trials (ways,) could have succeeded by now."""
        lost = real - self.won
        won_gain = log_gamma(self.rare + self.won) + log_gamma(self.common + lost)
        gains: Floats = won_gain - log_gamma(self.rare + self.common + self.won + lost)
        return gains

    def real(self, weights: Floats) -> Floats:
        """Return how many trials could have succeeded by now, under the weights of unresolved ones (ways, bins)."""
        columns = np.flatnonzero(self.unresolved)
        trials = np.tile([self.settled, *self.unresolved[columns]], (len(weights), 1))
        successes = np.zeros(trials.shape)
        successes[:, 0] = self.won
        return effective_trials(trials, successes, np.column_stack((np.ones(len(weights)), weights[:, columns])))


def _blended(
    shared: Ways, alone: Ways, trials: _CandidateTrials, failures: Sequence[int], own: Delays, window_ms: int
) -> DelayCurve:
    """Return a curve under which unresolved trials say of the rate what all ways together say of its mean."""
    shares, gains = np.vstack((shared.shares, alone.shares)), np.concatenate((shared.gains, alone.gains))
    weights = failure_weights(shares, share_failed(failures, own.pending, shared.shares[0]))
    inside = (weights + np.append(weights[:, 1:], weights[:, -1:], axis=1)) / 2
    if trials.around.any():
        gains = gains + trials.unread * np.log(np.maximum(inside @ trials.around / trials.around.sum(), _LEAST))
    rough = gains + trials.likelihoods(trials.settled + inside @ trials.unresolved)
    is_likely = rough > rough.max() - _UNLIKELY
    gains, weights, inside = gains[is_likely], weights[is_likely], inside[is_likely]
    real = trials.real(inside)
    gains = gains + trials.likelihoods(real)
    chances = np.exp(gains - gains.max())
    chances /= chances.sum()
    # The mean of a rate is (1 + won) / (2 + trials), so the mean over the ways is that of the harmonic mean.
    together = 1 / float(chances @ (1 / (2 + real))) - 2
    plain = float(trials.real((chances @ inside)[None])[0])
    trust = (together - trials.settled) / (plain - trials.settled) if plain > trials.settled else 1.0
    return DelayCurve([], window_ms=window_ms).weighed(min(max(trust, 0.0), 1.0) * (chances @ weights))


def _rate_of_others(name: str, delays: Mapping[str, Delays]) -> float:
    """Return the rate of all other candidates, unresolved trials counted as failures."""
    others = [own for other, own in delays.items() if other != name]
    trials = sum(own.settled[0] + sum(own.unresolved) for own in others)
    return (sum(own.settled[1] for own in others) + 1) / (trials + 2)


def _expected(shape: Floats, total: float) -> Floats:
    """Return a shape in which a bin that `total` successes never had is not impossible."""
    return (total * shape + 0.5 / len(EDGES)) / (total + 0.5)


def fit_strength(counts: Mapping[str, Floats], shapes: Mapping[str, Floats]) -> float:
    """Return the strength of STRENGTHS under which the delays are likeliest, given the shapes of the others."""
    names = [name for name in counts if counts[name].sum() > 0 and shapes[name].sum() > 0]
    if len(names) < FEWEST:
        return STRENGTHS[0]
    total = sum(float(own.sum()) for own in counts.values())
    expected = {name: _expected(shapes[name], total) for name in names}
    gains = [sum(_likelihood(strength * expected[name], counts[name]) for name in names) for strength in STRENGTHS]
    return STRENGTHS[int(np.argmax(gains))]


def _counts(delays: Delays) -> Floats:
    """Return all successes by bin; of pending decisions only quick ones, which suffices to compare candidates."""
    counts = padded(delays.successes)
    for row in delays.pending:
        if row.delay != NOT_YET:
            counts[row.delay] += row.successes
    return counts


def _shape_of_others(name: str, counts: Mapping[str, Floats]) -> Floats:
    """Return the mean share of each bin among the successes of the others; zeros if they have none."""
    shares = [own / own.sum() for other, own in counts.items() if other != name and own.sum() > 0]
    return np.mean(shares, axis=0) if shares else np.zeros(len(EDGES))


def _likelihood(weights: Floats, counts: Floats) -> float:
    strength = weights.sum()
    total_term = log_gamma(strength + counts.sum()) - log_gamma(strength)
    return float((log_gamma(weights + counts) - log_gamma(weights)).sum() - total_term)
