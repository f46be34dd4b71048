"""Hold the compiled steps against plain numpy: every bit of every number must be the same."""

from __future__ import annotations

from math import prod

import numpy as np
import pytest

from bandits.drawing.slots import (
    NO_PASTS,
    NO_WEIGHTS,
    NONE_SUSPENDED,
    Candidates,
    Requests,
    Slots,
    arrange,
    arrange_likeliest,
    fill,
    follow,
)
from bandits.drawing.weight_draws import Weights
from bandits.posterior.logistic_update import rate
from tests.bandits import numpy_drawing as oracle
from tests.marks import first_values

CASES = 20_000


class Case:
    """A random request: any shape of draws, ties, pasts, amounts, weights, pins and drawn slots."""

    def __init__(self, number):
        random = np.random.default_rng(number)
        self.random, self.count = (
            random,
            int(random.choice([1, 2, 3, 5, 8, 9, 17, 80], p=[0.1, 0.1, 0.2, 0.2, 0.2, 0.1, 0.09, 0.01])),
        )
        self.seed = int(random.integers(2**64, dtype=np.uint64))
        self.candidates = self._candidates()
        self.strength = float(random.choice([0.3, 4.0, 37.77]))
        self.past = self._past() if random.random() < 0.5 else None
        self.weights = self._weights()
        self.slots = self._slots()

    def _candidates(self):
        random, size = self.random, 1 + int(self.random.random() < 0.3)
        columns = int(
            random.choice([1, 7, 8, 100, 256, 257, 300, 1024], p=[0.05, 0.05, 0.05, 0.1, 0.2, 0.1, 0.15, 0.3])
        )
        columns = 0 if random.random() < 0.1 else columns
        draws = random.beta(2, 5, (size, self.count, columns)).astype(np.float32)
        if random.random() < 0.4:
            draws = np.round(draws, 1)
        means = np.round(random.random((size, self.count)), int(random.choice([1, 17])))
        hashes = random.integers(2**64, size=self.count, dtype=np.uint64)
        candidates = Candidates(draws, means, hashes, float(random.choice([0.0, 0.01, 0.3, 1.0])))
        if columns and random.random() < 0.3:
            # As in a placement with other candidates, in another order.
            rows = random.permutation(self.count + 3)[: self.count]
            all_draws = random.random((size, self.count + 3, columns)).astype(np.float32)
            all_draws[:, rows] = draws
            candidates = candidates._replace(draws=all_draws, rows=rows)
        if columns and random.random() < 0.3:
            suspended = random.random(self.count) < 0.3
            suspended = NONE_SUSPENDED if suspended.all() else suspended
            candidates = candidates._replace(shares=random.random(self.count) + 0.01, suspended=suspended)
        return candidates

    def _past(self):
        trials = self.random.random(self.count) * 9 * (self.random.random(self.count) < 0.5)
        return np.array([trials * self.random.random(self.count), trials])

    def _weights(self):
        random, kind = self.random, self.random.random()
        if self.candidates.draws.shape[2] == 0:
            return random.random(self.count) * (random.random(self.count) < 0.7)
        if kind < 0.5:
            return None
        return np.exp(random.standard_normal(self.count)) * (1.0 if kind < 0.9 else -1.0)

    def _slots(self):
        random, count = self.random, self.count
        length = int(random.integers(1, count + 1))
        drawn = length if self.candidates.draws.shape[2] == 0 else int(random.choice([0, 1, 2, 3, 3, 3, 5]))
        pins = {}
        if random.random() < 0.3:
            some = random.permutation(count)[: int(random.integers(0, count))]
            slots = random.permutation(count + 4)
            pins = {int(slot): int(index) for slot, index in zip(slots, some, strict=False)}
        return Slots(length, drawn, pins)

    def requests(self):
        pasts = NO_PASTS if self.past is None else self.past[None]
        weights = NO_WEIGHTS if self.weights is None else self.weights[None]
        return Requests(np.array([self.seed], np.uint64), pasts, weights, self.strength)

    def chances_of(self):
        draws, _, _, floor, shares, suspended, rows = self.candidates
        draws = draws[:, rows] if rows.size else draws
        if draws.shape[2] == 0:
            return lambda taken: oracle.chances_of_weights(self.weights, taken)
        scores = oracle.scores_of(draws, self.past, self.weights, self.strength)
        return lambda taken: oracle.chances_of_wins(scores, floor, taken, shares, suspended)

    def means(self):
        means, rest = oracle.means_of(self.candidates.means, self.past, self.weights, self.strength)
        return means, np.where(self.candidates.suspended, -np.inf, rest) if self.candidates.suspended.size else rest

    def expected(self, u):
        slots = self.slots
        means, rest = self.means()
        order, chances, first = oracle.arrange(
            self.chances_of(), rest, u, length=slots.length, drawn=slots.drawn, pins=slots.pins
        )
        return order, chances, first.tolist(), means.tolist(), prod(chances)


@pytest.mark.parametrize("block", first_values(range(10), 4))
def test_answers_are_numpys_bit_for_bit(block):
    for number in range(block * CASES // 10, (block + 1) * CASES // 10):
        case = Case(number)
        u = oracle.uniforms(case.seed, case.candidates.hashes, max(1, case.slots.drawn))
        assert arrange(case.candidates, case.slots, case.requests()) == case.expected(u), number


def test_likeliest_answers_are_numpys():
    for number in range(CASES, CASES + 1_000):
        case = Case(number)
        u = np.full((max(1, case.slots.drawn), case.count), 0.5)
        assert arrange_likeliest(case.candidates, case.slots, case.requests()) == case.expected(u), number


def test_chances_along_an_order_are_numpys():
    for number in range(CASES, CASES + 2_000):
        case = Case(number)
        order = case.random.permutation(case.count)[: case.slots.length]
        if number % 3:
            order = np.array(arrange(case.candidates, case.slots, case.requests()).order)
        order[case.random.random(len(order)) < 0.05] = -1
        expected = oracle.chances_along(
            case.chances_of(), case.means()[1], order, drawn=case.slots.drawn, pins=case.slots.pins
        )
        rows = follow(case.candidates, case.slots, case.requests(), order[None])[0].tolist()
        expected = [row.tolist() for row in expected]
        assert rows[: len(expected)] == expected, number
        assert not np.any(rows[len(expected) :])


@pytest.mark.parametrize("number", range(200))
def test_many_requests_have_the_answers_of_each(number):
    case = Case(number)
    count, random = 7, case.random
    seeds = random.integers(2**64, size=count, dtype=np.uint64)
    pasts = NO_PASTS if case.past is None else np.array([case._past() for _ in range(count)])
    weights = NO_WEIGHTS if case.weights is None else case.weights * random.random((count, 1))
    if number % 2:
        weights = weights[:1]
    orders, numbers = fill(case.candidates, case.slots, Requests(seeds, pasts, weights, case.strength))
    chances = follow(case.candidates, case.slots, Requests(seeds, pasts, weights, case.strength), orders)
    for index in range(count):
        single = Requests(
            seeds[index : index + 1],
            pasts[index : index + 1],
            weights[index : index + 1] if len(weights) == count else weights,
            case.strength,
        )
        order, row = fill(case.candidates, case.slots, single)
        assert orders[index].tolist() == order[0].tolist()
        assert numbers[index].tolist() == row[0].tolist()
        assert chances[index].tolist() == follow(case.candidates, case.slots, single, order)[0].tolist()


@pytest.mark.parametrize("features", [1, 2, 7, 11, 48, 200])
def test_log_odds_take_one_rounding_a_feature_in_their_order(features):
    random = np.random.default_rng(features)
    draws = random.standard_normal((5, features, 300)).astype(np.float32)
    means, x = random.standard_normal((2, 5, features)) * (random.random((2, 5, features)) < 0.7)
    scores, rates = Weights(draws, means).score(x)
    assert (scores[0] == oracle.log_odds(draws, x)).all()
    assert (rates[0] == rate(np.vecdot(means, x)).astype(np.float32)).all()
