"""What a contextual policy has learned, in words with intervals. Pure.

How much more often a candidate is chosen where a fact holds: the ratio of two rates, all other facts being as they were
on average in what was learned from. Its logarithm is nearly normal: the interval comes from its slope (delta method).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bandits.posterior.gaussian import Belief
from bandits.posterior.logistic_update import Factor, rate
from bandits.posterior.weight_posterior import Learned, beliefs_of, shared_weights
from engine.kernel.features import Encoding, Feature

Floats = NDArray[np.float64]
SURE = 1.96
"""Standard errors on either side that hold the truth in 95 of 100 cases."""
LEAST_TRIALS = 20
"""With fewer trials of a candidate, or of a value, nothing is said."""


class Finding(NamedTuple):
    """A candidate is chosen `ratio` times as often (95% interval) `where` a fact holds as where it does not.

    `sure` is whether the interval leaves out 1; `trials` is how many of the candidate it rests on.
    """

    candidate: str
    where: str
    ratio: float
    low: float
    high: float
    sure: bool
    trials: float

    def sentence(self, label: str) -> str:
        return f"{self.where}, {label} is chosen {_times(self.ratio)} as often ({_span(self.low, self.high)})."


def findings(encoding: Encoding, learned: Learned, candidates: Sequence[str]) -> list[Finding]:
    """What there is to say, the clearest first: by how many standard errors a ratio is away from 1."""
    beliefs = beliefs_of(learned, candidates, encoding.attributes)
    told = [
        found
        for candidate in candidates
        if (factor := learned.factors.get(candidate)) is not None and factor.trials >= LEAST_TRIALS
        for found in _of_candidate(encoding, candidate, factor, beliefs[candidate])
    ]
    return [finding for _, finding in sorted(told, key=lambda one: -one[0])]


class Beginning(NamedTuple):
    """The rate in a typical request that a new candidate is expected to have, `where` it is like those of `ids`."""

    where: str
    ids: tuple[str, ...]
    rate: float


def beginnings(encoding: Encoding, learned: Learned, typical: Floats) -> list[Beginning]:
    """By what candidates are like, and last for one that is like none; nothing where nothing tells them apart."""
    if not encoding.traits or sum(factor.trials for factor in learned.factors.values()) < LEAST_TRIALS:
        return []
    shared, *brought = shared_weights(learned, encoding.attributes) @ typical
    found = [
        Beginning(trait.where, tuple(trait.values), float(rate(shared + trait.high * more)))
        for trait, more in zip(encoding.traits, brought, strict=True)
    ]
    return [*found, Beginning("", (), float(rate(shared)))]


def _of_candidate(encoding: Encoding, candidate: str, factor: Factor, belief: Belief) -> list[tuple[float, Finding]]:
    average = factor.totals / factor.trials
    groups: dict[str, list[int]] = {}
    for column, feature in enumerate(encoding.features):
        groups.setdefault(feature.group, []).append(column)
    told = []
    for column, feature in enumerate(encoding.features[1:], start=1):
        alternatives = groups[feature.group]
        if not _was_seen(feature, factor.totals[column], factor.trials):
            continue
        with_it, without = _contrast(average, column, feature, alternatives)
        middle, error = _log_ratio(belief, with_it, without)
        low, high = middle - SURE * error, middle + SURE * error
        sure = low > 0 or high < 0
        finding = Finding(
            candidate, feature.where, math.exp(middle), math.exp(low), math.exp(high), sure, factor.trials
        )
        told.append((abs(middle) / error if error else 0.0, finding))
    return told


def _was_seen(feature: Feature, total: float, trials: float) -> bool:
    """Whether it was there at all; where it is a matter of yes or no, often enough in both ways to compare."""
    if (feature.low, feature.high) == (0.0, 1.0):
        return total >= LEAST_TRIALS and trials - total >= LEAST_TRIALS
    return total != 0.0


def _contrast(average: Floats, column: int, feature: Feature, alternatives: Sequence[int]) -> tuple[Floats, Floats]:
    """The features where it is high and where it is low; its alternatives then share what is left to them."""
    with_it, without = average.copy(), average.copy()
    if len(alternatives) > 1:
        others = [other for other in alternatives if other != column]
        left = 1.0 - average[column]
        with_it[others] = 0.0
        without[others] = average[others] / left
    with_it[column], without[column] = feature.high, feature.low
    return with_it, without


def _log_ratio(belief: Belief, with_it: Floats, without: Floats) -> tuple[float, float]:
    """The logarithm of the ratio of the two rates, and its standard error."""
    first, second = rate(with_it @ belief.mean), rate(without @ belief.mean)
    slope = (1 - first) * with_it - (1 - second) * without
    spread = slope * belief.covariance if belief.covariance.ndim == 1 else belief.covariance @ slope
    return math.log(float(first) / float(second)), math.sqrt(max(0.0, float(slope @ spread)))


def sentences(found: Sequence[Finding], labels: Mapping[str, str], *, most: int = 12) -> list[str]:
    """What is sure, in words, the clearest first."""
    return [one.sentence(labels.get(one.candidate, one.candidate)) for one in found if one.sure][:most]


def _times(ratio: float) -> str:
    return f"{_short(ratio)} times"


def _span(low: float, high: float) -> str:
    return f"{_short(low)} to {_short(high)}"


def _short(number: float) -> str:
    return f"{number:.0f}" if number >= 10 else f"{number:.1f}" if number >= 1 else f"{number:.2f}"
