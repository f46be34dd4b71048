"""What the kernel needs of a contextual beliefs version: frozen draws of weights, and how facts become features."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard

import msgspec
import numpy as np
from numpy.typing import NDArray

import bandits
from bandits.posterior.logistic_update import MOST_CORRELATED, Factor
from bandits.posterior.weight_draws import Weights, make_weights, rates_of
from bandits.posterior.weight_posterior import Learned
from engine.kernel.amounts import Amounts, weighted
from engine.kernel.features import Encoding
from engine.model.facts import History

MOST_REMEMBERED = 2**23
"""Draws that a beliefs version may hold for sets of eligible candidates: 80 of eight candidates with 12 features."""

Eligible = tuple[int, ...]
Floats = NDArray[np.float64]


class ContextualState(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was learned about weights, as it stands in a snapshot: a factor by candidate, packed as base64.

    `features` names what the weights are of, `cursor` is the last lesson that was learned, `day` the epoch day of it;
    `waiting` is what decisions without an outcome told at the time.
    """

    features: tuple[str, ...] = ()
    factors: dict[str, str] = {}
    cursor: int = 0
    day: int = 0
    waiting: dict[str, str] = {}

    def learned(self) -> Learned:
        size = len(self.features)
        return Learned(size, _unpacked(self.factors, size), _unpacked(self.waiting, size))


def knows(known: ContextualState | None, encoding: Encoding) -> TypeGuard[ContextualState]:
    """Whether it was learned about just these features: of others it says nothing about these."""
    return known is not None and known.features == encoding.names


def taught(learned: Learned, encoding: Encoding, *, cursor: int, day: int) -> ContextualState:
    return ContextualState(encoding.names, _packed(learned.factors), cursor, day, _packed(learned.waiting))


def _packed(factors: Mapping[str, Factor]) -> dict[str, str]:
    return {name: _pack(factor) for name, factor in sorted(factors.items())}


def _unpacked(packed: Mapping[str, str], size: int) -> dict[str, Factor]:
    return {name: _unpack(one, size) for name, one in packed.items()}


def _pack(factor: Factor) -> str:
    """Trials, information, totals, and the upper triangle of the precision (or its diagonal) as doubles."""
    precision = factor.precision
    held = precision if precision.ndim == 1 else precision[np.triu_indices(len(precision))]
    numbers = np.concatenate(([factor.trials], factor.information, factor.totals, held))
    return b64encode(numbers.astype("<f8").tobytes()).decode()


def _unpack(packed: str, size: int) -> Factor:
    numbers = np.frombuffer(b64decode(packed), "<f8").astype(np.float64)
    information, totals, held = np.split(numbers[1:], [size, 2 * size])
    return Factor(information, _square(held, size), float(numbers[0]), totals)


def _square(held: Floats, size: int) -> Floats:
    if size > MOST_CORRELATED:
        return held
    whole = np.zeros((size, size))
    whole[np.triu_indices(size)] = held
    square: Floats = whole + np.triu(whole, 1).T
    return square


class ContextualBeliefs:
    """One version of what is known in a placement, drawn once. The rows of eligible candidates are remembered."""

    bucket = ""

    def __init__(
        self,
        ids: Sequence[str],
        hashes: NDArray[np.uint64],
        encoding: Encoding,
        known: ContextualState | None,
        *,
        version: int,
        floor: float,
        amounts: Amounts | None = None,
    ) -> None:
        self.learned = known.learned() if knows(known, encoding) else Learned(len(encoding))
        self.version = version
        self.floor = floor
        self.encoding = encoding
        self._ids = tuple(ids)
        self._hashes = hashes
        self._amounts = amounts
        self._weights = make_weights(ids, self.learned, seed=version, attributes=encoding.attributes)
        self._rows: dict[Eligible, Weights] = {}

    def hashes(self, eligible: Eligible) -> NDArray[np.uint64]:
        return self._hashes[list(eligible)]

    def amounts(self, eligible: Eligible) -> Floats | None:
        """What a success of each is expected to bring in, (K,), where amounts are learned; facts do not change it."""
        return self._amounts.amount_draws.means[list(eligible)] if self._amounts else None

    def expected(self, eligible: Eligible, rates: Floats) -> Floats:
        """What a trial of each is expected to bring in, where that is what counts; otherwise its rate alone."""
        brought = self.amounts(eligible) if self._amounts and self._amounts.counts else None
        return rates if brought is None else rates * brought

    def weights(self, eligible: Eligible) -> Weights:
        if len(eligible) == len(self._ids):
            return self._weights
        rows = self._rows.get(eligible)
        if rows is None:
            if len(self._rows) * self._weights.draws.size >= MOST_REMEMBERED:
                self._rows.clear()
            chosen = list(eligible)
            rows = self._rows[eligible] = Weights(self._weights.draws[chosen], self._weights.means[chosen])
        return rows

    def win_probabilities(self, eligible: Eligible) -> bandits.WinProbabilities:
        """The race for a typical request."""
        return self.win_probabilities_for(eligible, np.tile(self.typical(), (len(eligible), 1)), None)

    def win_probabilities_for(
        self, eligible: Eligible, features: Floats, weights: Floats | None
    ) -> bandits.WinProbabilities:
        """The race for a request's features (K, d), under the weights that rules and fees make."""
        scores = self.weights(eligible).scores(features)
        counts = self._amounts is not None and self._amounts.counts
        if counts or weights is not None:
            # The log-odds have the order of the rates, but not that of the rates times what a success is worth.
            scores = rates_of(scores)
        if self._amounts and counts:
            scores = scores * self._amounts.amount_draws.draws[list(eligible)]
        return bandits.WinProbabilities(weighted(scores, weights), self.floor)

    def typical(self) -> Floats:
        """The average features (d,) of the requests that were learned from, by a customer without a past."""
        trials = sum(factor.trials for factor in self.learned.factors.values())
        totals = sum((factor.totals for factor in self.learned.factors.values()), np.zeros(len(self.encoding)))
        typical: Floats = totals / trials if trials > 0 else totals
        typical[self.encoding.own_past] = 0.0
        typical[0] = 1.0
        return typical

    def features(self, values: Mapping[str, Any], history: History, eligible: Eligible) -> Floats:
        """The features (K, d) of a request."""
        return self.encoding.rows(values, history, [self._ids[number] for number in eligible])
