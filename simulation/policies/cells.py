"""Cells of the context that learn apart, each shrunk to what they have in common."""

import bandits
from bandits import FLAT, Prior
from simulation.policies import fits
from simulation.policies.learner import Learning, Thompson
from simulation.worlds.world import Order, Told, Visit


class Cells:
    def __init__(self, learning: Learning, arms: int, slots: int, *, seed: int) -> None:
        self._learning, self._arms, self._slots, self._seed = learning, arms, slots, seed
        self._common = Thompson(learning, arms, slots, seed=seed)
        self._cells: dict[str, Thompson] = {}
        self._priors: list[Prior] | None = None
        self._fitted_at = 0

    def decide(self, visit: Visit) -> Order:
        if visit.number >= self._fitted_at + fits.REFIT:
            self._fit(visit.number)
        return self._of(visit).decide(visit)

    def learn(self, told: Told) -> None:
        self._common.learn(told)
        self._of(told.visit).learn(told)

    def _of(self, visit: Visit) -> Thompson:
        known = self._cells.get(visit.cell)
        if known is None:
            seed = self._seed
            known = Thompson(self._learning, self._arms, self._slots, seed=seed, priors=self._priors)
            self._cells[visit.cell] = known
        return known

    def _fit(self, now: int) -> None:
        self._fitted_at = now
        common = self._common.evidence(now)
        strength = fits.strength(common, [cell.evidence(now) for cell in self._cells.values()])
        self._priors = [bandits.prior_from(parent, FLAT, strength) for parent in common]
        for cell in self._cells.values():
            cell.inherit(self._priors)
