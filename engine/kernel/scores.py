"""Scores of the eligible candidates in one request, from the customer's history or from facts. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

import bandits
from engine.kernel.amounts import weighted
from engine.kernel.beliefs import Beliefs
from engine.kernel.contextual_beliefs import ContextualBeliefs
from engine.kernel.plan import Plan
from engine.model.facts import Facts
from engine.model.placement import Thompson

Floats = NDArray[np.float64]
AnyBeliefs = Beliefs | ContextualBeliefs


class CandidateScores(NamedTuple):
    """Scores of the K eligible candidates, in their order.

    `means` (K,) are posterior means of the rate. `expected` (K,) is what a trial brings in before boosts and fees.
    `win_probabilities` counts the chances, and is called only if slots are drawn by them.
    """

    means: Floats
    expected: Floats
    hashes: NDArray[np.uint64]
    win_probabilities: Callable[[], bandits.WinProbabilities]


def scores_of(
    plan: Plan, beliefs: AnyBeliefs, facts: Facts, weights: Floats | None, eligible: tuple[int, ...]
) -> CandidateScores:
    """Score by the type of the beliefs, not of the policy: a draft may have another policy than the active plan."""
    match beliefs:
        case ContextualBeliefs():
            return _scores_by_features(beliefs, facts, weights, eligible)
        case Beliefs():
            return _scores_by_history(plan, beliefs, facts, weights, eligible)


def _scores_by_features(
    beliefs: ContextualBeliefs, facts: Facts, weights: Floats | None, eligible: tuple[int, ...]
) -> CandidateScores:
    features = beliefs.features(facts.values, facts.history, eligible)
    rates = beliefs.weights(eligible).rates(features)
    hashes, expected = beliefs.hashes(eligible), beliefs.expected(eligible, rates)
    return CandidateScores(rates, expected, hashes, lambda: beliefs.win_probabilities_for(eligible, features, weights))


def _scores_by_history(
    plan: Plan, beliefs: Beliefs, facts: Facts, weights: Floats | None, eligible: tuple[int, ...]
) -> CandidateScores:
    eligible_draws, past = beliefs.eligible_draws(eligible), _customer_counts(plan, facts, eligible)
    if past is None:
        return CandidateScores(
            eligible_draws.means,
            eligible_draws.expected(eligible_draws.means),
            eligible_draws.hashes,
            lambda: beliefs.win_probabilities(eligible, weights),
        )

    def win_probabilities() -> bandits.WinProbabilities:
        scores = eligible_draws.times_amounts(bandits.blend(eligible_draws.rates, *past, beliefs.customer_strength))
        return bandits.WinProbabilities(weighted(scores, weights), beliefs.floor)

    means = _blended_means(eligible_draws.means, *past, beliefs.customer_strength)
    return CandidateScores(means, eligible_draws.expected(means), eligible_draws.hashes, win_probabilities)


def _customer_counts(plan: Plan, facts: Facts, eligible: tuple[int, ...]) -> tuple[Floats, Floats] | None:
    """Return the customer's own successes and trials (K,), or None if the policy ignores them or there are none."""
    if not facts.history or not isinstance(plan.placement.policy, Thompson) or not plan.placement.policy.history:
        return None
    pasts = [facts.history.get(plan.ids[number]) for number in eligible]
    if not any(pasts):
        return None
    successes = np.array([past.successes if past else 0.0 for past in pasts])
    return successes, np.array([past.trials if past else 0.0 for past in pasts])


def _blended_means(means: Floats, successes: Floats, trials: Floats, strength: float) -> Floats:
    """Return the posterior means with the customer's own trials; `strength` trials weigh as much as the level above."""
    blended: Floats = (strength * means + successes) / (strength + trials)
    return blended
