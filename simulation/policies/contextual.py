"""Play the product's contextual policy on its own code path: weights learned in batches, exact chances."""

from collections import defaultdict

import numpy as np

from bandits.drawing.weight_draws import Weights, make_weights
from bandits.posterior.logistic_update import Observations, PendingTrials
from bandits.posterior.weight_posterior import Attributes, WeightEvidence
from simulation.policies import fits
from simulation.policies.baselines import examined
from simulation.policies.drawing import SlotDrawing
from simulation.policies.evidence import SECOND
from simulation.policies.learner import REFRESH_SHARE
from simulation.scenario import ContextualSpec
from simulation.worlds.world import Floats, Order, SimulatedVisit, VisitOutcome


class ContextualPolicy:
    """The product's contextual policy. The features (d,) of a visit apply to every candidate.

    Draws are made again after `refresh` visits at most. With `kinds` > 0 the policy knows the kind of each candidate
    and learns what a kind has in common. With a `window`, after which outcomes no longer arrive, pending visits count
    by age.
    """

    def __init__(
        self, spec: ContextualSpec, arms: int, features: int, slots: int, *, seed: int, kinds: int = 0
    ) -> None:
        self._arms, self._floor, self._refresh = arms, spec.floor, spec.refresh
        self._drawing = SlotDrawing(arms, slots, slots, seed)
        self._names = list(self._drawing.ids)
        self._kinds = kinds
        self._rows: dict[str, tuple[float, ...]] = {}
        self._evidence = WeightEvidence(features)
        self._weights = self._draw(0)
        self._new_outcomes: list[tuple[VisitOutcome, list[str]]] = []
        self._trials = self._drawn_at = 0
        self._delays = fits.DelayRecords(spec.window) if spec.window else None
        self._curve = self._delays.curve(0) if self._delays else None
        self._curve_fitted_at = 0
        self._open: dict[int, tuple[SimulatedVisit, str]] = {}

    def decide(self, visit: SimulatedVisit) -> Order:
        self._register_arms(visit)
        is_due = bool(self._new_outcomes) and visit.number - self._drawn_at >= self._refresh
        if visit.renewed or is_due or len(self._new_outcomes) > REFRESH_SHARE * self._trials:
            self._refresh_beliefs(visit.number)
        features = np.tile(_features(visit), (self._arms, 1))
        scores, rates = self._weights.score(features)
        order = self._drawing.order(scores[0], rates[0], visit.number, self._floor)
        if self._delays:
            self._delays.start(visit.number)
            self._open[visit.number] = visit, self._names[order[0]]
        return order

    def learn(self, outcome: VisitOutcome) -> None:
        if self._delays:
            self._delays.resolve(outcome)
            del self._open[outcome.visit.number]
        self._new_outcomes.append((outcome, [self._names[arm] for arm in examined(outcome)]))

    def _register_arms(self, visit: SimulatedVisit) -> None:
        """Give a new candidate its own name; what was learned of the one that left remains in its kind."""
        for arm in visit.renewed:
            self._names[arm] = f"{self._drawing.ids[arm]} since {visit.number}"
        if self._kinds and (visit.renewed or not self._rows):
            of_kinds = np.eye(self._kinds)[list(visit.kinds)].tolist()
            self._rows |= {name: tuple(row) for name, row in zip(self._names, of_kinds, strict=True)}

    def _refresh_beliefs(self, now: int) -> None:
        rows: defaultdict[str, list[tuple[Floats, bool]]] = defaultdict(list)
        for outcome, names in self._new_outcomes:
            for arm, name in zip(examined(outcome), names, strict=True):
                rows[name].append((_features(outcome.visit), arm in outcome.successes))
        observations = {name: _observations(examined) for name, examined in rows.items()}
        self._evidence = self._evidence.updated(observations, self._attributes, self._pending_trials(now))
        self._weights = self._draw(now)
        self._trials += len(self._new_outcomes)
        self._new_outcomes, self._drawn_at = [], now

    def _pending_trials(self, now: int) -> dict[str, PendingTrials]:
        """Return the pending observations of the first slot, the only one in worlds with features."""
        if not self._delays or not self._curve:
            return {}
        if now >= self._curve_fitted_at + fits.REFIT_DELAYS:
            self._curve, self._curve_fitted_at = self._delays.curve(now), now
        rows = defaultdict[str, list[tuple[Floats, float]]](list)
        for visit, name in self._open.values():
            rows[name].append((_features(visit), self._curve.share((now - visit.number) * SECOND)))
        return {name: _pending_trials(examined) for name, examined in rows.items()}

    def _draw(self, now: int) -> Weights:
        version = self._drawing.version(now)
        return make_weights(self._names, self._evidence, seed=version, attributes=self._attributes)

    @property
    def _attributes(self) -> Attributes:
        return Attributes(self._kinds, self._rows)


def _features(visit: SimulatedVisit) -> Floats:
    if visit.features is None:
        raise ValueError("this world has no features to learn from")
    return visit.features


def _observations(examined: list[tuple[Floats, bool]]) -> Observations:
    features, successes = zip(*examined, strict=True)
    return Observations(np.array(features), np.ones(len(examined)), np.array(successes, np.float64))


def _pending_trials(examined: list[tuple[Floats, float]]) -> PendingTrials:
    features, shares = zip(*examined, strict=True)
    return PendingTrials(np.array(features), np.ones(len(examined)), np.array(shares))
