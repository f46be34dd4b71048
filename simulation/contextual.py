"""Our contextual policy, on the product's own path: weights learned in batches, frozen draws, counted chances."""

from collections import defaultdict

import numpy as np

import bandits
from bandits.contextual import Learned, Lessons
from bandits.weights import Weights, make_weights
from simulation.drawing import Drawing
from simulation.learner import ENOUGH_NEWS
from simulation.plain import seen
from simulation.world import Floats, Order, Told, Visit


class Contextual:
    """Draws are as old as `refresh` visits at most. The features (d,) of a visit are those of every candidate."""

    def __init__(
        self, arms: int, features: int, slots: int, *, seed: int, floor: float = 0.0, refresh: int = 100
    ) -> None:
        self._arms, self._floor, self._refresh = arms, floor, refresh
        self._drawing = Drawing(arms, slots, slots, seed)
        self._learned = Learned(features)
        self._weights = self._draw(0)
        self._news: list[Told] = []
        self._trials = self._made_at = 0

    def decide(self, visit: Visit) -> Order:
        late = bool(self._news) and visit.number - self._made_at >= self._refresh
        if late or len(self._news) > ENOUGH_NEWS * self._trials:
            self._believe(visit.number)
        features = np.tile(_features(visit), (self._arms, 1))
        race = bandits.Race(self._weights.scores(features), self._floor)
        return self._drawing.order(race.chances, self._weights.rates(features), visit.number)

    def learn(self, told: Told) -> None:
        self._news.append(told)

    def _believe(self, now: int) -> None:
        rows: defaultdict[str, list[tuple[Floats, bool]]] = defaultdict(list)
        for told in self._news:
            for one in seen(told):
                rows[self._drawing.ids[one]].append((_features(told.visit), one in told.successes))
        self._learned = self._learned.after({name: _lessons(seen) for name, seen in rows.items()})
        self._weights = self._draw(now)
        self._trials += len(self._news)
        self._news, self._made_at = [], now

    def _draw(self, now: int) -> Weights:
        return make_weights(self._drawing.ids, self._learned, seed=self._drawing.version(now))


def _features(visit: Visit) -> Floats:
    if visit.features is None:
        raise ValueError("this world has no features to learn from")
    return visit.features


def _lessons(seen: list[tuple[Floats, bool]]) -> Lessons:
    features, successes = zip(*seen, strict=True)
    return Lessons(np.array(features), np.ones(len(seen)), np.array(successes, np.float64))
