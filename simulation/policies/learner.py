"""Our Thompson sampling, on the product's own path: beliefs, frozen draws, counted chances, drawn slots."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

import bandits
from bandits import Evidence, Prior, WinProbabilities
from simulation.policies import fits
from simulation.policies.drawing import Drawing
from simulation.policies.evidence import Tally
from simulation.worlds.world import Floats, Order, Told, Visit

ENOUGH_NEWS = 0.005
"""Draws are made again as the evidence has grown by this share, as in the engine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Learning:
    """What of the product's learning is on.

    `drawn`: so many slots are drawn, the rest follow the means. `draws`: of each posterior. `refresh`: draws are as old
    as that many visits at most. `window`: after so many visits an outcome comes no more; those still open then count by
    their age. `day`: visits a day, for fading (`half_life_days`) and for starting again after a change (`restarts`).
    `by_slot`: position-based credit.
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


class Thompson:
    """One cell of the context. `priors` (arms,), flat unless given."""

    def __init__(
        self, learning: Learning, arms: int, slots: int, *, seed: int, priors: Sequence[Prior] | None = None
    ) -> None:
        self._learning, self._arms = learning, arms
        self._drawing = Drawing(arms, slots, learning.drawn, seed)
        self._priors = priors
        self._tally = Tally(arms, slots, by_slot=learning.by_slot)
        self._delays = fits.Delays(learning.window) if learning.window else None
        self._curve = self._delays.curve(0) if self._delays else None
        self._curve_at = 0
        self._examination = np.ones(slots)
        self._memory = np.ones((0, arms))
        self._fitted_at = 0
        self._believe(0)

    def decide(self, visit: Visit) -> Order:
        now = visit.number
        for one in visit.renewed:
            self._tally.forget(one)
        if visit.renewed or self._is_due(now):
            self._believe(now)
        order = self._drawing.order(self._race.chances, self._draws.means, now)
        if self._delays:
            self._tally.begin(now, order)
            self._delays.began(now)
        return order

    def learn(self, told: Told) -> None:
        self._news += self._tally.end(told, told.at // self._learning.day)
        if self._delays:
            self._delays.heard(told)

    def inherit(self, priors: Sequence[Prior]) -> None:
        """Start from other priors, from the next draws on."""
        self._priors = priors

    def evidence(self, now: int) -> list[Evidence]:
        """What counts at visit `now`, by arm."""
        return self._tally.evidence(self._weights(now), self._examination, self._curve, now)

    def _is_due(self, now: int) -> bool:
        return self._news >= self._enough or (self._news > 0 and now - self._made_at >= self._learning.refresh)

    def _believe(self, now: int) -> None:
        if now >= self._fitted_at + fits.REFIT:
            self._fit(now)
        if self._delays and now >= self._curve_at + fits.REFIT_DELAYS:
            self._curve, self._curve_at = self._delays.curve(now), now
        known, version = self.evidence(now), self._drawing.version(now)
        priors = bandits.temper(self._priors, known) if self._priors else None
        count = self._learning.draws
        self._draws = bandits.make_draws(self._drawing.ids, known, seed=version, priors=priors, count=count)
        self._race = WinProbabilities(self._draws.rates, self._learning.floor)
        self._enough = max(1.0, ENOUGH_NEWS * sum(one.trials for one in known))
        self._made_at, self._news = now, 0

    def _fit(self, now: int) -> None:
        self._fitted_at = now
        if self._learning.by_slot:
            self._examination = bandits.estimate_weights(*self._tally.counted().sum(axis=1))

    def _weights(self, now: int) -> Floats:
        """How much each day counts for each arm, (days, arms)."""
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
        """How much the days that are over still count; looked at once each."""
        if days > len(self._memory):
            self._memory = bandits.memory(*self._tally.counted()[:, :days].sum(axis=3))
        return self._memory
