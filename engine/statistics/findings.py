"""Findings of a contextual policy as sentences with intervals. Pure.

A finding is the ratio of two rates of a candidate: where a fact holds, and where it does not, with all other facts at
their averages in the evidence. Its logarithm is nearly normal, so the interval follows from its slope (delta method).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bandits.evaluation.discovery import discoveries, p_value
from bandits.evaluation.intervals import Z95
from bandits.posterior.gaussian import Belief
from bandits.posterior.logistic_update import Factor, rate
from bandits.posterior.weight_posterior import WeightEvidence, beliefs_of, shared_weights
from engine.kernel.encoding.features import Encoding, Feature

Floats = NDArray[np.float64]
LEAST_TRIALS = 20
"""Candidates and values with fewer trials have no findings."""


class Finding(NamedTuple):
    """A candidate is chosen `ratio` times as often (95% interval) `where` a fact holds as where it does not.

    `sure` is whether that may be called an effect, among all findings of the page; `trials` is the number of the
    candidate's trials.
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


def findings(encoding: Encoding, evidence: WeightEvidence, candidates: Sequence[str]) -> list[Finding]:
    """Return all findings, the clearest first: by the number of standard errors between the log ratio and 0.

    Those that are sure hold together: the expected share of false ones among them is bounded by `FALSE_SHARE`.
    """
    beliefs = beliefs_of(evidence, candidates, encoding.attributes)
    scored = [
        row
        for candidate in candidates
        if (factor := evidence.factors.get(candidate)) is not None and factor.trials >= LEAST_TRIALS
        for row in _scored_findings(encoding, candidate, factor, beliefs[candidate])
    ]
    scored.sort(key=lambda row: -row.distance)
    sure = discoveries([p_value(row.distance, 1.0) for row in scored], weights=[row.information for row in scored])
    return [row.finding._replace(sure=is_sure) for row, is_sure in zip(scored, sure.tolist(), strict=True)]


class ScoredFinding(NamedTuple):
    """A finding, its `distance` from no effect in standard errors, and how much its trials can tell.

    `information` is the number of trials times the variance of the feature, whatever the outcomes were.
    """

    finding: Finding
    distance: float
    information: float


class ColdStart(NamedTuple):
    """The expected rate of a new candidate in a typical request, `where` it shares a trait with those of `ids`."""

    where: str
    ids: tuple[str, ...]
    rate: float


def cold_starts(encoding: Encoding, evidence: WeightEvidence, typical: Floats) -> list[ColdStart]:
    """Return the expected rate by trait, then that of a candidate without traits; empty if there is too little."""
    if not encoding.traits or sum(factor.trials for factor in evidence.factors.values()) < LEAST_TRIALS:
        return []
    shared, *of_traits = shared_weights(evidence, encoding.attributes) @ typical
    by_trait = [
        ColdStart(trait.where, tuple(trait.values), float(rate(shared + trait.high * slope)))
        for trait, slope in zip(encoding.traits, of_traits, strict=True)
    ]
    return [*by_trait, ColdStart("", (), float(rate(shared)))]


def _scored_findings(encoding: Encoding, candidate: str, factor: Factor, belief: Belief) -> list[ScoredFinding]:
    average = factor.totals / factor.trials
    groups: dict[str, list[int]] = {}
    for column, feature in enumerate(encoding.features):
        groups.setdefault(feature.group, []).append(column)
    scored = []
    for column, feature in enumerate(encoding.features[1:], start=1):
        alternatives = groups[feature.group]
        if not _is_comparable(feature, factor.totals[column], factor.trials):
            continue
        present, absent = _contrast(average, column, feature, alternatives)
        middle, error = _log_ratio(belief, present, absent)
        low, high = middle - Z95 * error, middle + Z95 * error
        span = math.exp(middle), math.exp(low), math.exp(high)
        finding = Finding(candidate, feature.where, *span, False, factor.trials)
        information = _information(feature, factor.totals[column], factor.trials)
        scored.append(ScoredFinding(finding, _distance(middle, error), information))
    return scored


def _distance(log_ratio: float, error: float) -> float:
    """Return how far a log ratio is from 0 in standard errors, as the likelihood ratio of counts has it.

    Where counts are small, a rate that came out high has too small an error; 1 / error**2 is about their number.
    """
    size = abs(log_ratio)
    return math.sqrt(max(0.0, 2 * (size - 1 + math.exp(-size)))) / error if error else 0.0


def _information(feature: Feature, total: float, trials: float) -> float:
    """Return trials times the variance of a 0/1 feature; of other features only the sum is kept: as if of 0 and 1."""
    share = total / trials if (feature.low, feature.high) == (0.0, 1.0) else 0.5
    return trials * share * (1 - share)


def _is_comparable(feature: Feature, total: float, trials: float) -> bool:
    """Return whether a feature was seen; a 0/1 feature must have been seen often enough both ways."""
    if (feature.low, feature.high) == (0.0, 1.0):
        return total >= LEAST_TRIALS and trials - total >= LEAST_TRIALS
    return total != 0.0


def _contrast(average: Floats, column: int, feature: Feature, alternatives: Sequence[int]) -> tuple[Floats, Floats]:
    """Return the average features with one feature high, and low; its alternatives share the rest in proportion."""
    present, absent = average.copy(), average.copy()
    if len(alternatives) > 1:
        others = [other for other in alternatives if other != column]
        rest = 1.0 - average[column]
        present[others] = 0.0
        absent[others] = average[others] / rest
    present[column], absent[column] = feature.high, feature.low
    return present, absent


def _log_ratio(belief: Belief, present: Floats, absent: Floats) -> tuple[float, float]:
    """Return the logarithm of the ratio of the two rates, and its standard error."""
    first, second = rate(present @ belief.mean), rate(absent @ belief.mean)
    slope = (1 - first) * present - (1 - second) * absent
    spread = slope * belief.covariance if belief.covariance.ndim == 1 else belief.covariance @ slope
    return math.log(float(first) / float(second)), math.sqrt(max(0.0, float(slope @ spread)))


def sentences(findings: Sequence[Finding], labels: Mapping[str, str], *, most: int = 12) -> list[str]:
    """Return the sentences of the sure findings, the clearest first."""
    sure = [finding for finding in findings if finding.sure][:most]
    return [finding.sentence(labels.get(finding.candidate, finding.candidate)) for finding in sure]


def _times(ratio: float) -> str:
    return f"{_short(ratio)} times"


def _span(low: float, high: float) -> str:
    return f"{_short(low)} to {_short(high)}"


def _short(number: float) -> str:
    return f"{number:.0f}" if number >= 10 else f"{number:.1f}" if number >= 1 else f"{number:.2f}"
