"""The draws and means of the eligible candidates in one request, and the customer's own counts. Pure."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

import bandits
from engine.kernel.beliefs import Beliefs
from engine.kernel.bounds import Bounds
from engine.kernel.choice_beliefs import ChoiceBeliefs, WeighedCandidates
from engine.kernel.contextual_beliefs import ContextualBeliefs
from engine.kernel.plan import Plan
from engine.model.facts import Facts
from engine.model.placement import Contextual, Fixed, Split, Thompson

Floats = NDArray[np.float64]
AnyBeliefs = Beliefs | ContextualBeliefs | ChoiceBeliefs


def weighed_candidates(
    plan: Plan, beliefs: AnyBeliefs, facts: Facts, bounds: Bounds, weights: Floats, eligible: tuple[int, ...]
) -> WeighedCandidates:
    """Return the K eligible candidates in the form that the placement's policy needs, and what multiplies their scores.

    They come from the type of the beliefs, not of the policy: a draft may have another policy than the active plan.
    `weights` are the value weights (1, K), or (0, 0) without any.
    """
    values = weights
    match beliefs:
        case ChoiceBeliefs():
            stratum = plan.stratum(facts, eligible, bounds.order_rules)
            history = facts.history if counts_history(plan) else {}
            candidates, weights = beliefs.candidates(eligible, stratum, history, values)
        case ContextualBeliefs():
            features = beliefs.features(facts.values, facts.history, eligible)
            candidates = beliefs.candidates(eligible, features, is_weighted=bool(values.size))
        case Beliefs():
            candidates = beliefs.candidates(eligible)
    match plan.placement.policy:
        case Fixed():
            return WeighedCandidates(candidates.in_order(fixed_order_scores(len(eligible))), values)
        case Split() as policy:
            return WeighedCandidates(candidates.split(), split_weights(plan, policy, eligible))
        case Thompson() | Contextual():
            return WeighedCandidates(candidates, weights)


def fixed_order_scores(count: int) -> Floats:
    """Return falling scores (count,), so that the merchant's own order stands unless boosts change it."""
    return np.asarray(1.0 / (1.0 + np.arange(count)), np.float64)


def split_weights(plan: Plan, policy: Split, eligible: tuple[int, ...]) -> Floats:
    """Return the weights (1, K) that the chances of a split are in proportion to."""
    return np.array([[policy.weights.get(plan.ids[number], 1.0) for number in eligible]], np.float64)


def counts_history(plan: Plan) -> bool:
    """Return whether the customer's own past counts."""
    return isinstance(plan.placement.policy, Thompson) and plan.placement.policy.history


def customer_counts(plan: Plan, beliefs: AnyBeliefs, facts: Facts, eligible: tuple[int, ...]) -> Floats:
    """Return the customer's own successes and trials (1, 2, K); (0, 0, 0) if there are none or they do not count."""
    history = facts.history
    if not history or not counts_history(plan) or not isinstance(beliefs, Beliefs):
        return bandits.NO_PASTS
    counts: Floats | None = None
    for index, number in enumerate(eligible):
        past = history.get(plan.ids[number])
        if past is not None:
            counts = np.zeros((1, 2, len(eligible))) if counts is None else counts
            counts[0, 0, index], counts[0, 1, index] = past.successes, past.trials
    return bandits.NO_PASTS if counts is None else counts
