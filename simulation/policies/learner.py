"""Play the product's Thompson sampling on its own code path: beliefs, frozen draws, exact chances, drawn slots."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

import bandits
from bandits import Evidence, Prior
from simulation.policies import fits
from simulation.policies.drawing import SlotDrawing
from simulation.policies.evidence import EvidenceTally
from simulation.worlds.world import Floats, Order, SimulatedVisit, VisitOutcome

REFRESH_SHARE = 0.005
"""Draws are made again when the evidence has grown by this share, as in the engine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningOptions:
    """The options of the product's learning.

    `drawn`: slots to draw, the rest follow the means. `draws`: posterior draws per arm. `refresh`: the most visits
    until draws are made again. `window`: visits after which outcomes no longer arrive; pending visits then count by
    age. `day`: visits per day, for fading (`half_life_days`) and for restarting after a change (`restarts`). `by_slot`:
    position-based credit.
    """

    floor: float = 0.0
    drawn: int = 3
    draws: int = bandits.DRAWS
    refresh: int = 100
    window: int | None = None
    day: int = 250
    half_life_days: float | None = None
    restarts: bool = False
    by_slot: bool = False


class ThompsonPolicy:
    """Thompson sampling for one cell of the context. `priors` are (arms,), flat by default."""

    def __init__(
        self, learning: LearningOptions, arms: int, slots: int, *, seed: int, priors: Sequence[Prior] | None = None
    ) -> None:
        self._learning, self._arms = learning, arms
        self._drawing = SlotDrawing(arms, slots, learning.drawn, seed)
        self._priors = priors
        self._tally = EvidenceTally(arms, slots, by_slot=learning.by_slot)
        self._delays = fits.DelayRecords(learning.window) if learning.window else None
        self._curve = self._delays.curve(0) if self._delays else None
        self._curve_fitted_at = 0
        self._examination = np.ones(slots)
        self._memory = np.ones((0, arms))
        self._slots_fitted_at = 0
        self._refresh_beliefs(0)

    def decide(self, visit: SimulatedVisit) -> Order:
        now = visit.number
        for arm in visit.renewed:
            self._tally.forget(arm)
        if visit.renewed or self._is_due(now):
            self._refresh_beliefs(now)
        order = self._drawing.order(self._draws.rates, self._draws.means, now, self._learning.floor)
        if self._delays:
            self._tally.begin(now, order)
            self._delays.start(now)
        return order

    def learn(self, outcome: VisitOutcome) -> None:
        self._new_outcomes += self._tally.end(outcome, outcome.reported_at // self._learning.day)
        if self._delays:
            self._delays.resolve(outcome)

    def inherit(self, priors: Sequence[Prior]) -> None:
        """Use other priors from the next draws on."""
        self._priors = priors

    def evidence(self, now: int) -> list[Evidence]:
        """Return the weighted evidence at visit `now`, by arm."""
        return self._tally.evidence(self._weights(now), self._examination, self._curve, now)

    def _is_due(self, now: int) -> bool:
        return self._new_outcomes >= self._refresh_threshold or (
            self._new_outcomes > 0 and now - self._drawn_at >= self._learning.refresh
        )

    def _refresh_beliefs(self, now: int) -> None:
        if now >= self._slots_fitted_at + fits.REFIT:
            self._fit(now)
        if self._delays and now >= self._curve_fitted_at + fits.REFIT_DELAYS:
            self._curve, self._curve_fitted_at = self._delays.curve(now), now
        evidence, version = self.evidence(now), self._drawing.version(now)
        priors = bandits.temper(self._priors, evidence) if self._priors else None
        count = self._learning.draws
        self._draws = bandits.make_draws(self._drawing.ids, evidence, seed=version, priors=priors, count=count)
        self._refresh_threshold = max(1.0, REFRESH_SHARE * sum(arm_evidence.trials for arm_evidence in evidence))
        self._drawn_at, self._new_outcomes = now, 0

    def _fit(self, now: int) -> None:
        self._slots_fitted_at = now
        if self._learning.by_slot:
            self._examination = bandits.estimate_weights(*self._tally.counted().sum(axis=1))

    def _weights(self, now: int) -> Floats:
        """Return the weight of each day for each arm, (days, arms)."""
        days, today = self._tally.days(), now // self._learning.day
        weights = np.ones((len(days), self._arms))
        if self._learning.half_life_days:
            ages = np.array([today - day for day in days], np.float64)
            weights *= 0.5 ** (ages / self._learning.half_life_days)[:, None]
        if self._learning.restarts:
            over = self._remembered(sum(day < today for day in days))
            weights[: len(over)] *= over
        return weights

    def _remembered(self, days: int) -> Floats:
        """Return the weights of past days for each arm; each day is examined once."""
        if days > len(self._memory):
            self._memory = bandits.memory(*self._tally.counted()[:, :days].sum(axis=3))
        return self._memory
