"""Learn each cell of the context separately, shrunk to the average of all cells."""

import bandits
from bandits import FLAT, Prior
from simulation.policies import fits
from simulation.policies.learner import LearningOptions, ThompsonPolicy
from simulation.worlds.world import Order, SimulatedVisit, VisitOutcome


class CellPolicies:
    def __init__(self, learning: LearningOptions, arms: int, slots: int, *, seed: int) -> None:
        self._learning, self._arms, self._slots, self._seed = learning, arms, slots, seed
        self._common = ThompsonPolicy(learning, arms, slots, seed=seed)
        self._cells: dict[str, ThompsonPolicy] = {}
        self._priors: list[Prior] | None = None
        self._fitted_at = 0

    def decide(self, visit: SimulatedVisit) -> Order:
        if visit.number >= self._fitted_at + fits.REFIT:
            self._fit(visit.number)
        return self._policy_for(visit).decide(visit)

    def learn(self, outcome: VisitOutcome) -> None:
        self._common.learn(outcome)
        self._policy_for(outcome.visit).learn(outcome)

    def _policy_for(self, visit: SimulatedVisit) -> ThompsonPolicy:
        policy = self._cells.get(visit.cell)
        if policy is None:
            seed = self._seed
            policy = ThompsonPolicy(self._learning, self._arms, self._slots, seed=seed, priors=self._priors)
            self._cells[visit.cell] = policy
        return policy

    def _fit(self, now: int) -> None:
        self._fitted_at = now
        common = self._common.evidence(now)
        strength = fits.strength(common, [cell.evidence(now) for cell in self._cells.values()])
        self._priors = [bandits.prior_from(parent, FLAT, strength) for parent in common]
        for cell in self._cells.values():
            cell.inherit(self._priors)
