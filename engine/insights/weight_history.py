"""How much each fact weighs in a model that learns from facts, now and in the weeks before."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from bandits.posterior.weight_posterior import beliefs_of
from engine.kernel.contextual_beliefs import ContextualState, matches_encoding
from engine.kernel.encoding.features import Encoding, Floats
from engine.learning.live import Live
from engine.model.errors import NotFound
from engine.model.scope import Scope
from engine.model.timestamps import DAY
from engine.store import beliefs as snapshots
from engine.store.connection.database import Database

WEEK = 7 * DAY
WEEKS = 6


class FactWeight(NamedTuple):
    """How many times higher the odds of a success are `where` a fact holds than where it does not, by moment."""

    where: str
    odds: tuple[float, ...]


class WeightHistory(NamedTuple):
    """The weights at `moments` (epoch milliseconds), the newest first; the heaviest facts come first."""

    moments: tuple[int, ...]
    facts: tuple[FactWeight, ...]


class WeightReader:
    """Reads weights from stored beliefs versions."""

    def __init__(self, database: Database, live: Live) -> None:
        self._database = database
        self._live = live

    async def of(self, merchant_id: int, placement: str, *, now: int) -> WeightHistory | None:
        """Return the weights of a placement; None if it does not learn from facts, or has learned nothing yet.

        Raise `NotFound` for an unknown placement.
        """
        active = self._live.get(merchant_id, placement)
        if active is None:
            raise NotFound(f"there is no placement “{placement}”", field="placement")
        encoding, scope = active.plan.encoding, Scope(merchant_id, placement, active.plan.placement.reward)
        if encoding is None:
            return None
        states: dict[int, ContextualState] = {}
        async with self._database.read() as connection:
            for moment in range(now, now - WEEKS * WEEK, -WEEK):
                snapshot = await snapshots.in_force_at(connection, scope, moment + 1)
                state = snapshot.knowledge.contextual if snapshot else None
                if matches_encoding(state, encoding) and state.factors:
                    states[moment] = state
        if not states:
            return None
        return history_of(encoding, list(states), [_mean_weights(encoding, state) for state in states.values()])


def history_of(encoding: Encoding, moments: Sequence[int], weights: Sequence[Floats]) -> WeightHistory:
    """Return the facts' odds from weights (d,) at each moment, without the constant."""
    facts = [
        FactWeight(feature.where, tuple(math.exp(row[column] * (feature.high - feature.low)) for row in weights))
        for column, feature in enumerate(encoding.features)
        if column and any(row[column] for row in weights)
    ]
    facts.sort(key=lambda fact: -abs(math.log(fact.odds[0])))
    return WeightHistory(tuple(moments), tuple(facts))


def _mean_weights(encoding: Encoding, state: ContextualState) -> Floats:
    """Return the mean weights (d,) over candidates, each as much as it was tried; 0 for features without a trial."""
    evidence = state.evidence()
    names = sorted(evidence.factors)
    trials = np.array([max(evidence.factor(name).trials, 0.0) for name in names])
    if not trials.sum():
        return np.zeros(evidence.size)
    beliefs = beliefs_of(evidence, names, encoding.attributes)
    mean: Floats = trials @ np.array([beliefs[name].mean for name in names]) / trials.sum()
    totals = sum(np.abs(evidence.factor(name).totals) for name in names)
    return np.where(totals > 0, mean, 0.0)
