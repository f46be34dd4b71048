"""Our contextual policy, on the product's own path: weights learned in batches, frozen draws, counted chances."""

from collections import defaultdict

import numpy as np

import bandits
from bandits.posterior.logistic_update import Observations, PendingTrials
from bandits.posterior.weight_draws import Weights, make_weights
from bandits.posterior.weight_posterior import Attributes, WeightEvidence
from simulation.policies import fits
from simulation.policies.drawing import Drawing
from simulation.policies.evidence import SECOND
from simulation.policies.learner import ENOUGH_NEWS
from simulation.policies.plain import seen
from simulation.worlds.world import Floats, Order, Told, Visit


class Contextual:
    """Draws are as old as `refresh` visits at most. The features (d,) of a visit are those of every candidate.

    With `kinds` > 0 it is told which of so many each candidate is of, and learns what they have in common. With a
    `window`, after which an outcome comes no more, visits still open count by their age.
    """

    def __init__(
        self,
        arms: int,
        features: int,
        slots: int,
        *,
        seed: int,
        floor: float = 0.0,
        refresh: int = 100,
        kinds: int = 0,
        window: int | None = None,
    ) -> None:
        self._arms, self._floor, self._refresh = arms, floor, refresh
        self._drawing = Drawing(arms, slots, slots, seed)
        self._names = list(self._drawing.ids)
        self._kinds = kinds
        self._rows: dict[str, tuple[float, ...]] = {}
        self._evidence = WeightEvidence(features)
        self._weights = self._draw(0)
        self._news: list[tuple[Told, list[str]]] = []
        self._trials = self._made_at = 0
        self._delays = fits.Delays(window) if window else None
        self._curve = self._delays.curve(0) if self._delays else None
        self._curve_at = 0
        self._open: dict[int, tuple[Visit, str]] = {}

    def decide(self, visit: Visit) -> Order:
        self._meet(visit)
        late = bool(self._news) and visit.number - self._made_at >= self._refresh
        if visit.renewed or late or len(self._news) > ENOUGH_NEWS * self._trials:
            self._believe(visit.number)
        features = np.tile(_features(visit), (self._arms, 1))
        win_probabilities = bandits.WinProbabilities(self._weights.scores(features), self._floor)
        order = self._drawing.order(win_probabilities.chances, self._weights.rates(features), visit.number)
        if self._delays:
            self._delays.began(visit.number)
            self._open[visit.number] = visit, self._names[order[0]]
        return order

    def learn(self, told: Told) -> None:
        if self._delays:
            self._delays.heard(told)
            del self._open[told.visit.number]
        self._news.append((told, [self._names[one] for one in seen(told)]))

    def _meet(self, visit: Visit) -> None:
        """A newcomer has a name of its own; what was learned of who left stays known of its kind."""
        for one in visit.renewed:
            self._names[one] = f"{self._drawing.ids[one]} since {visit.number}"
        if self._kinds and (visit.renewed or not self._rows):
            of_kinds = np.eye(self._kinds)[list(visit.kinds)].tolist()
            self._rows |= {name: tuple(row) for name, row in zip(self._names, of_kinds, strict=True)}

    def _believe(self, now: int) -> None:
        rows: defaultdict[str, list[tuple[Floats, bool]]] = defaultdict(list)
        for told, names in self._news:
            for one, name in zip(seen(told), names, strict=True):
                rows[name].append((_features(told.visit), one in told.successes))
        observations = {name: _observations(seen) for name, seen in rows.items()}
        self._evidence = self._evidence.updated(observations, self._attributes, self._waiting(now))
        self._weights = self._draw(now)
        self._trials += len(self._news)
        self._news, self._made_at = [], now

    def _waiting(self, now: int) -> dict[str, PendingTrials]:
        """Of the first slot, where worlds with features have their only one."""
        if not self._delays or not self._curve:
            return {}
        if now >= self._curve_at + fits.REFIT_DELAYS:
            self._curve, self._curve_at = self._delays.curve(now), now
        rows = defaultdict[str, list[tuple[Floats, float]]](list)
        for visit, name in self._open.values():
            rows[name].append((_features(visit), self._curve.share((now - visit.number) * SECOND)))
        return {name: _waiting(seen) for name, seen in rows.items()}

    def _draw(self, now: int) -> Weights:
        version = self._drawing.version(now)
        return make_weights(self._names, self._evidence, seed=version, attributes=self._attributes)

    @property
    def _attributes(self) -> Attributes:
        return Attributes(self._kinds, self._rows)


def _features(visit: Visit) -> Floats:
    if visit.features is None:
        raise ValueError("this world has no features to learn from")
    return visit.features


def _observations(seen: list[tuple[Floats, bool]]) -> Observations:
    features, successes = zip(*seen, strict=True)
    return Observations(np.array(features), np.ones(len(seen)), np.array(successes, np.float64))


def _waiting(seen: list[tuple[Floats, float]]) -> PendingTrials:
    features, shares = zip(*seen, strict=True)
    return PendingTrials(np.array(features), np.ones(len(seen)), np.array(shares))
